/* Machines by the thousand: whatever one took is given back. */
#include "memseg_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

/* Enough for caches to be as full as they will be. */
#define WARM_UP	    50
#define ROUND_PAGES 16
#define METERS_MAX  16
#define DESCRIPTORS 4096

static long
open_descriptors(void)
{
	long n = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

const struct meter meter_descriptors = { "descriptors", open_descriptors, 0 };

/*
 * Every fourth round has a file of its own, unlinked while it is held, so that
 * a reference which stays behind costs a vnode and pages each time.
 */
static void
own_file(struct world *w, unsigned round, struct vm_memseg_fd *seg)
{
	char path[PATH_MAX];

	if (round % 4 != 0)
		return;
	world_path(w, "round", path);
	seg->fd = golden_file(path, seg->len);
	CHECK(w->t, seg->fd >= 0);
	CHECK(w->t, unlink(path) == 0);
}

static void
touch(struct world *w, struct machine *m, unsigned round)
{
	const size_t p = w->page;
	enum side a = round & 1 ? HOST : GUEST, b = round & 2 ? HOST : GUEST;
	unsigned char byte = (unsigned char)(1 + round % 250);

	CHECK(w->t, has_golden(w, m, a, 0, 0, ROUND_PAGES * p));
	CHECK_IS(w->t, fill(w, m, b, 3 * p, byte, 8 * p), 0);
	CHECK(w->t, has(w, m, a, 3 * p, byte, 8 * p));
	CHECK(w->t, has_golden(w, m, b, 11 * p, 11 * p, 2 * p));
}

/* Made, touched, and at times refused, unmapped or reset before the end. */
static void
one_round(struct world *w, unsigned round)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);
	const size_t len = ROUND_PAGES * w->page;

	seg.len = GOLDEN_PAGES * w->page + (round % 5 == 0 ? w->page : 0);
	if (round % 5 == 0)
		CHECK(w->t, w->ops->alloc_fd(m, &seg) != 0);
	seg.len = len;
	own_file(w, round, &seg);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	if (seg.fd != w->fd)
		(void)close(seg.fd);
	if (round % 7 != 0) { /* not all are ever mapped */
		CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, len, false), 0);
		touch(w, m, round);
	}
	if (round % 6 == 1)
		CHECK_IS(w->t, w->ops->reinit(m), 0);
	if (round % 3 == 0)
		w->ops->host_close(m);
	if (round % 5 == 1 && round % 7 != 0)
		CHECK_IS(w->t, w->ops->unmap(m, 0, len), 0);
	w->ops->destroy(m);
}

static void
compare(struct tally *t, const struct meter *meters, size_t n,
    const long *before, unsigned rounds)
{
	for (size_t i = 0; i < n; i++) {
		long now = meters[i].read();

		printf("# %s: %ld, %ld after %u rounds\n", meters[i].name,
		    before[i], now, rounds);
		CHECK(t, before[i] >= 0 && now >= 0);
		CHECK(t, now <= before[i] + meters[i].slack);
	}
}

void
run_rounds(const struct machine_ops *ops, const char *dir, unsigned rounds,
    const struct meter *meters, size_t nmeters, struct tally *t)
{
	long before[METERS_MAX];
	unsigned failed = t->failed;
	struct world w;

	if (!CHECK(t, nmeters <= METERS_MAX))
		return;
	if (!world_open(&w, ops, dir, t))
		return;
	for (unsigned i = 0; i < WARM_UP; i++)
		one_round(&w, i);
	for (size_t i = 0; i < nmeters; i++)
		before[i] = meters[i].read();
	for (unsigned i = 0; i < rounds; i++)
		one_round(&w, i);
	compare(t, meters, nmeters, before, rounds);
	world_close(&w); /* nobody holds the file: it can be written */
	printf("%s %s: %u rounds\n", t->failed == failed ? "ok" : "FAILED",
	    ops->name, rounds);
	(void)fflush(stdout);
}
