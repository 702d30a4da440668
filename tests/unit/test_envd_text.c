/* envd: JSON out, base64 both ways, fields in. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "envd/text.h"
#include "t.h"

static bool
puts_as(const char *s, const char *want)
{
	struct buf b;
	bool ok;

	buf_init(&b, 1000);
	ok = json_put(&b, s) == 0 && strcmp(buf_str(&b), want) == 0;
	if (!ok)
		printf("# %s -> %s\n", s, buf_str(&b));
	buf_fini(&b);
	return ok;
}

static void
strings(void)
{
	CHECK(puts_as("", "\"\""));
	CHECK(puts_as("a\"b\\c\n\001", "\"a\\\"b\\\\c\\n\\u0001\""));
	CHECK(puts_as("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
	    "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\""));
	CHECK(puts_as("a\xff\xc3", "\"a\xef\xbf\xbd\xef\xbf\xbd\""));
	CHECK(puts_as(
	    "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""));
	CHECK(!utf8_valid("\xc0\xaf", 2) && utf8_valid("\xc2\xa9", 2));
}

static void
base64(void)
{
	static const struct {
		const char *plain, *coded;
	} row[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "\xfb\xff\xfe", "+//+" },
	};
	char to[100];

	for (size_t i = 0; i < countof(row); i++) {
		size_t n = strlen(row[i].plain), len = b64_encoded(n);

		b64_encode(row[i].plain, n, to);
		CHECK(len == strlen(row[i].coded) &&
		      memcmp(to, row[i].coded, len) == 0);
		CHECK(b64_decode(row[i].coded, len, to) == (ssize_t)n &&
		      memcmp(to, row[i].plain, n) == 0);
	}
	CHECK(b64_decode("Zg", 2, to) == 1);   /* unpadded */
	CHECK(b64_decode("-__-", 4, to) == 3); /* URL-safe */
	CHECK(b64_decode("Z", 1, to) == -1);
	CHECK(b64_decode("Zg=", 3, to) == -1);
	CHECK(b64_decode("Z!==", 4, to) == -1);
	CHECK(b64_decode("====", 4, to) == -1);
}

static void
fields(void)
{
	json_t *o =
	    json_loads("{\"aB\":\"x\",\"c_d\":7,\"e\":\"12\",\"f\":null,"
		       "\"g\":true,\"h\":1e3,\"i\":-1,\"j\":\"YQ\"}",
		0, NULL);
	const char *s = NULL;
	char *bytes = NULL;
	uint64_t n = 0;
	size_t len;
	struct err e;
	bool b = false;

	CHECK(field_text(o, "aB", "a_b", &s, &e) == 1 && strcmp(s, "x") == 0);
	CHECK(field_uint(o, "cD", "c_d", 10, &n, &e) == 1 && n == 7);
	CHECK(field_uint(o, "cD", "c_d", 6, &n, &e) == -1);
	CHECK(field_uint(o, "e", NULL, 12, &n, &e) == 1 && n == 12);
	CHECK(field_uint(o, "h", NULL, 1000, &n, &e) == 1 && n == 1000);
	CHECK(field_uint(o, "i", NULL, 1000, &n, &e) == -1);
	CHECK(field_text(o, "f", NULL, &s, &e) == 0);
	CHECK(field_text(o, "zz", NULL, &s, &e) == 0);
	CHECK(field_text(o, "g", NULL, &s, &e) == -1);
	CHECK(field_bool(o, "g", NULL, &b, &e) == 1 && b);
	CHECK(field_bytes(o, "j", &bytes, &len, &e) == 1 && len == 1);
	free(bytes);
	CHECK(field_bytes(o, "aB", &bytes, &len, &e) == -1);
	json_decref(o);
}

int
main(void)
{
	strings();
	base64();
	fields();
	return t_end();
}
