/* Random steps on a machine_ops and on plain arrays, each result compared. */
#include "random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memseg_test.h"

uint32_t
below(struct both *x, uint32_t n)
{
	x->rnd ^= x->rnd << 13;
	x->rnd ^= x->rnd >> 7;
	x->rnd ^= x->rnd << 17;
	return (uint32_t)(x->rnd >> 20) % n;
}

void
compare(struct both *x, const char *what, int got, int want)
{
	*(want == 0 ? &x->answers : &x->errors) += 1;
	if (!CHECK(x->w.t, got == want))
		printf("# seed %" PRIu64
		       ", step %u, %s: %d (%s), not %d (%s)\n",
		    x->seed, x->step, what, got, strerror(got), want,
		    strerror(want));
}

static void
step_create(struct both *x, int i)
{
	char name[64];
	int rc;

	(void)snprintf(name, sizeof(name), "random%ld.%d", (long)getpid(), i);
	if (x->machines[i].m != NULL) {
		struct machine *twin = NULL;

		compare(
		    x, "create twice", x->w.ops->create(name, &twin), EEXIST);
		return;
	}
	rc = x->w.ops->create(name, &x->machines[i].m);
	compare(x, "create", rc, 0);
}

static void
step_destroy(struct both *x, int i)
{
	x->w.ops->destroy(x->machines[i].m);
	x->machines[i].m = NULL;
	a_reset(x->machines[i].a);
}

/* Mostly one that fits; at times one that is wrong in a way or two. */
static void
step_alloc_fd(struct both *x, int i)
{
	const size_t page = x->w.page;
	int f = (int)below(x, FILES);
	struct a_file *a = x->files[f].a;
	size_t pages = a->len / page;
	struct vm_memseg_fd q = { .version = 1,
		.segid = (int)below(x, A_SEGS),
		.fd = x->files[f].fd };

	q.off = pages > 1 ? below(x, (uint32_t)pages) * page : 0;
	q.len = (1 + below(x, A_PAGES)) * page;
	if (q.off + q.len > pages * page && below(x, 4) > 0)
		q.len = pages * page - q.off;
	switch (below(x, 40)) {
	case 0:
		q.version = below(x, 3);
		break;
	case 1:
		q.flags = below(x, 2);
		break;
	case 2:
		q.spare[below(x, 4)] = below(x, 2);
		break;
	case 3:
		q.segid = below(x, 2) ? -1 : 8;
		break;
	case 4:
		q.off += below(x, 2);
		break;
	case 5:
		q.len -= below(x, 2);
		break;
	default:
		break;
	}
	if (below(x, 40) == 0) {
		q.fd = -1;
		a = NULL;
	}
	compare(x, "alloc_fd", x->w.ops->alloc_fd(x->machines[i].m, &q),
	    a_alloc_fd(x->machines[i].a, &q, a, page));
}

static void
step_alloc(struct both *x, int i)
{
	int segid = (int)below(x, A_SEGS);
	size_t len = (1 + below(x, 4)) * x->w.page, got = 1;
	struct a_machine *a = x->machines[i].a;

	compare(x, "alloc", x->w.ops->alloc(x->machines[i].m, segid, len),
	    a_alloc(a, segid, len, x->w.page));
	segid = (int)below(x, A_SEGS);
	compare(
	    x, "seg_len", x->w.ops->seg_len(x->machines[i].m, segid, &got), 0);
	CHECK(x->w.t, got == a->segs[segid].len);
}

static void
step_map(struct both *x, int i)
{
	const size_t page = x->w.page;
	struct a_map q = { below(x, GPA_PAGES) * page,
		(1 + below(x, A_PAGES)) * page, below(x, A_PAGES) * page,
		(int)below(x, A_SEGS) };
	struct a_machine *a = x->machines[i].a;
	size_t len = a->segs[q.segid].len;
	bool wired = below(x, 12) == 0;
	int error;

	if (below(x, 3) > 0 && len > 0) {
		q.segoff = below(x, (uint32_t)(len / page)) * page;
		q.len =
		    (1 + below(x, (uint32_t)((len - q.segoff) / page))) * page;
	}
	if (below(x, 30) == 0)
		q.gpa++;
	error = x->w.ops->map(
	    x->machines[i].m, q.gpa, q.segid, q.segoff, q.len, wired);
	/* A machine has room for so many at least, in 14.x, and for A_MAPS. */
	if (error == ENOSPC && a->nguest >= 8 && a->nguest < A_MAPS)
		return;
	compare(x, "map", error, a_map(a, &q, wired, page));
}

static void
step_unmap(struct both *x, int i)
{
	struct a_machine *a = x->machines[i].a;
	uint64_t gpa = below(x, GPA_PAGES) * x->w.page;
	size_t len = (1 + below(x, 4)) * x->w.page;

	if (a->nguest > 0 && below(x, 4) > 0) {
		unsigned k = below(x, a->nguest);

		gpa = a->guest[k].gpa;
		len = a->guest[k].len;
	}
	compare(x, "unmap", x->w.ops->unmap(x->machines[i].m, gpa, len),
	    a_unmap(a, gpa, len));
}

