/*
 * The guest's view and the host's at once, on pages that nobody had yet: while
 * one fault copies a page, another one must not enter the file's again.
 */
#include "cases.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static enum side
other(enum side s)
{
	return s == GUEST ? HOST : GUEST;
}

/*
 * A thread writes by each view, all pages at once, each its own byte of the
 * page; the other one's it reads. What it wrote last must stand there, and of
 * the other's no less than the other said that it had written.
 */
struct racer {
	struct world *w;
	struct machine *m;
	enum side side;
	_Atomic unsigned *done; /* by side */
	pthread_barrier_t *start;
	unsigned lost, stale, errors;
};

#define RACE_COUNT  12
#define RACE_ROUNDS 24

static uint64_t
race_at(const struct racer *r, unsigned page, enum side side)
{
	return page * r->w->page + (side == HOST ? r->w->page / 2 : 8);
}

static void
race_page(struct racer *r, unsigned page, unsigned count)
{
	unsigned char mine = (unsigned char)count, got = 0;
	uint64_t gpa = race_at(r, page, r->side);
	unsigned said;

	/* Golden bytes are odd ones out: the first count replaces them. */
	if (count > 1) {
		if (peek(r->w, r->m, r->side, gpa, &got, 1) != 0)
			r->errors++;
		else if (got != mine - 1)
			r->lost++;
	}
	if (poke(r->w, r->m, r->side, gpa, &mine, 1) != 0)
		r->errors++;
	said = atomic_load(&r->done[other(r->side)]);
	gpa = race_at(r, page, other(r->side));
	if (peek(r->w, r->m, r->side, gpa, &got, 1) != 0)
		r->errors++;
	else if (said > 0 && (got < said || got > RACE_COUNT))
		r->stale++;
}

static void *
race(void *arg)
{
	struct racer *r = arg;

	(void)pthread_barrier_wait(r->start);
	for (unsigned count = 1; count <= RACE_COUNT; count++) {
		for (unsigned i = 0; i < GOLDEN_PAGES; i++)
			race_page(r, i, count);
		atomic_store(&r->done[r->side], count);
	}
	return NULL;
}

static void
race_once(struct world *w, unsigned readers)
{
	_Atomic unsigned done[2] = { 0, 0 };
	struct machine *m = machine_golden(w);
	pthread_barrier_t start;
	struct racer r[2] = { { w, m, GUEST, done, &start, 0, 0, 0 },
		{ w, m, HOST, done, &start, 0, 0, 0 } };
	pthread_t thread;

	for (enum side s = GUEST; s <= HOST; s++)
		if (readers & (1u << s))
			CHECK(w->t,
			    has_golden(w, m, s, 0, 0, GOLDEN_PAGES * w->page));
	CHECK(w->t, pthread_barrier_init(&start, NULL, 2) == 0);
	CHECK(w->t, pthread_create(&thread, NULL, race, &r[1]) == 0);
	(void)race(&r[0]);
	CHECK(w->t, pthread_join(thread, NULL) == 0);
	(void)pthread_barrier_destroy(&start);
	for (enum side s = GUEST; s <= HOST; s++) {
		CHECK(w->t, r[s].errors == 0);
		CHECK(w->t, r[s].lost == 0);
		CHECK(w->t, r[s].stale == 0);
		for (unsigned i = 0; i < GOLDEN_PAGES; i++) {
			CHECK(w->t, has(w, m, other(s), race_at(&r[0], i, s),
					RACE_COUNT, 1));
		}
	}
	w->ops->destroy(m);
}

void
case_race_views(struct world *w)
{
	for (unsigned i = 0; i < RACE_ROUNDS; i++)
		race_once(w, i & 3);
}

/*
 * Who attaches the file and who opens it for writing, again and again: one of
 * them has it, or none. Each says so after it got the file and until before it
 * gives it back, so that the two never say so at once.
 */
#define TEXT_ROUNDS 400

struct text_race {
	struct world *w;
	_Atomic bool held, written, over;
	unsigned got, both;
};

static void *
writes_again(void *arg)
{
	struct text_race *r = arg;

	while (!atomic_load(&r->over)) {
		int fd;

		if (r->w->ops->file_open_write(r->w->path, &fd) != 0)
			continue;
		atomic_store(&r->written, true);
		r->both += atomic_load(&r->held);
		r->got++;
		atomic_store(&r->written, false);
		r->w->ops->file_close_write(fd);
	}
	return NULL;
}

void
case_race_text(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct text_race r = { .w = w };
	unsigned got = 0, both = 0, other_error = 0;
	pthread_t thread;

	CHECK(w->t, pthread_create(&thread, NULL, writes_again, &r) == 0);
	for (unsigned i = 0; i < TEXT_ROUNDS || got == 0; i++) {
		struct machine *m = machine_new(w);
		int error = w->ops->alloc_fd(m, &seg);

		if (error == 0) {
			atomic_store(&r.held, true);
			both += atomic_load(&r.written);
			got++;
			atomic_store(&r.held, false);
		}
		other_error += error != 0 && error != ETXTBSY;
		w->ops->destroy(m);
	}
	atomic_store(&r.over, true);
	CHECK(w->t, pthread_join(thread, NULL) == 0);
	CHECK(w->t, other_error == 0);
	CHECK(w->t, both == 0 && r.both == 0);
	printf("# attached %u times, opened for writing %u\n", got, r.got);
}
