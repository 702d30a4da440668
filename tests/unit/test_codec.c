/* Binary messages: against protobuf-c's own reading of them, byte by byte, and
 * against what no client would send. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "base/own.h"
#include "envd/codec.h"
#include "envd/codec_int.h"
#include "filesystem.pb-c.h"
#include "process.pb-c.h"
#include "t.h"

#define FS(x)	&filesystem__##x##__descriptor
#define PROC(x) &process__##x##__descriptor
#define ENTRY                                                                  \
	"{\"name\":\"f\",\"type\":\"FILE_TYPE_FILE\",\"path\":\"/d/f\","       \
	"\"size\":\"5368709120\",\"mode\":420,"                                \
	"\"permissions\":\"-rw-r--r--\",\"owner\":\"user\",\"group\":"         \
	"\"user\","                                                            \
	"\"modifiedTime\":\"2026-11-21T08:09:10.000123Z\","                    \
	"\"symlinkTarget\":\"\",\"metadata\":{\"color\":\"blue\",\"b\":\"\"}}"
#define CONFIG                                                                 \
	"{\"cmd\":\"/bin/bash\",\"args\":[\"-l\",\"-c\",\"\","                 \
	"\"echo \\\"\\u00fc\\ud83d\\ude00\\n\"],\"envs\":{\"A\":\"b\","        \
	"\"\":\"c\"},\"cwd\":\"\"}"

/* Every message of the table in the reference, and every field of it. */
static const struct {
	const ProtobufCMessageDescriptor *m;
	const char *json;
} samples[] = {
	{ FS(entry_info), ENTRY },
	{ FS(entry_info), "{\"modifiedTime\":\"1969-12-31T23:59:59.500Z\"}" },
	{ FS(entry_info), "{\"modifiedTime\":\"1970-01-01T00:00:00Z\"}" },
	{ FS(entry_info), "{\"modifiedTime\":\"0001-01-01T00:00:00Z\"}" },
	{ FS(entry_info),
	    "{\"modifiedTime\":\"9999-12-31T23:59:59.999999999Z\"}" },
	{ FS(entry_info), "{\"type\":77,\"size\":\"-1\"}" },
	{ FS(entry_info), "{\"mode\":4294967295}" },
	{ FS(stat_request), "{\"path\":\"/a\"}" },
	{ FS(stat_response), "{\"entry\":" ENTRY "}" },
	{ FS(make_dir_request), "{\"path\":\"a\"}" },
	{ FS(make_dir_response), "{\"entry\":{}}" },
	{ FS(move_request), "{\"source\":\"a\",\"destination\":\"b\"}" },
	{ FS(move_response), "{\"entry\":" ENTRY "}" },
	{ FS(list_dir_request), "{\"path\":\"/\",\"depth\":3}" },
	{ FS(list_dir_response), "{\"entries\":[" ENTRY ",{}," ENTRY "]}" },
	{ FS(list_dir_response), "{}" },
	{ FS(remove_request), "{\"path\":\"a\"}" },
	{ FS(remove_response), "{}" },
	{ FS(watch_dir_request),
	    "{\"path\":\"a\",\"recursive\":true,\"includeEntry\":true,"
	    "\"allowNetworkMounts\":true}" },
	{ FS(watch_dir_response), "{\"start\":{}}" },
	{ FS(watch_dir_response),
	    "{\"filesystem\":{\"name\":\"x/y\",\"type\":\"EVENT_TYPE_CHMOD\","
	    "\"entry\":" ENTRY "}}" },
	{ FS(watch_dir_response), "{\"keepalive\":{}}" },
	{ FS(create_watcher_request),
	    "{\"path\":\"a\",\"recursive\":true,\"includeEntry\":true,"
	    "\"allowNetworkMounts\":true}" },
	{ FS(create_watcher_response), "{\"watcherId\":\"w1\"}" },
	{ FS(get_watcher_events_request), "{\"watcherId\":\"w1\"}" },
	{ FS(get_watcher_events_response),
	    "{\"events\":[{\"name\":\"a\",\"type\":\"EVENT_TYPE_CREATE\"},"
	    "{\"name\":\"a\",\"type\":\"EVENT_TYPE_WRITE\"},"
	    "{\"name\":\"a\",\"type\":\"EVENT_TYPE_REMOVE\"},"
	    "{\"name\":\"a\",\"type\":\"EVENT_TYPE_RENAME\"}]}" },
	{ FS(remove_watcher_request), "{\"watcherId\":\"w1\"}" },
	{ FS(remove_watcher_response), "{}" },
	{ PROC(list_request), "{}" },
	{ PROC(list_response),
	    "{\"processes\":[{\"config\":" CONFIG
	    ",\"pid\":7,\"tag\":\"\"},{\"config\":{\"cmd\":\"x\"},"
	    "\"pid\":4294967295}]}" },
	{ PROC(start_request),
	    "{\"process\":" CONFIG ",\"pty\":{\"size\":{\"cols\":80,"
	    "\"rows\":24}},\"tag\":\"t\",\"stdin\":false}" },
	{ PROC(start_request), "{\"pty\":{},\"stdin\":true}" },
	{ PROC(start_response), "{\"event\":{\"start\":{\"pid\":1234}}}" },
	{ PROC(start_response),
	    "{\"event\":{\"data\":{\"stdout\":\"AP+Y\"}}}" },
	{ PROC(start_response),
	    "{\"event\":{\"data\":{\"stderr\":\"AA==\"}}}" },
	{ PROC(start_response), "{\"event\":{\"data\":{\"pty\":\"\"}}}" },
	{ PROC(start_response),
	    "{\"event\":{\"end\":{\"exitCode\":-1,\"exited\":true,"
	    "\"status\":\"signal: killed\",\"error\":\"signal: killed\"}}}" },
	{ PROC(start_response), "{\"event\":{\"keepalive\":{}}}" },
	{ PROC(connect_request), "{\"process\":{\"pid\":0}}" },
	{ PROC(connect_request), "{\"process\":{\"tag\":\"\"}}" },
	{ PROC(connect_response), "{\"event\":{\"end\":{}}}" },
	{ PROC(update_request),
	    "{\"process\":{\"pid\":1},\"pty\":{\"size\":{\"cols\":100}}}" },
	{ PROC(update_response), "{}" },
	{ PROC(send_input_request),
	    "{\"process\":{\"pid\":1},\"input\":{\"stdin\":\"aGVsbG8=\"}}" },
	{ PROC(send_input_request),
	    "{\"process\":{\"pid\":1},\"input\":{\"pty\":\"\"}}" },
	{ PROC(send_input_response), "{}" },
	{ PROC(stream_input_request), "{\"start\":{\"process\":{\"pid\":5}}}" },
	{ PROC(stream_input_request),
	    "{\"data\":{\"input\":{\"stdin\":\"YQ==\"}}}" },
	{ PROC(stream_input_request), "{\"keepalive\":{}}" },
	{ PROC(stream_input_response), "{}" },
	{ PROC(send_signal_request),
	    "{\"process\":{\"tag\":\"t\"},\"signal\":\"SIGNAL_SIGKILL\"}" },
	{ PROC(send_signal_request), "{\"signal\":\"SIGNAL_SIGTERM\"}" },
	{ PROC(send_signal_response), "{}" },
	{ PROC(close_stdin_request), "{\"process\":{\"pid\":1}}" },
	{ PROC(close_stdin_response), "{}" },
};

