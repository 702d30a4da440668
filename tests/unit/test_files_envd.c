/* envd: signatures, ranges, codings, names and multipart bodies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/files.h"
#include "envd/multipart.h"
#include "t.h"

static void
signatures(void)
{
	static const char token[] = "0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0";
	static const struct {
		const char *path, *op, *user, *until, *want;
	} row[] = {
		{ "hello.txt", "read", "user", NULL,
		    "v1_gUtH/s9YCJWgCizjfUxuWfhFE4QSydOWEIIvfLwDr6E" },
		{ "hello.txt", "read", "", NULL,
		    "v1_SnvZASdG5vD8p9rpaldX3434NfwgRVsYsvzCBL6oZbc" },
		{ "a b/\xc3\xbc.txt", "write", "root", "1893456000",
		    "v1_jT98bguI3wynVmytfqQkDjFZAQtyBN9nAqiK5yIGk/w" },
		{ "", "write", "", NULL,
		    "v1_+Ndakv8aCLGD5gjOtfiA7J8PrN3cGaRiZZq/4vOYGKA" },
	};
	char to[64];

	for (size_t i = 0; i < countof(row); i++) {
		files_sign(row[i].path, row[i].op, row[i].user, token,
		    row[i].until, to);
		CHECK(strcmp(to, row[i].want) == 0);
	}
}

static void
ranges(void)
{
	static const struct {
		const char *header;
		int n;
		int64_t at, len; /* of the first */
	} row[] = {
		{ NULL, 0, 0, 0 },
		{ "bytes=0-0", 1, 0, 1 },
		{ "bytes=1-", 1, 1, 99 },
		{ "bytes=-10", 1, 90, 10 },
		{ "bytes=-1000", 1, 0, 100 },
		{ "bytes=50-1000", 1, 50, 50 },
		{ "bytes=0-1, 5-6 ,-1", 3, 0, 2 },
		{ "bytes=100-", RANGES_NONE, 0, 0 },
		{ "bytes=-0", RANGES_NONE, 0, 0 },
		{ "bytes=,0-1,", 1, 0, 2 },
		{ "bytes= 0 - 1 ", 1, 0, 2 },
		{ "bytes=200-,0-1", 1, 0, 2 },
		{ "bytes=5-4", RANGES_BAD, 0, 0 },
		{ "bytes=a-b", RANGES_BAD, 0, 0 },
		{ "bytes=1", RANGES_BAD, 0, 0 },
		{ "bytes=", 0, 0, 0 },
		{ "items=0-1", RANGES_BAD, 0, 0 },
		{ "bytes=0-99,0-99", 0, 0, 0 },
		{ "bytes=99999999999999999999-", RANGES_BAD, 0, 0 },
	};
	struct file_range r[RANGES_MAX];

	for (size_t i = 0; i < countof(row); i++) {
		int n = files_ranges(row[i].header, 100, r);
		bool ok =
		    n == row[i].n &&
		    (n <= 0 || (r[0].at == row[i].at && r[0].n == row[i].len));

		CHECK(ok);
		if (!ok)
			printf("# %s -> %d\n", row[i].header, n);
	}
	CHECK(files_ranges("bytes=0-0", 0, r) == 0);
}

static void
codings(void)
{
	CHECK(files_coding(NULL, false) == CODING_IDENTITY);
	CHECK(files_coding("", false) == CODING_IDENTITY);
	CHECK(files_coding("gzip, deflate", false) == CODING_IDENTITY);
	CHECK(files_coding("gzip, identity;q=0", false) == CODING_GZIP);
	CHECK(files_coding("gzip;q=1, identity;q=0.5", false) == CODING_GZIP);
	CHECK(files_coding("*", false) == CODING_IDENTITY);
	CHECK(files_coding("*;q=0", false) == CODING_NONE);
	CHECK(files_coding("*;q=0, gzip", false) == CODING_GZIP);
	CHECK(files_coding("identity;q=0", false) == CODING_NONE);
	CHECK(files_coding("identity;q=0, gzip", true) == CODING_NONE);
	CHECK(files_coding("gzip", true) == CODING_IDENTITY);
}

static void
names(void)
{
	char to[200], tiny[30];

	files_disposition("a.txt", to, sizeof(to));
	CHECK(strcmp(to, "inline; filename=a.txt") == 0);
	files_disposition("a b\".txt", to, sizeof(to));
	CHECK(strcmp(to, "inline; filename=\"a b\\\".txt\"") == 0);
	files_disposition("\xc3\xbc.txt", to, sizeof(to));
	CHECK(strcmp(to, "inline; filename*=utf-8''%C3%BC.txt") == 0);
	files_disposition("a b c d e f g h i j k l m", tiny, sizeof(tiny));
	CHECK(strlen(tiny) < sizeof(tiny));
}

static void
type(const char *name, const char *head, size_t n, const char *want)
{
	const char *got = files_type(name, head, n);

	CHECK(strcmp(got, want) == 0);
	if (strcmp(got, want) != 0)
		printf("# %s: %s\n", name, got);
}

