/*
 * code/msg.h - what kernels say, whichever way they say it: types and
 * contents as in Jupyter's messaging 5.3
 * (jupyter-client.readthedocs.io/en/stable/messaging.html).
 */
#ifndef CODE_MSG_H
#define CODE_MSG_H

#include <stdbool.h>
#include <stddef.h>

#include "code/jv.h"
#include "code/zmtp.h"

enum { MSG_ID_TEXT = 40 };

enum msg_type {
	MSG_OTHER,
	MSG_READY,	/* "lines" only */
	MSG_INFO_REPLY, /* Jupyter only */
	MSG_STATUS,	/* busy, idle, starting */
	MSG_INPUT,	/* execute_input: it was accepted, and counted */
	MSG_STREAM,	/* stdout and stderr */
	MSG_DISPLAY,	/* display_data */
	MSG_RESULT,	/* execute_result */
	MSG_ERROR,
	MSG_REPLY, /* execute_reply: ok, error, aborted */
};

/* Borrowed from where it was read, like everything of type jv. */
struct msg {
	enum msg_type type;
	struct jv id; /* of the request that it is about */
	struct jv date;
	struct jv content;
};

/* --- Jupyter's frames: identities, <IDS|MSG>, signature, four objects -----*/

/* -1: it is no message. */
int msg_from_frames(const struct zmtp_part *parts, size_t n, struct msg *m);
/* content is JSON already.  The key is empty, so there is no signature. */
int msg_put_frames(struct buf *b, const char *type, const char *session,
    const char *id, const struct buf *content);

/* --- lines: one object each ------------------------------------------------*/

int msg_from_line(const char *p, size_t n, struct msg *m);
int msg_put_line(
    struct buf *b, const char *type, const char *id, const struct buf *content);

/* How code is run. */
enum msg_how {
	MSG_COUNTED,   /* a user's */
	MSG_UNCOUNTED, /* as a user's, but it leaves no trace */
	MSG_SILENT,    /* it says nothing, either */
};

/* The content of an execute_request; code is a JSON string. */
int msg_put_execute(struct buf *b, struct jv code, enum msg_how how);

/* The time as ISO 8601, in UTC. */
enum { MSG_DATE_TEXT = 40 };
const char *msg_now(char to[MSG_DATE_TEXT]);

#endif
