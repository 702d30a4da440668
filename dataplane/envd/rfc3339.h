/*
 * envd/rfc3339.h - times as JSON has them: RFC 3339 in UTC, years 1 to 9999,
 * with no, three, six or nine digits of a second (google.protobuf.Timestamp).
 */
#ifndef ENVD_RFC3339_H
#define ENVD_RFC3339_H

#include <stdint.h>

enum { RFC3339_TEXT = 40 };

/* -1: no such time. */
int rfc3339_text(int64_t s, int64_t ns, char to[RFC3339_TEXT]);
/* An offset is taken away. */
int rfc3339_parse(const char *text, int64_t *s, int32_t *ns);

#endif
