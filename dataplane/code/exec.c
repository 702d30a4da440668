/* One execution, from its request to its last line. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "code/code.h"
#include "code/ctx_int.h"
#include "code/event.h"

void
exec_free(struct exec *x)
{
	stream_fini(&x->stream);
	varlist_free(&x->vars);
	free(x->code);
	free(x->token);
	free(x);
}

static void
on_gone(struct stream *s)
{
	struct exec *x = container_of(s, struct exec, stream);

	if (x->ctx != NULL)
		ctx_left(x->ctx, x);
	else
		exec_free(x);
}

static void
on_room(struct stream *s)
{
	struct exec *x = container_of(s, struct exec, stream);

	if (x->ctx != NULL)
		ctx_room(x->ctx, x);
}

struct exec *
exec_new(struct code *c, struct http_req *r, struct jv code,
    struct varlist *vars, const char *token)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->code = malloc(code.n);
	x->token = token != NULL ? strdup(token) : NULL;
	if (x->code == NULL || (token != NULL && x->token == NULL)) {
		free(x->code);
		free(x->token);
		free(x);
		return NULL;
	}
	memcpy(x->code, code.p, code.n);
	x->ncode = code.n;
	x->vars = *vars;
	*vars = (struct varlist){ NULL, 0 };
	x->stream.on_gone = on_gone;
	x->stream.on_room = on_room;
	stream_init(&x->stream, c->loop, r);
	return x;
}

void
exec_finish(struct exec *x, const char *name, const char *value)
{
	x->ctx = NULL;
	if (x->stream.r == NULL) {
		exec_free(x);
		return;
	}
	if (!x->stream.begun) {
		stream_refuse(&x->stream, 500, value != NULL ? value : "");
		return;
	}
	if (name != NULL)
		(void)event_put_error(&x->stream.out, name, value);
	stream_end(&x->stream);
}
