/*
 * envd/codec.h - binary protobuf at the edge: handlers know JSON alone.
 *
 * What comes in becomes the json_t that the same message would be in proto3
 * JSON; what goes out is read from the JSON text of a handler.  The messages
 * are described by proto/, whose descriptors are looked at here; none of
 * their structs is ever filled.
 */
#ifndef ENVD_CODEC_H
#define ENVD_CODEC_H

#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct ProtobufCMessageDescriptor;

enum {
	/* Two bytes may be a value of a hundred in memory. */
	CODEC_VALUES_MAX = 1024 * 1024,
	CODEC_DEPTH_MAX = 32,
	CODEC_DATA_HEAD = 24,
};

/* NULL: ERR_INVALID, or ERR_TOOBIG for too many values. */
json_t *codec_from_binary(const struct ProtobufCMessageDescriptor *m,
    const void *p, size_t n, struct err *e);

/* Adds to out; -1 if the text is not such a message, or out is full. */
int codec_to_binary(const struct ProtobufCMessageDescriptor *m,
    const char *json, size_t n, struct buf *out, struct err *e);

/*
 * What stands before n bytes of output in {"event":{"data":{KIND:bytes}}};
 * returns its length.
 */
size_t codec_data_head(const char *kind, size_t n, char to[CODEC_DATA_HEAD]);

#endif
