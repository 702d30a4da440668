/*
 * io/loop.h - the event loop: one a process, everything in one thread.
 * loop.c alone knows libev.  A callback does not wait, and may stop or free
 * the thing that it was called for; nothing of it is touched afterwards.
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

struct loop;

struct loop *loop_new(struct err *e);
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop() */
void loop_stop(struct loop *l);
struct mono loop_now(const struct loop *l); /* as of this round's start */

/*
 * Watchers live in their owner's struct.  Zero one, set its callback, start
 * it.  Stop it before the memory or the descriptor goes away; stopping what
 * is not running is fine.
 */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop_io {
	void (*on_ready)(struct loop_io *w, unsigned events);
	struct loop *loop;
	int fd;
	unsigned events;   /* what is being waited for; 0 = stopped */
	uint64_t priv[10]; /* loop.c's own */
};

/* Waits for `events` of w->fd; calling again changes them, 0 stops. */
void loop_io_set(struct loop *l, struct loop_io *w, unsigned events);
void loop_io_stop(struct loop_io *w);

struct loop_timer {
	void (*on_time)(struct loop_timer *w);
	struct loop *loop;
	bool active;
	uint64_t priv[10];
};

/* Fires once; starting a running one moves it. */
void loop_timer_start(struct loop *l, struct loop_timer *w, uint64_t ms);
void loop_timer_stop(struct loop_timer *w);

struct loop_signal {
	void (*on_signal)(struct loop_signal *w, int signo);
	struct loop *loop;
	uint64_t priv[10];
};

void loop_signal_start(struct loop *l, struct loop_signal *w, int signo);
void loop_signal_stop(struct loop_signal *w);

/* Runs fn(arg) once, in this round, after what is already under way. */
void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg);

#endif
