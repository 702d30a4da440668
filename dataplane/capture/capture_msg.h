/*
 * capture_msg.h - what coppice-capture is asked, and how it answers.
 *
 * Over the stream that privd handed to coppice-apid: one struct capture_ask
 * there, one struct capture_answer back and, if its rc is 0, a pcapng file
 * until the stream ends.  Whoever shuts down its writing end gets the file's
 * last block, and then the end; whoever closes gets nothing more.
 */
#ifndef CAPTURE_MSG_H
#define CAPTURE_MSG_H

#include <stdint.h>

#include "base/err.h"

enum {
	CAPTURE_FILTER_MAX = 1024, /* bytes */
	CAPTURE_SNAPLEN_MIN = 64,
	CAPTURE_SNAPLEN_MAX = 65535,
	CAPTURE_SECONDS_MAX = 3600,
	CAPTURE_BYTES_MIN = 4096, /* holds what stands before any packet */
	CAPTURE_BYTES_MAX = 1 << 30,
};

struct capture_ask {
	uint64_t bytes;	  /* the file is never longer */
	uint64_t packets; /* 0: any number */
	uint32_t snaplen; /* of each packet, at most */
	uint32_t seconds; /* 0: for as long as somebody reads */
	char filter[CAPTURE_FILTER_MAX + 1]; /* terminated; "": everything */
};

struct capture_answer {
	int32_t rc; /* 0, or -1 with err */
	struct err err;
};

#endif
