/*
 * proxy_int.h - the way in, for its own directory.
 *
 * One request at a time on a client's connection.  What a side has sent lies
 * in its `in`; as much of it as may pass on is `ok`; what we ourselves say to
 * it is `out` and goes first.  So bytes are copied by the kernel alone.
 */
#ifndef PROXY_INT_H
#define PROXY_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/prefix.h"
#include "http/http1.h"
#include "io/loop.h"
#include "io/seqpkt.h"
#include "proxy/route_msg.h"
#include "proxy/target.h"
#include "proxy/tls.h"

enum {
	SIDE_MAX = 64 * 1024 - 1,  /* bytes held of one side */
	OUT_MAX = 160 * 1024,	   /* our own words: a rewritten head */
	HEAD_TIMEOUT_MS = 20000,   /* first byte of a head to its end */
	IDLE_TIMEOUT_MS = 620000,  /* between requests, or in a body */
	STALL_TIMEOUT_MS = 120000, /* a client that does not read */
	TLS_TIMEOUT_MS = 10000,	   /* of a handshake */
	DIAL_TIMEOUT_MS = 10000,
	WAKE_TIMEOUT_MS = 30000, /* for a paused sandbox */
	LINGER_MS = 2000,	 /* since a client said anything */
	LINGER_ALL_MS = 30000,
	UP_IDLE_ENVD_MS = 60000, /* a kept connection to envd */
	UP_IDLE_MS = 4000,	 /* to others: Node closes after 5 s */
	SOCKS_KEEP = 2,		 /* sockets ready in each sandbox */
	ROUTE_BUCKETS = 4096,
	PEER_BUCKETS = 4096,
};

struct proxy;
struct conn;

struct route {
	struct route *next; /* in its bucket */
	char id[TARGET_ID_MAX];
	uint32_t slot, incarnation;
	enum route_state state;
	bool private_traffic;
	bool auto_resume; /* a request may wake it */
	bool waking;	  /* apid has been asked to, and has not answered */
	bool stale;	  /* not said again since the last ROUTE_RESET */
	char token[72], mask_host[256], envd_token[72];
	uint64_t received, sent; /* bytes, by the sandbox */
	bool carried;		 /* more than apid knows of */

	struct conn *conns; /* those that have, or want, a socket inside */
	uint32_t nrequests; /* under way */
	uint32_t nconns;    /* of conns */
	int ready[SOCKS_KEEP];
	unsigned nready;
	unsigned nasked[2]; /* sockets under way, IPv4 and IPv6 */
};

struct side {
	struct loop_io io; /* fd is -1 when there is none */
	struct tls *tls;   /* of a client; NULL: its bytes are plain */
	struct buf in, out;
	size_t ok;
	bool fast;   /* fills what it is given to read into */
	bool eof;    /* it will say nothing more */
	bool shut;   /* we shall say nothing more, or it does not listen */
	bool ending; /* that we do not is still to be said */
};

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_EOF };

struct body {
	enum body_kind kind;
	bool done;
	uint64_t left;
	struct http1_body chunked;
};

enum conn_state {
	C_TLS,	    /* shakes hands */
	C_HEAD,	    /* waits for a request, or for the rest of its head */
	C_ROUTE,    /* looks at its request's head again soon */
	C_WAKE,	    /* waits for its sandbox, which is being resumed */
	C_DIAL,	    /* waits for a socket, or for a connect() */
	C_EXCHANGE, /* request and response pass */
	C_TUNNEL,   /* after 101: bytes */
	C_LINGER,   /* all is said; lets the client read it */
};

struct conn {
	struct proxy *p;
	struct np_addr peer;
	struct conn *next, *prev;   /* all */
	struct conn *rnext, *rprev; /* of the route */
	struct conn *inext, *iprev; /* of the idle */
	enum conn_state state;
	bool dead, advancing;
	bool idle;	   /* between requests, and all but gone if need be */
	struct side c, u;  /* client; upstream, inside the sandbox */
	struct mono since; /* last progress, or the head's first byte */
	struct loop_timer timer;

	struct route *route; /* of u, or of the request under way; or NULL */
	uint16_t port;	     /* likewise */
	size_t head_seen, up_seen;
	struct mono up_since; /* when u fell idle */

	bool counted;	      /* in route->nrequests */
	bool waited;	      /* since wake_since, for its sandbox */
	uint16_t wake_status; /* apid says it cannot be woken */
	struct mono wake_since;
	bool http10, to_head, keep, upgrade;
	bool html;	 /* errors as a page */
	bool up_keep;	 /* u may serve another request */
	bool reused;	 /* u served one before, and has not answered yet */
	bool resp_head;	 /* it has been passed on */
	bool dechunk;	 /* the client does not know chunks */
	bool wants_sock; /* in the queue of socks.c */
	struct body req, resp;
	struct buf again; /* the head, while it may have to be sent again */

	unsigned dial_step, dial_round;
	int pipe[2]; /* for splice; -1 when there is none */
	size_t piped;
	size_t thrown; /* while lingering */

	struct access *access; /* NULL: nobody wants to know */
	uint64_t sent;	       /* to the client, since the request */
	uint16_t status;       /* of the answer, 0 before */
};

