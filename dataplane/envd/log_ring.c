#include "envd/log_ring.h"

#include <stdlib.h>
#include <string.h>

/* In front of each line: its length. */
enum { HEAD = sizeof(uint16_t) };

void
log_ring_init(struct log_ring *r, uint64_t first)
{
	*r = (struct log_ring){ .start = first, .first = first, .next = first };
}

void
log_ring_fini(struct log_ring *r)
{
	free(r->base);
	r->base = NULL;
}

static void
copy_in(struct log_ring *r, const void *from, size_t n)
{
	size_t at = r->tail % LOG_RING_BYTES, fits = LOG_RING_BYTES - at;

	if (fits > n)
		fits = n;
	memcpy(r->base + at, from, fits);
	memcpy(r->base, (const char *)from + fits, n - fits);
	r->tail += n;
}

static void
copy_out(const struct log_ring *r, uint64_t pos, void *to, size_t n)
{
	size_t at = pos % LOG_RING_BYTES, fits = LOG_RING_BYTES - at;

	if (fits > n)
		fits = n;
	memcpy(to, r->base + at, fits);
	memcpy((char *)to + fits, r->base, n - fits);
}

static size_t
length_at(const struct log_ring *r, uint64_t pos)
{
	uint16_t n;

	copy_out(r, pos, &n, sizeof(n));
	return n;
}

static void
drop_oldest(struct log_ring *r)
{
	r->head += HEAD + length_at(r, r->head);
	r->first++;
}

void
log_ring_add(struct log_ring *r, const char *line, size_t n)
{
	uint16_t len = (uint16_t)(n < LOG_LINE_MAX ? n : LOG_LINE_MAX);

	if (r->base == NULL)
		r->base = malloc(LOG_RING_BYTES);
	if (r->base == NULL) {
		/* Nothing is there yet, so this is how it looks when full. */
		r->first = ++r->next;
		return;
	}
	while (LOG_RING_BYTES - (r->tail - r->head) < HEAD + (size_t)len)
		drop_oldest(r);
	copy_in(r, &len, sizeof(len));
	copy_in(r, line, len);
	r->next++;
}

struct log_place
log_ring_after(const struct log_ring *r, uint64_t seq)
{
	struct log_place at = { r->first, r->head };

	if (seq < r->start || seq >= r->next)
		seq = r->start - 1;
	if (seq + 1 < r->first) {
		at.seq = seq + 1; /* gone; reading says how many */
		return at;
	}
	for (; at.seq <= seq; at.seq++)
		at.pos += HEAD + length_at(r, at.pos);
	return at;
}

size_t
log_ring_read(const struct log_ring *r, struct log_place *at,
    char to[LOG_LINE_MAX], uint64_t *seq, uint64_t *lost)
{
	size_t n;

	*lost = 0;
	if (at->seq < r->first) {
		*lost = r->first - at->seq;
		*at = (struct log_place){ r->first, r->head };
	}
	if (at->seq >= r->next)
		return 0;
	n = length_at(r, at->pos);
	copy_out(r, at->pos + HEAD, to, n);
	*seq = at->seq++;
	at->pos += HEAD + n;
	return n;
}
