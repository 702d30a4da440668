/*
 * Bodies of POST /execute: what jansson takes, we take, and with the same
 * code in it; what is refused is refused in JSON; every snippet for variables
 * is text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/own.h"
#include "code/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same_text(struct jv ours, const json_t *theirs)
{
	struct buf b;

	buf_init(&b, 1 << 22);
	if (jv_text(&b, ours) < 0 || b.len != json_string_length(theirs) ||
	    (b.len > 0 &&
		memcmp(b.data, json_string_value(theirs), b.len) != 0))
		abort();
	buf_fini(&b);
}

static void
snippets(const struct varlist *l)
{
	static const char *const names[] = { "python", "javascript", "r",
		"bash", "java" };

	for (size_t i = 0; i < countof(names); i++) {
		struct buf b;

		buf_init(&b, 1 << 22);
		for (size_t k = 0; k < l->n; k++)
			if (lang_find(names[i])->put_var(
				&b, l->v[k].name, l->v[k].value) < 0)
				abort();
		if (b.len > 0 && memchr(b.data, '\0', b.len) != NULL)
			abort();
		buf_fini(&b);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1), *language, *cwd;
	json_t *theirs, *answer;
	struct execute x;
	struct buf detail;

	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	theirs = json_loadb(copy, size, JSON_ALLOW_NUL, NULL);
	buf_init(&detail, 64 * 1024);
	if (execute_read(&x, copy, size, &detail) == 0) {
		if (theirs != NULL)
			same_text(x.code, json_object_get(theirs, "code"));
		snippets(&x.vars);
		execute_fini(&x);
	} else {
		struct jv v;

		if (detail.len == 0 ||
		    jv_parse(detail.data, detail.len, &v, NULL) < 0)
			abort();
		answer = json_loadb(detail.data, detail.len, 0, NULL);
		/* JSON for them is JSON for us, and told so. */
		if (theirs != NULL && answer != NULL &&
		    strstr(buf_str(&detail), "json_invalid") != NULL &&
		    memcmp(detail.data + 19, "json_invalid", 12) == 0)
			abort();
		json_decref(answer);
	}
	buf_reset(&detail);
	if (context_read(&language, &cwd, copy, size, &detail) == 0) {
		free(language);
		free(cwd);
	}
	buf_fini(&detail);
	json_decref(theirs);
	free(copy);
	return 0;
}
