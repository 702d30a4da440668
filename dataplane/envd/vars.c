/* Environment variables: few, so a list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envd/envd.h"

void
vars_free(struct vars *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	*v = (struct vars){ NULL, 0 };
}

static size_t
place(const struct vars *v, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (strncmp(v->v[i], name, len) == 0 && v->v[i][len] == '=')
			break;
	return i;
}

int
vars_set(struct vars *v, const char *name, const char *value)
{
	size_t at = place(v, name, strlen(name));
	char *text, **more;

	if (at >= ENVD_VARS_MAX || asprintf(&text, "%s=%s", name, value) < 0)
		return -1;
	if (at < v->n) {
		free(v->v[at]);
		v->v[at] = text;
		return 0;
	}
	/* Grown by eight, with room for execve's last NULL. */
	if (v->n % 8 == 0) {
		more = realloc(v->v, (v->n + 9) * sizeof(*more));
		if (more == NULL) {
			free(text);
			return -1;
		}
		v->v = more;
	}
	v->v[v->n++] = text;
	v->v[v->n] = NULL;
	return 0;
}

const char *
vars_get(const struct vars *v, const char *name)
{
	size_t len = strlen(name), at = place(v, name, len);

	return at < v->n ? v->v[at] + len + 1 : NULL;
}
