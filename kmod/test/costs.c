/*
 * What memory on a file costs, beside memory of one's own: a table.
 *
 * Every figure is of one page: the median over the pages of a golden file,
 * each touched once by a byte, in nanoseconds.  What a touch costs that faults
 * nothing is a row of its own, to be taken off in one's head.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memseg_test.h"
#include "world.h"

#define COST_PAGES 2048
#define CROWD	   31

struct costs {
	struct world w;
	int fd;
	size_t len;
	uint64_t ns[COST_PAGES];
};

static uint64_t
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
row(struct costs *c, const char *what)
{
	qsort(c->ns, COST_PAGES, sizeof(c->ns[0]), by_size);
	printf("| %s | %llu | %llu |\n", what,
	    (unsigned long long)c->ns[COST_PAGES / 2],
	    (unsigned long long)c->ns[COST_PAGES * 99 / 100]);
	(void)fflush(stdout);
}

/* One byte of each page, timed; in an order in which no fault helps the next.
 */
static void
touch_all(struct costs *c, struct machine *m, enum side side, bool write)
{
	unsigned char byte = 'Z';

	for (size_t i = 0; i < COST_PAGES; i++) {
		uint64_t gpa = (i * 769 % COST_PAGES) * c->w.page;
		uint64_t t0 = now();
		int error = write ? poke(&c->w, m, side, gpa, &byte, 1)
				  : peek(&c->w, m, side, gpa, &byte, 1);

		c->ns[i] = now() - t0;
		CHECK(c->w.t, error == 0);
	}
}

static struct machine *
on_file(struct costs *c)
{
	struct vm_memseg_fd seg = whole_file(&c->w, 0);
	struct machine *m = machine_new(&c->w);

	seg.fd = c->fd;
	seg.len = c->len;
	CHECK_IS(c->w.t, c->w.ops->alloc_fd(m, &seg), 0);
	CHECK_IS(c->w.t, c->w.ops->map(m, 0, 0, 0, c->len, false), 0);
	return m;
}

static struct machine *
of_its_own(struct costs *c)
{
	struct machine *m = machine_new(&c->w);

	CHECK_IS(c->w.t, c->w.ops->alloc(m, 0, c->len), 0);
	CHECK_IS(c->w.t, c->w.ops->map(m, 0, 0, 0, c->len, false), 0);
	return m;
}

static void
alone(struct costs *c)
{
	struct machine *m = of_its_own(c);

	touch_all(c, m, GUEST, true);
	row(c, "memory of its own: the guest's first write (a page of zeros)");
	touch_all(c, m, GUEST, true);
	row(c, "a write that faults nothing");
	c->w.ops->destroy(m);
	m = on_file(c);
	touch_all(c, m, GUEST, false);
	row(c, "on a file: the guest's first read");
	touch_all(c, m, GUEST, true);
	row(c, "on a file: its first write, after that (a copy)");
	c->w.ops->destroy(m);
	m = on_file(c);
	touch_all(c, m, GUEST, true);
	row(c, "on a file: its first write, not read before (a copy)");
	c->w.ops->destroy(m);
}

/* The same write, when others have the page mapped: it is taken from them. */
static void
in_a_crowd(struct costs *c, unsigned others)
{
	struct machine *m = on_file(c), *crowd[CROWD] = { NULL };
	char what[96];

	for (unsigned i = 0; i < others; i++) {
		crowd[i] = on_file(c);
		touch_all(c, crowd[i], GUEST, false);
		touch_all(c, crowd[i], HOST, false);
	}
	touch_all(c, m, GUEST, true);
	(void)snprintf(what, sizeof(what),
	    "on a file: its first write, %u others have the page mapped",
	    others);
	row(c, what);
	touch_all(c, crowd[0], GUEST, false);
	row(c, "... and the next read by one of those");
	c->w.ops->destroy(m);
	for (unsigned i = 0; i < others; i++)
		c->w.ops->destroy(crowd[i]);
}

void
run_costs(const struct machine_ops *ops, const char *dir, struct tally *t)
{
	static struct costs c;
	char path[PATH_MAX];

	if (!world_open(&c.w, ops, dir, t))
		return;
	world_path(&c.w, "costs", path);
	c.len = COST_PAGES * c.w.page;
	c.fd = golden_file(path, c.len);
	if (CHECK(t, c.fd >= 0)) {
		printf("| %s, a page | median, ns | 99th percentile |\n"
		       "|---|---|---|\n",
		    ops->name);
		alone(&c);
		in_a_crowd(&c, 1);
		in_a_crowd(&c, 7);
		in_a_crowd(&c, CROWD);
		(void)close(c.fd);
		(void)unlink(path);
	}
	world_close(&c.w);
}
