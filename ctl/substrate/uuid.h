/*
 * uuid.h - UUIDs (RFC 9562), and the machine id that is made of one
 * (machine-id(5)).
 */
#ifndef SUBSTRATE_UUID_H
#define SUBSTRATE_UUID_H

#include "base/err.h"

enum {
	UUID_BYTES = 16,
	UUID_TEXT = 37,	      /* with the dashes, terminated */
	UUID_MACHINE_ID = 34, /* without them, a newline, terminated */
};

void uuid_text(const unsigned char b[UUID_BYTES], char to[UUID_TEXT]);
/* Version 4. */
int uuid_random(char to[UUID_TEXT], struct err *e);
/* The content of etc/machine-id. */
int uuid_machine_id(char to[UUID_MACHINE_ID], struct err *e);

#endif
