/* http/http_int.h - what the files of the server share. */
#ifndef HTTP_INT_H
#define HTTP_INT_H

#include "http/http1.h"
#include "http/server.h"

enum {
	SCRATCH_BYTES = 64 * 1024,
	HEAD_BYTES_MAX = 64 * 1024,
	EXTRA_BYTES_MAX = 16 * 1024, /* a reply's own headers */
	AHEAD_BYTES_MAX = 64 * 1024, /* pipelined, not looked at yet */
	OUT_HIGH = 256 * 1024,	     /* no new request above that */
	OUT_BYTES_MAX = 64 * 1024 * 1024,
	DRAIN_BYTES_MAX = 256 * 1024, /* of a body that nobody wants */
	FILE_ROUND_BYTES = 1024 * 1024,
	LINGER_MS = 5000,
	ACCEPT_ROUND = 64,
	ACCEPT_PAUSE_MS = 100,
};

/* What a connection waits for, each kind with one time limit: so each list
 * is in the order of its deadlines, and moving a connection costs no timer. */
enum timed {
	TIMED_IDLE,
	TIMED_HEAD,
	TIMED_BODY,
	TIMED_LINGER,
	TIMED_N,
	UNTIMED
};

enum body_mode { BODY_DISCARD, BODY_COLLECT, BODY_STREAM };
enum reply_state { REPLY_NONE, REPLY_BEGUN, REPLY_ENDED };

struct header_at {
	uint32_t name, value; /* into text */
};

struct http_req {
	struct http_conn *conn;
	void *data;
	void (*on_gone)(struct http_req *r);
	void (*on_eof)(struct http_req *r);
	void (*on_body)(struct http_req *r, const char *body, size_t n);
	void (*on_data)(struct http_req *r, const char *p, size_t n);
	void (*on_drain)(struct http_req *r);
	size_t drain_low;
	struct http1_body body;
	struct buf collected;
	size_t collect_max;
	struct buf extra;   /* headers of the reply, formatted */
	int64_t length;	    /* of the body; -1 chunked */
	int64_t reply_left; /* of a reply with a length; -1 without one */
	size_t drained;
	uint8_t method;
	enum body_mode mode;
	enum reply_state reply;
	bool http10, keep_alive, is_head;
	bool expect_100, said_100;
	bool body_done, paused, too_long;
	bool chunked_reply, no_body_reply;
	bool gone; /* its handler has heard the last of it */
	uint32_t target, path, query;
	uint32_t nheaders;
	struct header_at *headers; /* behind the struct */
	char *text;		   /* behind those */
};

struct http_conn {
	struct loop_io io;
	struct http_server *srv;
	struct http_req *r;
	struct buf in;	/* read, not used yet; no memory while idle */
	struct buf out; /* to be sent */
	size_t counted; /* of it, in srv->queued */
	size_t head_seen;
	struct http_conn *prev, *next;	 /* all */
	struct http_conn *tprev, *tnext; /* of those that wait as this one */
	struct http_conn *kprev, *knext; /* to be looked at in this round */
	struct mono deadline;
	int64_t file_off, file_left;
	int file_fd;
	unsigned busy; /* callbacks of it under way: do not free it */
	enum timed timed;
	bool kicked, corked;
	bool eof;     /* the client will send no more */
	bool broken;  /* nothing can be sent any more */
	bool closing; /* when all is sent */
	bool linger;  /* then wait until the client has read it */
	bool shut;    /* lingering */
	bool dead;
};

struct listener {
	struct loop_io io;
	struct http_server *srv;
	struct listener *next;
};

struct conn_list {
	struct http_conn *first, *last;
};

struct http_server {
	struct loop *loop;
	struct http_handler h;
	struct http_limits lim;
	struct listener *listeners;
	struct http_conn *conns;
	size_t nconns;
	size_t queued;	  /* bytes to be sent, of all connections */
	size_t collected; /* bytes of bodies, of all requests */
	struct conn_list timed[TIMED_N];
	uint32_t timeout_ms[TIMED_N];
	struct loop_timer timer, accept_timer;
	struct mono armed_for;
	struct conn_list kick;
	size_t nkicked;
	bool kick_deferred, accepting, freed;
	struct buf head; /* of the reply being made */
	struct mono date_at;
	char date[40];
	struct http1_head parsed;
	char scratch[SCRATCH_BYTES];
};

/* server.c */
void server_time(struct http_conn *c, enum timed kind);
void server_kick(struct http_conn *c);
void server_forget(struct http_conn *c);
const char *server_date(struct http_server *s);

/* conn.c */
void conn_new(struct http_server *s, int fd);
/* At once; on_gone is called.  The memory may stay until a callback ends. */
void conn_close(struct http_conn *c);
/* What the server wants done in this round: send, read on, or go. */
void conn_look(struct http_conn *c);
void conn_expired(struct http_conn *c, enum timed kind);
void conn_refuse(struct http_conn *c, int status, const char *why);
void conn_interest(struct http_conn *c);
/* The reply has ended: the request is its handler's no more. */
void conn_reply_ended(struct http_conn *c);

/* input.c: gives requests and bodies to the handler; how much was used. */
size_t conn_use(struct http_conn *c, const char *p, size_t n);

/* request.c */
/* A copy of what was parsed, or NULL. */
struct http_req *req_new(
    struct http_conn *c, const struct http1_head *h, const char *p, size_t n);
void req_tell_gone(struct http_req *r);
/* What has been collected of it. */
void req_drop_body(struct http_req *r);
void req_free(struct http_req *r);

/* send.c */
/* Sends what waits; may mark the connection broken, never closes it. */
void conn_send(struct http_conn *c);
/* After its queue has changed. */
void conn_count(struct http_conn *c);
void conn_queue(struct http_conn *c, const void *p, size_t n);
/* Both together, in one call if nothing waits. */
void conn_send2(
    struct http_conn *c, const void *p, size_t n, const void *p2, size_t n2);

/* linux/file.c, freebsd/file.c */
/* Of send(2): what is said now and the file leave together.  0 if unknown. */
extern const int send_file_follows;
/* sendfile(2): how much went; -1 and EINVAL for files that it cannot read. */
ssize_t file_to_socket(int sock, int file, int64_t from, size_t n);

#endif
