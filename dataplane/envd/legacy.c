/*
 * The oldest Python SDKs call themselves just connect-python, and refuse
 * messages that have fields they do not know.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "envd/connect_int.h"

bool
legacy_client(const struct rpc *c)
{
	const char *agent = http_req_header(c->r, "User-Agent");

	return agent != NULL && strcmp(agent, "connect-python") == 0 &&
	       strncmp(c->m->path, "/filesystem.", 12) == 0;
}

/* An entry; of an event the same leaves name and type. */
static void
reduce(json_t *o)
{
	static const char *const known[] = { "name", "type", "path" };
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe (o, next, key, v) {
		bool keep = false;

		for (size_t i = 0; i < countof(known); i++)
			keep |= strcmp(key, known[i]) == 0;
		if (!keep)
			(void)json_object_del(o, key);
	}
}

static void
reduce_all(json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		reduce(json_array_get(list, i));
}

int
legacy_reduce(const char *json, size_t n, struct buf *out, struct err *e)
{
	json_error_t je;
	json_t *o = json_loadb(json, n, 0, &je);
	autofree char *text = NULL;

	if (o == NULL)
		return err_set(e, ERR_BUG, "reply is not JSON: %s", je.text);
	reduce(json_object_get(o, "entry"));
	reduce(json_object_get(o, "filesystem"));
	reduce_all(json_object_get(o, "entries"));
	reduce_all(json_object_get(o, "events"));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text == NULL || buf_puts(out, text) < 0)
		return err_set(e, ERR_LIMIT, "no memory for the reply");
	return 0;
}
