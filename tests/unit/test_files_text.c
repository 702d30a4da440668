/* What lies beside the files of sandboxes and templates, as text. */
#include "ctl/substrate/files_text.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "tests/t.h"

static void
ids_become_names(void)
{
	static const char good[SPAWN_ID_MAX] = "i0123456789abcdefghij";
	static const char *const bad[] = { "", ".", "..", "a/b", "A", "a-b",
		"a b", "a.b", "a@g", "a\n" };
	char id[SPAWN_ID_MAX];

	CHECK(disk_id_ok(good));
	for (size_t i = 0; i < countof(bad); i++) {
		memset(id, 0, sizeof(id));
		(void)snprintf(id, sizeof(id), "%s", bad[i]);
		CHECK(!disk_id_ok(id));
	}
	memset(id, 'a', sizeof(id)); /* not terminated */
	CHECK(!disk_id_ok(id));
}

static void
meta_comes_back(void)
{
	const struct disk_meta m = { .ref = { 16383, 4294967295u },
		.id = "i0123456789abcdefghij",
		.template_id = "coppicebase000000000",
		.boot_id = "01234567-89ab-cdef-0123-456789abcdef",
		.limit = UINT64_MAX,
		.keep = true };
	struct disk_meta back;
	char text[DISK_META_TEXT];
	struct err e;

	CHECK(disk_meta_print(&m, text) < DISK_META_TEXT);
	CHECK(disk_meta_parse(&back, text, m.id, &e) == 0);
	CHECK(back.ref.slot == m.ref.slot &&
	      back.ref.incarnation == m.ref.incarnation);
	CHECK(strcmp(back.id, m.id) == 0);
	CHECK(strcmp(back.template_id, m.template_id) == 0);
	CHECK(strcmp(back.boot_id, m.boot_id) == 0);
	CHECK(back.limit == m.limit && back.keep);
}

static int
parse(const char *text, const char *id, struct disk_meta *m, struct err *e)
{
	char copy[DISK_META_TEXT];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	return disk_meta_parse(m, copy, id, e);
}

static void
meta_of_another_is_refused(void)
{
	struct disk_meta m;
	struct err e;

	CHECK(parse("", "one", &m, &e) < 0);
	CHECK(parse("id two\nslot 3\n", "one", &m, &e) < 0);
	CHECK(strstr(e.msg, "\"two\"") != NULL);
	CHECK(parse("id ../x\n", "../x", &m, &e) < 0);
	/* What an older or a newer one wrote is no reason to lose files. */
	CHECK(parse("id one\nweather fine\nslot 3\nkeep 0\n", "one", &m, &e) ==
	      0);
	CHECK(m.ref.slot == 3 && !m.keep && m.limit == 0);
}

static int
layers(const char *text, struct layer_names *l, char copy[LAYERS_TEXT + 1],
    struct err *e)
{
	(void)snprintf(copy, LAYERS_TEXT + 1, "%s", text);
	return layer_names_parse(l, "top", copy, e);
}

static void
layers_keep_their_order(void)
{
	char copy[LAYERS_TEXT + 1];
	struct layer_names l;
	struct err e;

	CHECK(layers("", &l, copy, &e) == 0);
	CHECK(l.n == 1 && strcmp(l.name[0], "top") == 0);
	CHECK(layers("middle\nbase\n", &l, copy, &e) == 0 && l.n == 3);
	CHECK(strcmp(l.name[0], "top") == 0 &&
	      strcmp(l.name[1], "middle") == 0 &&
	      strcmp(l.name[2], "base") == 0);
	CHECK(layers("middle\nbase", &l, copy, &e) == 0 && l.n == 3);
}

static void
bad_layers_are_named(void)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "a\n\nb\n", "line 2 is not" },
		{ "../a\n", "line 1 is not" },
		{ "a b\n", "line 1 is not" },
		{ "a\ntop\n", "top is in it twice" },
		{ "a\nb\na\n", "a is in it twice" },
		{ "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n", "more than 11" },
		{ "a123456789b123456789c123456789d123456789\n",
		    "line 1 is not" },
	};
	char copy[LAYERS_TEXT + 1];
	struct layer_names l;
	struct err e;

	CHECK(layers("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n", &l, copy, &e) == 0 &&
	      l.n == LAYERS_MAX);
	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(layers(bad[i].text, &l, copy, &e) < 0);
		CHECK(strstr(e.msg, bad[i].says) != NULL);
		CHECK(strstr(e.msg, "template top: layers") != NULL);
	}
}

int
main(void)
{
	ids_become_names();
	meta_comes_back();
	meta_of_another_is_refused();
	layers_keep_their_order();
	bad_layers_are_named();
	return t_end();
}
