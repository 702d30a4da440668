/*
 * Binary to JSON and back: what is taken can be said again, and then means
 * the same.  And JSON text to binary, which must then be taken.  The first
 * byte says which message, its highest bit which of both.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "envd/codec.h"
#include "filesystem.pb-c.h"
#include "process.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef const struct ProtobufCMessageDescriptor *message;

static message
pick(unsigned n)
{
	static const message all[] = {
		&process__start_request__descriptor,
		&process__start_response__descriptor,
		&process__list_response__descriptor,
		&process__stream_input_request__descriptor,
		&process__send_input_request__descriptor,
		&process__send_signal_request__descriptor,
		&process__update_request__descriptor,
		&filesystem__list_dir_request__descriptor,
		&filesystem__list_dir_response__descriptor,
		&filesystem__watch_dir_request__descriptor,
		&filesystem__watch_dir_response__descriptor,
		&filesystem__get_watcher_events_response__descriptor,
	};

	return all[n % countof(all)];
}

static void
from_binary(message m, const uint8_t *p, size_t n)
{
	json_t *v, *again;
	struct buf b;
	struct err e = { .kind = ERR_NONE };
	char *text;

	v = codec_from_binary(m, p, n, &e);
	if (v == NULL)
		return;
	text = json_dumps(v, 0);
	buf_init(&b, 1 << 24);
	if (text == NULL || codec_to_binary(m, text, strlen(text), &b, &e) < 0)
		abort();
	again = codec_from_binary(m, b.data, b.len, &e);
	if (again == NULL || json_equal(v, again) != 1)
		abort();
	json_decref(v);
	json_decref(again);
	buf_fini(&b);
	free(text);
}

static void
from_text(message m, const char *p, size_t n)
{
	struct buf b;
	struct err e = { .kind = ERR_NONE };

	buf_init(&b, 1 << 20);
	/* A NUL can be written and is not taken. */
	if (codec_to_binary(m, p, n, &b, &e) == 0 &&
	    memmem(p, n, "\\u0000", 6) == NULL) {
		json_t *v = codec_from_binary(m, b.data, b.len, &e);

		if (v == NULL)
			abort();
		json_decref(v);
	}
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] < 128)
		from_binary(pick(data[0]), data + 1, size - 1);
	else
		from_text(
		    pick(data[0] - 128), (const char *)data + 1, size - 1);
	return 0;
}
