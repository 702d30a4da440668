/* envd/codec_int.h - what both directions of the codec share. */
#ifndef ENVD_CODEC_INT_H
#define ENVD_CODEC_INT_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "envd/codec.h"

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_GROUP = 3,
	WIRE_GROUP_END = 4,
	WIRE_32 = 5,
};

enum {
	VARINT_MAX = 10,
	CODEC_NAME_MAX = 64,
};

/* modified_time as modifiedTime. */
void codec_json_name(const char *name, char to[CODEC_NAME_MAX]);
/* The generator makes messages of map entries and does not say so. */
bool codec_is_map(const ProtobufCFieldDescriptor *f);
bool codec_is_time(const ProtobufCFieldDescriptor *f);
enum wire_type codec_wire_type(ProtobufCType t);
/* Only then is a zero worth a mention. */
bool codec_has_presence(const ProtobufCFieldDescriptor *f);

size_t codec_put_varint(uint64_t v, uint8_t to[VARINT_MAX]);

#endif
