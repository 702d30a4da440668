/*
 * proxyfake.h - a coppice-proxyd with nobody but us around it: we are the
 * monitor, apid and privd, and the servers inside are threads of ours on this
 * host's loopback.
 */
#ifndef TESTS_PROXYFAKE_H
#define TESTS_PROXYFAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/route_msg.h"

struct fake {
	pid_t pid;
	uint16_t port;
	int route, ctl;
	_Atomic bool refuse; /* privd says no to every socket */
};

/* Starts the program beside our own directory; ends the test if it cannot. */
void fake_start(struct fake *f);
/* The same, with so many connections of clients at the most. */
void fake_start_small(struct fake *f, const char *conns_max);
/* Closes our ends; its exit status, or -1 if it had to be killed. */
int fake_stop(struct fake *f);

/* linux/ or freebsd/ */
unsigned fake_fds(const struct fake *f);
long fake_rss_kib(const struct fake *f);

void fake_table(struct fake *f, enum route_type type);
void fake_set(struct fake *f, const struct route_set *s);
/* A running sandbox with open traffic. */
void fake_run(struct fake *f, const char *id, uint32_t incarnation);
void fake_del(struct fake *f, const char *id);
/* How often it has asked to have this sandbox woken, within ms. */
unsigned fake_wakes(struct fake *f, const char *id, int ms);
void fake_woke(struct fake *f, const char *id, uint16_t status);
/* apid and privd have restarted: new ends through ctl. */
void fake_handover(struct fake *f);

/* A server: run(fd, arg) in a thread of its own for each connection. */
uint16_t server_start(void (*run)(int fd, const void *arg), const void *arg);

/* --- sockets, blocking, with a limit of ten seconds ------------------------*/

int tcp_to(uint16_t port);
int tcp_from(const char *address, uint16_t port);
void put(int fd, const char *s);
void put_n(int fd, const void *p, size_t n);
/* Everything until the end; *reset says that it was cut off.  Static. */
const char *get_all(int fd, bool *reset);
/* One read, terminated.  Static. */
const char *get_some(int fd);
/* Until the end of a head has come; what follows it may be there too. */
const char *get_head(int fd);
size_t get_count(int fd, uint64_t *sum); /* counts and adds up bytes */
void reset(int fd);

#endif
