/*
 * envd/log_ring.h - the newest lines of a log, in 64 KiB: who reads too slowly
 * is told how many went, and nobody waits.
 */
#ifndef ENVD_LOG_RING_H
#define ENVD_LOG_RING_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_RING_BYTES = 64 * 1024, LOG_LINE_MAX = 2048 };

struct log_ring {
	char *base;	     /* NULL until there is a line */
	uint64_t head, tail; /* bytes that went, bytes that came; ever */
	/* Numbers: of the first there was, the oldest there is, the next. */
	uint64_t start, first, next;
};

/* Lines are numbered from `first`. */
void log_ring_init(struct log_ring *r, uint64_t first);
void log_ring_fini(struct log_ring *r);

/* At most LOG_LINE_MAX bytes.  Without memory the line is lost, and counted. */
void log_ring_add(struct log_ring *r, const char *line, size_t n);

/* Where somebody reads. */
struct log_place {
	uint64_t seq, pos; /* of the next line, and where it begins */
};

/*
 * Behind line number `seq`.  A number that was never given is one of another
 * ring: everything that came to this one is new.
 */
struct log_place log_ring_after(const struct log_ring *r, uint64_t seq);
/*
 * The next line: its length, or 0 if there is none.  *seq is its number, and
 * *lost how many went before anybody here could read them.
 */
size_t log_ring_read(const struct log_ring *r, struct log_place *at,
    char to[LOG_LINE_MAX], uint64_t *seq, uint64_t *lost);

#endif