static json_t *
parse(const char *s)
{
	return json_loads(s, 0, NULL);
}

/* JSON to binary; the caller frees. */
static int
to_binary(const ProtobufCMessageDescriptor *m, const char *json, struct buf *b)
{
	struct err e = { .kind = ERR_NONE };

	buf_init(b, 1 << 20);
	return codec_to_binary(m, json, strlen(json), b, &e);
}

/* Whether these bytes mean that. */
static bool
reads_as(const ProtobufCMessageDescriptor *m, const void *p, size_t n,
    const char *json)
{
	json_t *want = parse(json), *got;
	struct err e = { 0 };
	bool same;
	char *text;

	got = codec_from_binary(m, p, n, &e);
	same = got != NULL && json_equal(got, want) == 1;
	if (!same) {
		text = got != NULL ? json_dumps(got, 0) : NULL;
		printf("# %s: %s is not %s\n", m->name,
		    text != NULL ? text : e.msg, json);
		free(text);
	}
	json_decref(want);
	json_decref(got);
	return same;
}

static bool
refused(const ProtobufCMessageDescriptor *m, const void *p, size_t n,
    enum err_kind kind)
{
	struct err e = { 0 };
	json_t *got = codec_from_binary(m, p, n, &e);
	bool ok = got == NULL && e.kind == kind;