struct proxy {
	struct loop *loop;
	struct loop_io listen, listen_tls;
	struct tls_context *tls; /* of listen_tls */
	char domain[256];
	bool access_log;
	/* api.DOMAIN, by TLS alone: where the API listens; length 0: nowhere */
	struct route api;
	struct sockaddr_storage api_at;
	socklen_t api_len;
	struct loop_timer accept_again, sweep;
	struct seqpkt route_ch, sock_ch, ctl_ch;
	struct route *routes[ROUTE_BUCKETS];
	size_t nroutes;
	bool synced;	     /* the table has been whole once */
	struct mono drained; /* the turn in which apid was last listened to */
	bool carried;	     /* some route's is set */
	struct conn *conns;
	size_t nconns, conns_max;
	struct conn *idle_first, *idle_last;
	struct peer *peers[PEER_BUCKETS];
	struct mono access_since;
	unsigned access_lines, access_lost;
	uint32_t per_sandbox_max;
	struct np_prefix net4, net6;
	bool ipv6;
	uint32_t seq;
	struct ask *asks;
	int pipes[32][2]; /* spare, empty */
	unsigned npipes;
};

/* --- table.c
 * ----------------------------------------------------------------*/

void table_open(struct proxy *p, int fd);
/* As of now: takes what apid has said already.  NULL if there is none. */
struct route *table_find(struct proxy *p, const char *id);
void table_free(struct proxy *p);
/* Has apid resume the sandbox; those in C_WAKE are looked at afterwards. */
void table_wake(struct proxy *p, struct route *r);
/* Counts what a connection has carried for its route. */
void table_count(struct conn *c, uint64_t received, uint64_t sent);
/* Tells apid of what was counted. */
void table_report(struct proxy *p);

/* --- socks.c
 * ----------------------------------------------------------------*/

void socks_open(struct proxy *p, int fd);
/* A socket inside, or -1: then c->wants_sock, and dial_socket() comes. */
int socks_take(struct conn *c, enum np_family f);
/* Has SOCKS_KEEP ready, or asks for them. */
void socks_prepare(struct proxy *p, struct route *r);
/* Closes what is ready. */
void socks_drop(struct route *r);

/* --- dial.c
 * -----------------------------------------------------------------*/

void dial_begin(struct conn *c);
void dial_socket(struct conn *c, int fd); /* takes fd */
void dial_failed(struct conn *c);
void dial_ready(struct conn *c); /* u.io is writable */
enum np_family dial_family(const struct conn *c);

/* --- conn.c
 * -----------------------------------------------------------------*/

/* Listens at w; takes fd. */
void conn_listen(struct proxy *p, struct loop_io *w, int fd);
void conn_sweep(struct proxy *p); /* from now on, in turn */
/* As writev() and shutdown(SHUT_WR), whatever the bytes go through. */
ssize_t side_writev(struct side *s, const struct iovec *v, int n);
void side_shut(struct side *s);
void conn_advance(struct conn *c);
/* Closes both sides; with `abrupt`, so that both notice. */
void conn_kill(struct conn *c, bool abrupt);
/* Its sandbox is gone: a 502 if nothing was said yet, else the cut. */
void conn_cut(struct conn *c);
void conn_progress(struct conn *c);
void conn_attach(struct conn *c, struct route *r);
void conn_detach(struct conn *c); /* closes u */
void conn_free_all(struct proxy *p);

/* --- request.c
 * ---------------------------------------------------------------*/

/* In C_HEAD: true if something has come of it. */
bool request_try(struct conn *c);
/* Its head is still there: looked at anew, from the loop, after ms. */
void request_again(struct conn *c, uint64_t ms);

/* --- exchange.c
 * --------------------------------------------------------------*/

void exchange_begin(struct conn *c);
bool exchange_step(struct conn *c); /* true if conn_advance() goes on */
void tunnel_step(struct conn *c);
/* u is gone without an answer. */
void exchange_lost(struct conn *c);
void request_over(struct conn *c);

/* --- head.c
 * -------------------------------------------------------------------*/

struct text head_get(
    const struct http1_head *h, const char *base, const char *name);
/* The request as the server inside shall see it, into c->u.out. */
int head_request(struct conn *c, const struct http1_head *h, const char *base);
/* The response as the client shall see it, into c->c.out. */
int head_response(
    struct conn *c, const struct http1_head *h, const char *base, size_t n);

/* --- access.c
 * ------------------------------------------------------------------*/

void access_begin(struct conn *c, const struct http1_head *h, const char *base,
    const struct target *t);
/* The request is over, in whatever way. */
void access_end(struct conn *c);

/* --- crowd.c
 * -------------------------------------------------------------------*/

/* May one more come from there?  Idle ones make room for it. */
bool crowd_enter(struct proxy *p, struct np_addr a);
void crowd_leave(struct proxy *p, struct np_addr a);
void crowd_idle(struct conn *c);
void crowd_busy(struct conn *c);

/* --- answer.c
 * -----------------------------------------------------------------*/

/* Each ends the request under way with an answer of ours. */
void answer_bad(struct conn *c, int status, const char *why);
void answer_not_found(struct conn *c, const char *id);
/* Nobody listens there; of the API, nobody answers. */
void answer_closed_port(struct conn *c);
void answer_broken(struct conn *c);
void answer_sandbox(
    struct conn *c, const char *id, int status, const char *message);
void answer_too_many(struct conn *c, const char *id);
void answer_forbidden_path(struct conn *c, const char *path, size_t n);

/* --- OS: linux/ or freebsd/
 * -----------------------------------------------------*/

/*
 * Moves bytes of u's body to the client without looking at them.  How many
 * have left u (0 is its end); -1 with EAGAIN; -1 with ENOSYS: copy them.
 */
ssize_t bulk_fill(struct conn *c, size_t max);
/* 0 when the pipe is empty, 1 if it would wait, -1 on error. */
int bulk_flush(struct conn *c);
void bulk_end(struct conn *c);

#endif
