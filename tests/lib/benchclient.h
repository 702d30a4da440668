/*
 * benchclient.h - what the programs of tests/bench share: samples, a client of
 * the API on a kept connection, sockets inside a sandbox's network namespace.
 * Whatever goes wrong ends the program with 2.
 */
#ifndef TESTS_BENCHCLIENT_H
#define TESTS_BENCHCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum { BC_ID_MAX = 40 };

void __attribute__((noreturn)) bc_die(const char *what);
double bc_now_ms(void);
double bc_available_kib(void); /* MemAvailable of this machine */

/* --- samples */

struct samples {
	double *v;
	size_t n, cap;
};

void samples_add(struct samples *s, double v);
double samples_median(struct samples *s); /* sorts */
/*
 * One JSON line: name, value (the median), unit, n, min, p99; wrong unless it
 * is negative; peer, its samples and what it is unless NULL.  Empties both.
 */
struct bc_row {
	const char *name, *unit;
	struct samples *ours, *peer;
	const char *peer_is;
	int wrong;
};
void bc_report(const struct bc_row *r);

/* --- HTTP, just enough of it */

struct conn {
	int fd;
	char in[256 * 1024];
	size_t have;
	int status;
	char *body; /* of the last answer, terminated */
};

void conn_open(struct conn *c, int port);
void conn_send(struct conn *c, const char *p, size_t n);
void conn_more(struct conn *c); /* reads what is there, at least a byte */
/* Reads a whole answer; a chunked one is left as chunks. */
void conn_answer(struct conn *c);
/* A request with bc_key, and its answer. */
void conn_call(
    struct conn *c, const char *method, const char *path, const char *body);
void conn_expect(struct conn *c, int status, const char *what);
/* Whether these characters have come; envelopes hold NUL bytes. */
bool conn_has(const struct conn *c, const char *what);
void conn_until(struct conn *c, const char *what); /* reads until they have */
void conn_finish(struct conn *c); /* reads until the last chunk has */

extern const char *bc_key;

/* --- sandboxes */

struct box {
	char id[BC_ID_MAX], token[128];
};

/* fields: more of the body, each with a comma before it. */
void box_create(struct conn *c, struct box *b, const char *fields);
void box_create_of(
    struct conn *c, struct box *b, const char *template, const char *fields);
void box_kill(struct conn *c, const struct box *b);

/* Head and body of a POST to a port inside, with the box's token. */
void box_post(struct conn *w, const struct box *b, int port, const char *path,
    const char *headers, const char *body, size_t n);
/* Sends a Start of {"cmd":...}; the caller reads what comes. */
void box_start(struct conn *w, const struct box *b, const char *process);
void box_upload(struct conn *w, const struct box *b, const char *path,
    const char *data, size_t n);
/* Uploads a program of ours, and makes it one. */
void box_program(
    struct conn *w, const struct box *b, const char *path, const char *file);

/* A sandbox that has processes, and where they are. */
struct box_place {
	char id[BC_ID_MAX];
	pid_t pid;
};
/* All of this machine; how many.  *out is the caller's. */
size_t box_places(struct box_place **out);
/* A socket made inside, of this type. */
int box_socket(const struct box_place *at, int type);

#endif