	json_decref(got);
	return ok;
}

#define READS(m, bytes, json) CHECK(reads_as(m, bytes, sizeof(bytes) - 1, json))
#define REFUSED(m, bytes)                                                      \
	CHECK(refused(m, bytes, sizeof(bytes) - 1, ERR_INVALID))

/*
 * protobuf-c must read what we write, and we what it writes then; it leaves
 * out what is empty in an entry of a map.
 */
static bool
library_agrees(
    const ProtobufCMessageDescriptor *m, const struct buf *b, const char *json)
{
	ProtobufCMessage *x = protobuf_c_message_unpack(
	    m, NULL, b->len, (const uint8_t *)b->data);
	uint8_t *again = malloc(b->len + 1);
	bool ok = false;

	if (x != NULL && again != NULL &&
	    protobuf_c_message_get_packed_size(x) <= b->len)
		ok =
		    reads_as(m, again, protobuf_c_message_pack(x, again), json);
	if (x != NULL)
		protobuf_c_message_free_unpacked(x, NULL);
	free(again);
	return ok;
}

static void
test_samples(void)
{
	for (size_t i = 0; i < countof(samples); i++) {
		const ProtobufCMessageDescriptor *m = samples[i].m;
		struct buf b;

		CHECK(to_binary(m, samples[i].json, &b) == 0);
		CHECK(library_agrees(m, &b, samples[i].json));
		CHECK(reads_as(m, b.data, b.len, samples[i].json));
		buf_fini(&b);
	}
}

/* No type that the codec does not know may come into the .proto files. */
static unsigned
unknown_types(const ProtobufCMessageDescriptor *m, unsigned depth)
{
	unsigned n = depth > 8; /* nor may they recurse */

	for (unsigned i = 0; i < m->n_fields && depth <= 8; i++) {
		const ProtobufCFieldDescriptor *f = &m->fields[i];
		enum wire_type w = codec_wire_type(f->type);

		n += w != WIRE_VARINT && w != WIRE_BYTES;
		n += strlen(f->name) >= CODEC_NAME_MAX;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			n += unknown_types(f->descriptor, depth + 1);
	}
	return n;
}

static void
test_services(void)
{
	const ProtobufCServiceDescriptor *all[] = { FS(filesystem),
		PROC(process) };

	for (size_t i = 0; i < countof(all); i++)
		for (unsigned k = 0; k < all[i]->n_methods; k++) {
			const ProtobufCMethodDescriptor *m =
			    &all[i]->methods[k];

			CHECK(unknown_types(m->input, 0) == 0);
			CHECK(unknown_types(m->output, 0) == 0);
		}
}

/* --- bytes by hand --------------------------------------------------------*/

