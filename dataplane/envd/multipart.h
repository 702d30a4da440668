/*
 * envd/multipart.h - multipart bodies, in whatever pieces they come; no I/O.
 */
#ifndef ENVD_MULTIPART_H
#define ENVD_MULTIPART_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

enum { MULTIPART_BOUNDARY_MAX = 70, MULTIPART_HEAD_MAX = 16 * 1024 };

struct multipart {
	/* Each returns -1 to stop it all; e is theirs to fill. */
	/* A part begins; name and filename may be NULL. */
	int (*on_part)(struct multipart *m, const char *name,
	    const char *filename, struct err *e);
	int (*on_data)(
	    struct multipart *m, const char *p, size_t n, struct err *e);
	int (*on_part_end)(struct multipart *m, struct err *e);
	/* private */
	struct buf in;
	char delimiter[MULTIPART_BOUNDARY_MAX + 8]; /* CR LF -- boundary */
	size_t ndelimiter;
	enum { MP_PREAMBLE, MP_AFTER, MP_HEAD, MP_DATA, MP_EPILOGUE } state;
};

/* -1: the content type has no usable boundary. */
int multipart_init(struct multipart *m, const char *content_type);
void multipart_fini(struct multipart *m);
/* -1 with e: malformed (ERR_INVALID), or what a callback said. */
int multipart_feed(struct multipart *m, const char *p, size_t n, struct err *e);
/* The body has ended: -1 if the last part has not. */
int multipart_end(struct multipart *m, struct err *e);

/* A parameter of a header like `x; a=b; c="d"`, into to; false if not there. */
bool multipart_param(
    const char *header, const char *name, char *to, size_t cap);

#endif
