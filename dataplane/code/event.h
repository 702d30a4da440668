/* code/event.h - what a client is told: one object a line, in ASCII. */
#ifndef CODE_EVENT_H
#define CODE_EVENT_H

#include "code/msg.h"

/* The line for m; nothing if m is not for clients.  -1: no room in b. */
int event_put(struct buf *b, const struct msg *m);
int event_put_error(struct buf *b, const char *name, const char *value);
int event_put_stderr(struct buf *b, const char *text);
int event_put_keepalive(struct buf *b);
int event_put_end(struct buf *b);

#endif