static void
test_bytes(void)
{
	/* exitCode is zigzag: -1 is 1, 3 is 6. */
	READS(PROC(process_event__end_event), "\x08\x01", "{\"exitCode\":-1}");
	READS(PROC(process_event__end_event), "\x08\x06\x10\x01",
	    "{\"exitCode\":3,\"exited\":true}");
	/* The input of a StreamInput is number 2; 1 is unknown. */
	READS(PROC(stream_input_request), "\x12\x05\x12\x03\x0a\x01z",
	    "{\"data\":{\"input\":{\"stdin\":\"eg==\"}}}");
	READS(PROC(stream_input_request), "\x12\x05\x0a\x03\x0a\x01z",
	    "{\"data\":{}}");
	READS(PROC(send_signal_request), "\x10\x09",
	    "{\"signal\":\"SIGNAL_SIGKILL\"}");
	READS(PROC(send_signal_request), "\x10\x02", "{\"signal\":2}");
	READS(PROC(send_signal_request),
	    "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "{\"signal\":-1}");
	/* Zero is absent where nothing else says so. */
	READS(FS(list_dir_request), "\x0a\x00\x10\x00", "{}");
	READS(PROC(start_request), "\x20\x00", "{\"stdin\":false}");
	/* Numbers that are too long lose what is too much. */
	READS(FS(list_dir_request),
	    "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	    "{\"depth\":4294967295}");
	READS(FS(list_dir_request), "\x10\x83\x80\x80\x80\x80\x80\x00",
	    "{\"depth\":3}");
	/* The last one wins; messages merge; of a oneof one is left. */
	READS(FS(list_dir_request), "\x10\x03\x10\x04", "{\"depth\":4}");
	READS(FS(list_dir_request), "\x10\x03\x10\x00", "{}");
	READS(PROC(start_request),
	    "\x0a\x03\x0a\x01"
	    "a\x0a\x03\x12\x01"
	    "b",
	    "{\"process\":{\"cmd\":\"a\",\"args\":[\"b\"]}}");
	READS(PROC(process_selector), "\x08\x05\x12\x01t", "{\"tag\":\"t\"}");
	READS(PROC(process_selector), "\x12\x01t\x08\x05", "{\"pid\":5}");
	/* Of a map too; what is missing of an entry is empty. */
	READS(PROC(process_config),
	    "\x1a\x06\x0a\x01"
	    "a\x12\x01x\x1a\x06\x0a\x01"
	    "a\x12\x01y"
	    "\x1a\x03\x12\x01v\x1a\x03\x0a\x01"
	    "b",
	    "{\"envs\":{\"a\":\"y\",\"\":\"v\",\"b\":\"\"}}");
	/* Unknown: numbers, 64 and 32 bits, bytes, groups in groups. */
	READS(FS(stat_request),
	    "\xf8\x01\x05\x0a\x01/\xf9\x01"
	    "12345678"
	    "\xfd\x01"
	    "1234\xfa\x01\x02hi",
	    "{\"path\":\"/\"}");
	READS(FS(stat_request), "\xfb\x01\x13\x14\x08\x01\xfc\x01\x0a\x01/",
	    "{\"path\":\"/\"}");
	/* A known number in another form is unknown. */
	READS(FS(stat_request), "\x08\x05\x0a\x01/", "{\"path\":\"/\"}");
	READS(FS(list_dir_request),
	    "\x12\x01\x05\x15"
	    "1234",
	    "{}");
	READS(FS(stat_request), "", "{}");
}

static void
test_malformed(void)
{
	static const char filler[64] = { 0 };
	char deep[100];

	REFUSED(FS(stat_request), "\x0a");	/* no length */
	REFUSED(FS(stat_request), "\x0a\x02/"); /* longer than the rest */
	REFUSED(
	    FS(stat_request), "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	REFUSED(FS(stat_request), "\x0a\x02\xc3("); /* not UTF-8 */
	REFUSED(FS(stat_request), "\x0a\x03/\0x");  /* would be cut */
	REFUSED(FS(stat_request), "\x00\x00");	    /* field 0 */
	REFUSED(FS(stat_request), "\x0e");	    /* wire type 6 */
	REFUSED(FS(stat_request), "\x0c");	    /* end of no group */
	REFUSED(FS(stat_request), "\x13\x1c");	    /* of another group */
	REFUSED(FS(stat_request), "\x13\x08");	    /* no end */
	REFUSED(FS(stat_request), "\x80\x80\x80\x80\x80\x01\x00"); /* tag */
	REFUSED(FS(list_dir_request), "\x10\x80");
	REFUSED(FS(list_dir_request),
	    "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
	REFUSED(FS(list_dir_request),
	    "\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00");
	REFUSED(FS(stat_request), "\x1d"
				  "123");
	REFUSED(FS(stat_request), "\x19"
				  "1234567");
	REFUSED(PROC(start_request), "\x0a\x02\x0a\x05");
	/* A name of a variable that would be another. */
	REFUSED(PROC(process_config), "\x1a\x05\x0a\x03"
				      "a\0b");
	/* Nanoseconds go from 0 to 999999999, years from 1 to 9999. */
	REFUSED(FS(entry_info), "\x4a\x06\x10\x80\x94\xeb\xdc\x03");
	REFUSED(
	    FS(entry_info), "\x4a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
	memset(deep, 0x13, sizeof(deep));
	CHECK(refused(FS(stat_request), deep, sizeof(deep), ERR_INVALID));
	CHECK(refused(FS(stat_request), filler, sizeof(filler), ERR_INVALID));
}

/* Two bytes a value must not become gigabytes. */
static void
test_crowd(void)
{
	size_t n = 2 * (size_t)(CODEC_VALUES_MAX - 1);
	char *many = malloc(n + 4);
	struct err e = { .kind = ERR_NONE };
	json_t *v;

	for (size_t i = 0; many != NULL && i < n + 4; i += 2)
		memcpy(many + i, "\x12", 2);
	v = many != NULL ? codec_from_binary(PROC(process_config), many, n, &e)
			 : NULL;
	CHECK(json_array_size(json_object_get(v, "args")) == n / 2);
	json_decref(v);
	CHECK(many != NULL &&
	      refused(PROC(process_config), many, n + 4, ERR_TOOBIG));
	free(many);
}

/* --- text -----------------------------------------------------------------*/

static bool
same_binary(const ProtobufCMessageDescriptor *m, const char *a, const char *b)
{
	struct buf x, y;
	bool same = to_binary(m, a, &x) == 0 && to_binary(m, b, &y) == 0;

	if (same) {
		same = x.len == y.len &&
		       (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
		buf_fini(&y);
	}
	buf_fini(&x);
	return same;
}

static bool
no_text(const ProtobufCMessageDescriptor *m, const char *json)
{
	struct buf b;
	int rc = to_binary(m, json, &b);

	buf_fini(&b);
	return rc < 0;
}

static void
test_text(void)
{
	CHECK(same_binary(FS(list_dir_request), "{}",
	    " { \"path\" : \"\" , \"depth\" : 0, \"x\" : "
	    "[1,{\"y\":\"]\\\"\"}], "
	    "\"z\":null,\"t\":true,\"f\":-1.5e3 } "));
	CHECK(same_binary(FS(list_dir_request), "{\"depth\":7}",
	    "{\"path\":null,\"depth\":\"7\"}"));
	CHECK(same_binary(FS(watch_dir_request), "{\"includeEntry\":true}",
	    "{\"include_entry\":true,\"recursive\":false}"));
	CHECK(same_binary(PROC(send_signal_request), "{\"signal\":15}",
	    "{\"si\\u0067nal\":\"SIGNAL_SIGTERM\"}"));
	CHECK(same_binary(PROC(process_input), "{\"stdin\":\"+/8=\"}",
	    "{\"stdin\":\"-_8\"}"));
	CHECK(same_binary(FS(stat_request),
	    "{\"path\":\"\\/\\b\\f\\t\\r\\u20ac\"}",
	    "{\"path\":\"/\\u0008\\u000c\\u0009\\u000d\xe2\x82\xac\"}"));
	CHECK(same_binary(FS(entry_info),
	    "{\"modifiedTime\":\"2026-01-02T03:04:05+01:30\"}",
	    "{\"modifiedTime\":\"2026-01-02T01:34:05Z\"}"));
	CHECK(same_binary(PROC(process_config), "{\"cmd\":\"\"}",
	    "{\"args\":[],\"envs\":{}}"));
	static const char *const broken[] = { "", "[]", "{", "{}x",
		"{\"path\"}", "{\"path\":}", "{\"path\":5}", "{\"path\":\"",
		"{\"path\":\"\\", "{\"path\":\"\\u12\"}",
		"{\"path\":\"\\ud800\"}", "{\"path\":\"\\ud800\\u0041\"}",
		"{\"path\":\"\\udc00\"}", "{\"path\":\"\xff\"}",
		"{\"path\":\"\x01\"}", "{\"path\":\"\\x\"}",
		"{\"path\":\"a\",}", "{\"depth\":-1}", "{\"depth\":4294967296}",
		"{\"depth\":1.5}", "{\"depth\":\"x\"}", "{\"depth\":}",
		"{\"depth\":true}", "{\"q\":[1,2}", "{\"q\":}", "{\"q\":\"",
		"{\"q\":[[[", "{\"path\" \"a\"}" };
	for (size_t i = 0; i < countof(broken); i++)
		CHECK(no_text(FS(list_dir_request), broken[i]));
	CHECK(no_text(PROC(process_config), "{\"args\":\"x\"}"));
	CHECK(no_text(PROC(process_config), "{\"args\":[\"x\""));
	CHECK(no_text(PROC(process_config), "{\"envs\":[]}"));
	CHECK(no_text(PROC(process_config), "{\"envs\":{\"a\"}}"));
	CHECK(no_text(PROC(process_config), "{\"envs\":{\"a\":\"b\""));
	CHECK(no_text(PROC(process_input), "{\"stdin\":\"a\"}"));
	CHECK(no_text(PROC(send_signal_request), "{\"signal\":\"SIGHUP\"}"));
	CHECK(no_text(FS(watch_dir_request), "{\"recursive\":1}"));
	CHECK(no_text(FS(entry_info), "{\"modifiedTime\":\"today\"}"));
	CHECK(no_text(
	    FS(entry_info), "{\"modifiedTime\":\"2026-01-02T03:04:05+1:30\"}"));
	CHECK(no_text(FS(entry_info), "{\"size\":\"9223372036854775808\"}"));
}

static void
test_ceiling(void)
{
	char json[] = "{\"path\":\"0123456789\"}";
	struct err e = { .kind = ERR_NONE };
	struct buf b;

	for (size_t max = 0; max < 16; max++) {
		buf_init(&b, max);
		CHECK((codec_to_binary(FS(stat_request), json, sizeof(json) - 1,
			   &b, &e) == 0) == (max >= 12));
		CHECK(max >= 12 || e.kind == ERR_TOOBIG);
		buf_fini(&b);
	}
}

/* Longer and longer ones: lengths of one, two, three bytes. */
static void
test_lengths(void)
{
	static const size_t lens[] = { 0, 1, 127, 128, 16383, 16384, 70000 };
	static char json[80000];

	for (size_t i = 0; i < countof(lens); i++) {
		size_t at = (size_t)sprintf(
		    json, "{\"event\":{\"end\":{\"status\":\"s\",\"error\":\"");
		struct buf b;

		memset(json + at, 'x', lens[i]);
		memcpy(json + at + lens[i], "\"}}}", 5);
		CHECK(to_binary(PROC(start_response), json, &b) == 0);
		CHECK(library_agrees(PROC(start_response), &b, json));
		CHECK(reads_as(PROC(start_response), b.data, b.len, json));
		buf_fini(&b);
	}
}

static void
test_data_head(void)
{
	static const char *const kinds[] = { "stdout", "stderr", "pty" };
	static const size_t lens[] = { 0, 1, 120, 127, 128, 32768 };
	static char bytes[32768 + CODEC_DATA_HEAD];

	for (size_t k = 0; k < countof(kinds); k++)
		for (size_t i = 0; i < countof(lens); i++) {
			char head[CODEC_DATA_HEAD];
			size_t n = codec_data_head(kinds[k], lens[i], head);
			ProtobufCMessage *x;

			memset(bytes, 'a', sizeof(bytes));
			memcpy(bytes, head, n);
			x = protobuf_c_message_unpack(PROC(start_response),
			    NULL, n + lens[i], (const uint8_t *)bytes);
			CHECK(x != NULL);
			if (x == NULL)
				continue;
			CHECK(protobuf_c_message_get_packed_size(x) ==
			      n + lens[i]);
			protobuf_c_message_free_unpacked(x, NULL);
		}
	CHECK(codec_data_head("stderr", 2, bytes) == 6);
	memcpy(bytes + 6, "hi", 2);
	CHECK(reads_as(PROC(start_response), bytes, 8,
	    "{\"event\":{\"data\":{\"stderr\":\"aGk=\"}}}"));
}

/* --- lists of numbers, which no message of ours has yet -------------------*/

static const ProtobufCFieldDescriptor number_fields[] = {
	{ "some_ints", 1, PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_SINT64, 0,
	    0, NULL, NULL, PROTOBUF_C_FIELD_FLAG_PACKED, 0, NULL, NULL },
	{ "big", 2, PROTOBUF_C_LABEL_NONE, PROTOBUF_C_TYPE_UINT64, 0, 0, NULL,
	    NULL, 0, 0, NULL, NULL },
	{ "small", 3, PROTOBUF_C_LABEL_NONE, PROTOBUF_C_TYPE_INT32, 0, 0, NULL,
	    NULL, 0, 0, NULL, NULL },
	{ "blobs", 4, PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_BYTES, 0, 0,
	    NULL, NULL, 0, 0, NULL, NULL },
};
static const ProtobufCIntRange number_ranges[] = { { 1, 0 }, { 0, 4 } };
static const ProtobufCMessageDescriptor numbers = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Numbers",
	.short_name = "Numbers",
	.n_fields = countof(number_fields),
	.fields = number_fields,
	.n_field_ranges = 1,
	.field_ranges = number_ranges,
};

static void
test_numbers(void)
{
	static const char json[] =
	    "{\"someInts\":[\"0\",\"-1\",\"9223372036854775807\","
	    "\"-9223372036854775808\"],\"big\":\"18446744073709551615\","
	    "\"small\":-2147483648,\"blobs\":[\"\",\"YQ==\"]}";
	struct buf b;

	CHECK(to_binary(&numbers, json, &b) == 0);
	CHECK(reads_as(&numbers, b.data, b.len, json));
	buf_fini(&b);
	READS(&numbers, "\x0a\x02\x02\x03", "{\"someInts\":[\"1\",\"-2\"]}");
	READS(&numbers, "\x08\x02\x0a\x01\x03\x08\x05",
	    "{\"someInts\":[\"1\",\"-2\",\"-3\"]}");
	READS(&numbers, "\x0a\x00", "{}");
	REFUSED(&numbers, "\x0a\x01\x80");
	CHECK(no_text(&numbers, "{\"small\":2147483648}"));
	CHECK(no_text(&numbers, "{\"big\":-1}"));
	CHECK(no_text(&numbers, "{\"someInts\":[1,]}"));
}

/* Every sample cut at every byte, and with every byte another. */
static void
test_damage(void)
{
	unsigned taken = 0;

	for (size_t i = 0; i < countof(samples); i++) {
		const ProtobufCMessageDescriptor *m = samples[i].m;
		struct err e = { .kind = ERR_NONE };
		struct buf b, again;

		if (to_binary(m, samples[i].json, &b) < 0)
			continue;
		for (size_t k = 0; k < b.len * 4; k++) {
			char *at = &b.data[k / 4], keep = *at;
			static const unsigned char masks[] = { 0, 1, 0x80,
				0xff };
			json_t *v;

			*at = (char)((unsigned char)*at ^ masks[k % 4]);
			v = codec_from_binary(
			    m, b.data, k % 4 == 0 ? k / 4 : b.len, &e);
			*at = keep;
			if (v == NULL)
				continue;
			/* What is taken can be said again. */
			char *text = json_dumps(v, 0);

			CHECK(text != NULL && to_binary(m, text, &again) == 0);
			taken++;
			buf_fini(&again);
			free(text);
			json_decref(v);
		}
		buf_fini(&b);
	}
	CHECK(taken > 500);
}

int
main(void)
{
	test_samples();
	test_services();
	test_bytes();
	test_malformed();
	test_crowd();
	test_text();
	test_ceiling();
	test_lengths();
	test_data_head();
	test_numbers();
	test_damage();
	return t_end();
}
