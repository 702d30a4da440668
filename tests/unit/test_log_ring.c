/* The newest lines of a log: what is dropped is counted, and nothing else. */
#include "envd/log_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

static void
add(struct log_ring *r, unsigned i, size_t n)
{
	char line[LOG_LINE_MAX + 100];

	memset(line, 'a' + (int)(i % 26), sizeof(line));
	(void)snprintf(line, sizeof(line), "%u", i);
	line[strlen(line)] = ' ';
	log_ring_add(r, line, n);
}

static void
nothing_yet(void)
{
	struct log_ring r;
	struct log_place at;
	char to[LOG_LINE_MAX];
	uint64_t seq, lost;

	log_ring_init(&r, 100);
	CHECK(r.base == NULL); /* an idle envd pays nothing */
	at = log_ring_after(&r, 0);
	CHECK(log_ring_read(&r, &at, to, &seq, &lost) == 0 && lost == 0);
	add(&r, 7, 20);
	CHECK(log_ring_read(&r, &at, to, &seq, &lost) == 20);
	CHECK(seq == 100 && lost == 0 && memcmp(to, "7 hhh", 5) == 0);
	CHECK(log_ring_read(&r, &at, to, &seq, &lost) == 0);
	log_ring_fini(&r);
}

static void
from_where_one_was(void)
{
	struct log_ring r;
	struct log_place at;
	char to[LOG_LINE_MAX];
	uint64_t seq, lost;

	log_ring_init(&r, 1000);
	for (unsigned i = 0; i < 10; i++)
		add(&r, i, 30 + i);
	at = log_ring_after(&r, 1004);
	CHECK(log_ring_read(&r, &at, to, &seq, &lost) == 35);
	CHECK(seq == 1005 && lost == 0 && to[0] == '5');
	at = log_ring_after(&r, 1009);
	CHECK(log_ring_read(&r, &at, to, &seq, &lost) == 0 && lost == 0);
	/* Numbers of another ring: before, behind, and far behind. */
	for (uint64_t n = 0; n < 3; n++) {
		at = log_ring_after(&r, n == 0	 ? 5
					: n == 1 ? 1010
						 : UINT64_MAX);
		CHECK(log_ring_read(&r, &at, to, &seq, &lost) == 30);
		CHECK(seq == 1000 && lost == 0);
	}
	log_ring_fini(&r);
}

static void
what_went_is_counted(void)
{
	struct log_ring r;
	struct log_place at, late;
	char to[LOG_LINE_MAX];
	uint64_t seq, lost, first;
	unsigned n = 0;

	log_ring_init(&r, 1);
	at = log_ring_after(&r, 0);
	for (unsigned i = 1; i <= 5000; i++)
		add(&r, i, 100);
	first = r.first;
	CHECK(first > 4000 && first < 5000 && r.next == 5001);
	CHECK(r.tail - r.head <= LOG_RING_BYTES);
	CHECK(log_ring_read(&r, &at, to, &seq, &lost) == 100);
	CHECK(seq == first && lost == first - 1);
	CHECK((uint64_t)atoi(to) == first);
	while (log_ring_read(&r, &at, to, &seq, &lost) == 100) {
		n++;
		CHECK(lost == 0 && (uint64_t)atoi(to) == seq);
	}
	CHECK(n == 5000 - first && seq == 5000);
	/* Who comes back is told what it missed meanwhile. */
	late = log_ring_after(&r, 3000);
	CHECK(log_ring_read(&r, &late, to, &seq, &lost) == 100);
	CHECK(seq == first && lost == first - 3001);
	log_ring_fini(&r);
}

/* Every size, a reader at every distance: it reads what was written. */
static void
any_sizes(void)
{
	struct log_ring r;
	struct log_place at;
	static size_t sizes[20000];
	char to[LOG_LINE_MAX];
	uint64_t seq, lost, expect = 1;
	unsigned i = 1;

	srand(11);
	log_ring_init(&r, 1);
	at = log_ring_after(&r, 0);
	while (i < 20000) {
		for (unsigned k = (unsigned)rand() % 60; k > 0 && i < 20000;
		     k--, i++) {
			sizes[i] = 8 + (size_t)rand() % (LOG_LINE_MAX + 50);
			add(&r, i, sizes[i]);
			if (sizes[i] > LOG_LINE_MAX)
				sizes[i] = LOG_LINE_MAX;
		}
		for (unsigned k = (unsigned)rand() % 50; k > 0; k--) {
			size_t n = log_ring_read(&r, &at, to, &seq, &lost);

			if (n == 0)
				break;
			expect += lost;
			if (seq != expect || n != sizes[seq] ||
			    (uint64_t)atoi(to) != seq ||
			    to[n - 1] != 'a' + (int)(seq % 26)) {
				CHECK(seq == expect && n == sizes[seq]);
				i = 20000;
			}
			expect = seq + 1;
		}
	}
	CHECK(expect > 1000);
	log_ring_fini(&r);
}

int
main(void)
{
	nothing_yet();
	from_where_one_was();
	what_went_is_counted();
	any_sizes();
	return t_end();
}
