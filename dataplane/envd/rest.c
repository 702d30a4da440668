/* GET /health and GET /envs. */
#include <string.h>

#include "envd/envd.h"
#include "envd/text.h"

void
rest_health(struct http_req *r, struct envd *d)
{
	(void)d;
	http_reply_header(r, "Cache-Control", "no-store");
	http_reply(r, 204, NULL, NULL, 0);
}

static int
put_vars(struct buf *b, const struct vars *v, const char **comma)
{
	for (size_t i = 0; i < v->n; i++) {
		const char *eq = strchr(v->v[i], '=');

		if (buf_puts(b, *comma) < 0 ||
		    json_put_n(b, v->v[i], (size_t)(eq - v->v[i])) < 0 ||
		    buf_puts(b, ":") < 0 || json_put(b, eq + 1) < 0)
			return -1;
		*comma = ",";
	}
	return 0;
}

void
rest_envs(struct http_req *r, struct envd *d)
{
	const char *comma = "{";
	struct buf b;

	buf_init(&b, ENVD_LISTING_MAX);
	http_reply_header(r, "Cache-Control", "no-store");
	if (put_vars(&b, &d->internal, &comma) < 0 ||
	    put_vars(&b, &d->user_vars, &comma) < 0 ||
	    buf_puts(&b, *comma == '{' ? "{}\n" : "}\n") < 0)
		rest_fail(r, 500, "the variables are too long");
	else
		http_reply(r, 200, "application/json", b.data, b.len);
	buf_fini(&b);
}
