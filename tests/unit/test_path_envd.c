/* envd: what a request's path means. */
#include <string.h>

#include "base/own.h"
#include "envd/envd.h"
#include "t.h"

int
main(void)
{
	static const struct {
		const char *in, *workdir, *out; /* NULL: refused */
	} row[] = {
		{ "", NULL, "/home/user" },
		{ "", "/w", "/w" },
		{ "", "~/w", "/home/user/w" },
		{ "~", "/w", "/home/user" },
		{ "~/", NULL, "/home/user" },
		{ "~/a/../b", NULL, "/home/user/b" },
		{ "~\\a", NULL, "/home/user/a" },
		{ "~root", NULL, NULL },
		{ "/a//b/../c/", "/w", "/a//b/../c/" },
		{ "a", "/w", "/home/user/a" },
		{ "./a/./b//c/", NULL, "/home/user/a/b/c" },
		{ "../../../../etc", NULL, "/etc" },
		{ "..", NULL, "/home" },
		{ "a~", NULL, "/home/user/a~" },
		{ ".", NULL, "/home/user" },
	};
	static const char *const bases[][2] = { { "/a/b", "b" },
		{ "/a/b//", "b" }, { "/", "/" }, { "a", "a" }, { "", "." } };
	static const char *const clean[][2] = { { "/", "/" }, { "//", "/" },
		{ "/a/./b/../c//", "/a/c" }, { "/../..", "/" },
		{ "/a/b", "/a/b" } };
	char out[PATH_MAX], base[NAME_MAX + 1], longest[PATH_MAX + 10];
	struct err e;

	for (size_t i = 0; i < countof(row); i++) {
		int rc = path_resolve(
		    row[i].in, "/home/user", row[i].workdir, out, &e);
		bool ok = row[i].out == NULL
			      ? rc < 0 && e.kind == ERR_INVALID
			      : rc == 0 && strcmp(out, row[i].out) == 0;

		CHECK(ok);
		if (!ok)
			printf("# \"%s\" -> \"%s\"\n", row[i].in, out);
	}
	CHECK(path_resolve("a", "/", NULL, out, &e) == 0 &&
	      strcmp(out, "/a") == 0);
	CHECK(path_resolve("..", "/", NULL, out, &e) == 0 &&
	      strcmp(out, "/") == 0);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK(path_resolve(longest, "/", NULL, out, &e) < 0);
	longest[0] = '/';
	CHECK(path_resolve(longest, "/", NULL, out, &e) < 0);
	for (size_t i = 0; i < countof(clean); i++) {
		(void)strcpy(out, clean[i][0]);
		path_clean(out);
		CHECK(strcmp(out, clean[i][1]) == 0);
	}
	for (size_t i = 0; i < countof(bases); i++)
		CHECK(strcmp(path_base(bases[i][0], base), bases[i][1]) == 0);
	return t_end();
}
