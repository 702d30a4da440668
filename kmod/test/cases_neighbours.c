/*
 * What a fault on one page enters for its neighbours.
 *
 * A kernel maps a few pages around the one that the host touched, as far as it
 * has them.  While it looks, the guest may write one of them on another CPU:
 * the host must not be left with the golden page, which no later write of the
 * guest would take away.  FreeBSD did leave it (vm_fault_prefault()), for
 * nine of 163,840 pages on two CPUs; patch 0001 of the series.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "cases.h"

#define WALK_PAGES  4096
#define WALK_ROUNDS 8

struct walk {
	struct world *w;
	struct machine *m;
	_Atomic unsigned at; /* the page that the host has come to */
	unsigned lead;	     /* how far before it the guest may write */
	unsigned errors;
};

/* Every other page, a little before or behind the host. */
static void *
guest_writes(void *arg)
{
	struct walk *k = arg;

	for (unsigned i = 1; i < WALK_PAGES; i += 2) {
		while (atomic_load(&k->at) + k->lead < i)
			continue;
		if (fill(k->w, k->m, GUEST, i * k->w->page, 'Z', 1) != 0)
			k->errors++;
	}
	return NULL;
}

static void
host_reads(struct walk *k)
{
	for (unsigned i = 0; i < WALK_PAGES; i += 2) {
		uint64_t gpa = i * k->w->page;

		CHECK(k->w->t, has_golden(k->w, k->m, HOST, gpa, gpa, 1));
		atomic_store(&k->at, i);
	}
	atomic_store(&k->at, WALK_PAGES);
}

static void
walk(struct world *w, int fd, unsigned lead)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct walk k = { .w = w, .m = machine_new(w), .lead = lead };
	unsigned stale = 0;
	pthread_t thread;

	seg.fd = fd;
	seg.len = WALK_PAGES * w->page;
	CHECK(w->t, w->ops->alloc_fd(k.m, &seg) == 0);
	CHECK(w->t, w->ops->map(k.m, 0, 0, 0, seg.len, false) == 0);
	CHECK(w->t, pthread_create(&thread, NULL, guest_writes, &k) == 0);
	host_reads(&k);
	CHECK(w->t, pthread_join(thread, NULL) == 0);
	for (unsigned i = 1; i < WALK_PAGES; i += 2)
		stale += !has(w, k.m, HOST, i * w->page, 'Z', 1);
	CHECK(w->t, stale == 0);
	CHECK(w->t, k.errors == 0);
	w->ops->destroy(k.m);
}

void
case_neighbours_race(struct world *w)
{
	char path[PATH_MAX];
	int fd;

	world_path(w, "walk", path);
	fd = golden_file(path, WALK_PAGES * w->page);
	if (!CHECK(w->t, fd >= 0))
		return;
	for (unsigned i = 0; i < WALK_ROUNDS; i++)
		walk(w, fd, i);
	(void)close(fd);
	(void)unlink(path);
}