static void
step_access(struct both *x, int i)
{
	static unsigned char mine[4 * A_PAGE_MAX], theirs[4 * A_PAGE_MAX];
	const size_t page = x->w.page;
	struct a_machine *a = x->machines[i].a;
	uint64_t gpa = below(x, (GPA_PAGES + 1) * (uint32_t)page);
	size_t n = 1 + below(x, (uint32_t)(below(x, 2) ? 64 : 3 * page));
	bool host = below(x, 2), writes = below(x, 2);
	int rc;

	if (a->nguest > 0 && below(x, 8) > 0) {
		const struct a_map *m = &a->guest[below(x, a->nguest)];

		gpa = m->gpa + below(x, (uint32_t)m->len);
		if (below(x, 8) > 0 && n > m->gpa + m->len - gpa)
			n = m->gpa + m->len - gpa;
	}
	for (size_t k = 0; k < n; k++)
		mine[k] = theirs[k] =
		    (unsigned char)(writes ? below(x, 256) : 0);
	rc = writes ? poke(&x->w, x->machines[i].m, host ? HOST : GUEST, gpa,
			  theirs, n)
		    : peek(&x->w, x->machines[i].m, host ? HOST : GUEST, gpa,
			  theirs, n);
	compare(x, writes ? "write" : "read", rc,
	    a_access(a, host, writes, gpa, mine, n, page));
	if (rc == 0 && !CHECK(x->w.t, memcmp(mine, theirs, n) == 0))
		printf("# seed %" PRIu64 ", step %u: %s read %zu at %#jx\n",
		    x->seed, x->step, host ? "host" : "guest", n,
		    (uintmax_t)gpa);
}

static void
step_host_close(struct both *x, int i)
{
	x->w.ops->host_close(x->machines[i].m);
	x->machines[i].a->host_open = false;
}

static void
step_reinit(struct both *x, int i)
{
	compare(x, "reinit", x->w.ops->reinit(x->machines[i].m), 0);
}

/* Every byte of every machine, by both views, and every file. */
static void
compare_all(struct both *x)
{
	static unsigned char a[A_PAGE_MAX], b[A_PAGES * A_PAGE_MAX + 1];
	const size_t page = x->w.page;

	for (int i = 0; i < MACHINES; i++) {
		for (unsigned k = 0;
		     x->machines[i].m != NULL && k < 2 * GPA_PAGES; k++) {
			uint64_t gpa = k / 2 * page;
			bool host = k & 1;
			int rc = peek(&x->w, x->machines[i].m,
			    host ? HOST : GUEST, gpa, b, page);

			compare(x, "last read", rc,
			    a_access(x->machines[i].a, host, false, gpa, a,
				page, page));
			if (rc == 0)
				CHECK(x->w.t, memcmp(a, b, page) == 0);
		}
	}
	for (int i = 0; i < FILES; i++) {
		const struct a_file *f = x->files[i].a;

		CHECK(x->w.t,
		    pread(x->files[i].fd, b, sizeof(b), 0) == (ssize_t)f->len);
		CHECK(x->w.t, memcmp(b, f->bytes, f->len) == 0);
	}
}

/* How often each step is taken. */
static const struct {
	void (*world)(struct both *x);
	void (*machine)(struct both *x, int i);
	unsigned weight;
} steps[] = {
	{ NULL, step_access, 100 },
	{ NULL, step_map, 14 },
	{ NULL, step_alloc_fd, 12 },
	{ NULL, step_unmap, 7 },
	{ NULL, step_alloc, 3 },
	{ NULL, step_host_close, 4 },
	{ NULL, step_reinit, 1 },
	{ NULL, step_destroy, 2 },
	{ NULL, step_create, 4 },
	{ step_write_file, NULL, 6 },
	{ step_truncate, NULL, 2 },
	{ step_replace, NULL, 1 },
};

static void
one_step(struct both *x)
{
	unsigned all = 0, at, s = 0;
	int i = (int)below(x, MACHINES);

	for (size_t k = 0; k < sizeof(steps) / sizeof(*steps); k++)
		all += steps[k].weight;
	for (at = below(x, all); at >= steps[s].weight; s++)
		at -= steps[s].weight;
	if (steps[s].world != NULL)
		steps[s].world(x);
	else if (x->machines[i].m == NULL)
		step_create(x, i);
	else if (x->machines[i].a->nguest == 0 && below(x, 8) > 0)
		(below(x, 2) ? step_alloc_fd : step_map)(x, i);
	else
		steps[s].machine(x, i);
}

static void
begin(struct both *x)
{
	files_begin(x);
	for (int i = 0; i < MACHINES; i++) {
		x->machines[i].a = calloc(1, sizeof(*x->machines[i].a));
		if (x->machines[i].a == NULL)
			abort();
	}
}

static void
end(struct both *x)
{
	for (int i = 0; i < MACHINES; i++) {
		step_destroy(x, i);
		free(x->machines[i].a);
	}
	files_end(x);
}

void
run_random(const struct machine_ops *ops, const char *dir, uint64_t seed,
    unsigned n, struct tally *t)
{
	unsigned failed = t->failed;
	struct both *x = calloc(1, sizeof(*x));

	if (x == NULL)
		abort();
	x->seed = seed;
	x->rnd = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 8; i++)
		(void)below(x, 1);
	if (world_open(&x->w, ops, dir, t)) {
		CHECK(t, x->w.page <= A_PAGE_MAX);
		begin(x);
		/* What comes after a difference is of no use. */
		for (; x->step < n && t->failed == failed; x->step++)
			one_step(x);
		if (t->failed == failed)
			compare_all(x);
		end(x);
		world_close(&x->w);
	}
	printf("%s %s: random seed %" PRIu64 ": %u steps, %lu done, "
	       "%lu refused\n",
	    t->failed == failed ? "ok" : "FAILED", ops->name, seed, x->step,
	    x->answers, x->errors);
	(void)fflush(stdout);
	free(x);
}