static void
types(void)
{
	char list[] = "/tmp/types.XXXXXX";
	int fd = mkstemp(list);
	const char text[] = "# no type abc\n"
			    "application/x-abc\tabc  Abd\n"
			    "text/x-c\t\tc\n"
			    "image/none\n"
			    "application/first json # abe\n"
			    "application/last\tjson";

	files_type_list = "/nothing";
	type("x.JSON", "", 0, "application/json");
	type("x.abc", "a", 1, "text/plain; charset=utf-8");
	type("x", "\x89PNG\r\n\x1a\n", 8, "image/png");
	type("x", "a\0b", 3, "application/octet-stream");
	type("x", "", 0, "text/plain; charset=utf-8");
	type("x", " \n<html>", 8, "text/html; charset=utf-8");
	type("x", "<html", 5, "text/plain; charset=utf-8");
	type("x", "<htmlx>", 7, "text/plain; charset=utf-8");
	type("x", "RIFF1234WAVE", 12, "audio/wave");
	type("x",
	    "\0\0\0\x14"
	    "ftypisom0000mp42",
	    20, "video/mp4");
	type("x",
	    "\0\0\0\x14"
	    "ftypisommp42",
	    16, "application/octet-stream");
	CHECK(fd >= 0 && write(fd, text, sizeof(text) - 1) > 0);
	files_type_list = list;
	type("x.abc", "", 0, "application/x-abc");
	type("x.ABC", "", 0, "application/x-abc");
	type("x.Abd", "", 0, "application/x-abc");
	type("x.abd", "", 0, "text/plain; charset=utf-8");
	type("x.abe", "", 0, "text/plain; charset=utf-8");
	type("x.c", "", 0, "text/x-c; charset=utf-8");
	type("x.json", "", 0, "application/last");
	type("x.", "", 0, "text/plain; charset=utf-8");
	(void)unlink(list);
	if (fd >= 0)
		(void)close(fd);
}

/* --- multipart ------------------------------------------------------------*/

static char seen[4096];

static int
on_part(
    struct multipart *m, const char *name, const char *filename, struct err *e)
{
	(void)m;
	(void)e;
	(void)sprintf(seen + strlen(seen), "<%s|%s>", name != NULL ? name : "-",
	    filename != NULL ? filename : "-");
	return 0;
}

static int
on_data(struct multipart *m, const char *p, size_t n, struct err *e)
{
	(void)m;
	(void)e;
	(void)sprintf(seen + strlen(seen), "%.*s", (int)n, p);
	return 0;
}

static int
on_part_end(struct multipart *m, struct err *e)
{
	(void)m;
	(void)e;
	(void)strcat(seen, "</>");
	return 0;
}

static void
multipart(const char *body, const char *want)
{
	size_t n = strlen(body);

	for (size_t step = 1; step <= n; step++) {
		struct multipart m = { .on_part = on_part,
			.on_data = on_data,
			.on_part_end = on_part_end };
		struct err e;
		int rc =
		    multipart_init(&m, "multipart/form-data; boundary=\"xY\"");

		seen[0] = '\0';
		for (size_t i = 0; i < n && rc == 0; i += step)
			rc = multipart_feed(
			    &m, body + i, n - i < step ? n - i : step, &e);
		if (rc == 0)
			rc = multipart_end(&m, &e);
		CHECK(
		    want == NULL ? rc < 0 : rc == 0 && strcmp(seen, want) == 0);
		if (want != NULL && strcmp(seen, want) != 0)
			printf("# step %zu: %s\n", step, seen);
		multipart_fini(&m);
	}
}

static void
multiparts(void)
{
	multipart("--xY\r\nContent-Disposition: form-data; name=\"file\"; "
		  "filename=\"/a/b c.txt\"\r\nContent-Type: x\r\n\r\n"
		  "a\r\n--x\r\n-b\r\n--xY--\r\n",
	    "<file|/a/b c.txt>a\r\n--x\r\n-b</>");
	multipart("preamble\r\n--xY  \r\nX: y\r\ncontent-disposition: "
		  "form-data; filename=\"a\\\"b\\c\"; name=f\r\n\r\n\r\n"
		  "--xY\r\n\r\nz\r\n--xY--trailing",
	    "<f|a\"b\\c></><-|->z</>");
	multipart("--xY--", "");
	multipart("--xY\r\n\r\nabc", NULL);
	/* What goes on behind a delimiter is none. */
	multipart("--xYz\r\n\r\nabc\r\n--xY--", "");
	multipart("--xY\r\n\r\na\r\n--xYz\r\n--xY-\r\n--xY \tb\r\n\r\n"
		  "--xY \t\r\n\r\nc\r\n--xY--",
	    "<-|->a\r\n--xYz\r\n--xY-\r\n--xY \tb\r\n</><-|->c</>");
	multipart("--xY\r\nContent-Disposition: form-data; name=f; filename=a; "
		  "filename*=UTF-8'en'b%2F%C3%BC\r\n\r\n\r\n--xY--",
	    "<f|b/\xc3\xbc></>");
	multipart("--xY\r\nContent-Disposition: form-data; name=f; filename=a; "
		  "filename*=UTF-8''b%2\r\n\r\n\r\n--xY--",
	    "<f|a></>");
	multipart("nothing", NULL);
}

int
main(void)
{
	struct multipart m;
	char to[8];

	signatures();
	ranges();
	codings();
	names();
	types();
	multiparts();
	CHECK(multipart_init(&m, "multipart/form-data") < 0);
	CHECK(multipart_param("x; a=b; c=\"d;e\"", "c", to, 8) &&
	      strcmp(to, "d;e") == 0);
	CHECK(!multipart_param("x; abc=\"0123456789\"", "abc", to, 8));
	return t_end();
}
