/*
 * The guest's view and the host's are of one memory, whoever came first.
 *
 * The trap is a view that goes on showing the file's page after the other one
 * wrote: so each page is read by the one before the other one writes it.
 */
#include "cases.h"

#include <sys/wait.h>

#include <errno.h>
#include <unistd.h>

static enum side
other(enum side s)
{
	return s == GUEST ? HOST : GUEST;
}

void
case_reads(struct world *w)
{
	const size_t all = GOLDEN_PAGES * w->page;
	struct machine *m = machine_golden(w);

	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, all));
	CHECK(w->t, has_golden(w, m, HOST, 0, 0, all));
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, all));
	w->ops->destroy(m);
}

/* Readers before: none, the guest, the host, both; then two writes. */
static void
one_page(struct world *w, struct machine *m, unsigned page, unsigned how)
{
	const uint64_t gpa = page * w->page;
	const size_t p = w->page;
	enum side first = how & 4 ? HOST : GUEST;
	enum side second = how & 8 ? HOST : GUEST;

	for (enum side s = GUEST; s <= HOST; s++)
		if (how & (1u << s))
			CHECK(w->t, has_golden(w, m, s, gpa, gpa, p));
	CHECK_IS(w->t, fill(w, m, first, gpa, 100, p / 2), 0);
	CHECK(w->t, has(w, m, other(first), gpa, 100, p / 2));
	CHECK(w->t, has(w, m, first, gpa, 100, p / 2));
	for (enum side s = GUEST; s <= HOST; s++)
		CHECK(w->t,
		    has_golden(w, m, s, gpa + p / 2, gpa + p / 2, p - p / 2));
	CHECK_IS(w->t, fill(w, m, second, gpa + p / 4, 101, p / 2), 0);
	for (enum side s = GUEST; s <= HOST; s++) {
		CHECK(w->t, has(w, m, s, gpa, 100, p / 4));
		CHECK(w->t, has(w, m, s, gpa + p / 4, 101, p / 2));
	}
}

/* As one page after the other, and with all pages read before. */
void
case_views_see_writes(struct world *w)
{
	struct machine *m = machine_golden(w);

	for (unsigned how = 0; how < 16; how++)
		one_page(w, m, how, how);
	w->ops->destroy(m);

	for (unsigned readers = 1; readers < 4; readers++) {
		m = machine_golden(w);
		for (enum side s = GUEST; s <= HOST; s++)
			if (readers & (1u << s))
				CHECK(w->t, has_golden(w, m, s, 0, 0,
						GOLDEN_PAGES * w->page));
		for (unsigned page = 0; page < GOLDEN_PAGES; page++)
			one_page(w, m, page, (page & 3) << 2);
		w->ops->destroy(m);
	}
}

/* Reads and writes of odd lengths that begin and end within pages. */
void
case_views_across_pages(struct world *w)
{
	const size_t p = w->page, n = 2 * p + 7;
	struct machine *m = machine_golden(w);

	for (unsigned i = 0; i < 6; i++) {
		enum side s = i & 1 ? HOST : GUEST;
		uint64_t gpa = (i * 4 + 1) * p - 3;
		unsigned char byte = (unsigned char)(110 + i);

		if (i & 2)
			CHECK(w->t,
			    has_golden(w, m, other(s), gpa - 1, gpa - 1, n));
		CHECK_IS(w->t, fill(w, m, s, gpa, byte, n), 0);
		for (s = GUEST; s <= HOST; s++) {
			CHECK(w->t, has(w, m, s, gpa, byte, n));
			CHECK(w->t, has_golden(w, m, s, gpa - p + 3,
					gpa - p + 3, p - 3));
			CHECK(
			    w->t, has_golden(w, m, s, gpa + n, gpa + n, p - 4));
		}
	}
	w->ops->destroy(m);
}

void
case_host_reopened(struct world *w)
{
	const size_t p = w->page;
	struct machine *m = machine_golden(w);

	for (unsigned i = 0; i < 4; i++) {
		unsigned char byte = (unsigned char)(60 + i);
		enum side s = i & 1 ? HOST : GUEST;

		CHECK_IS(w->t, fill(w, m, s, 2 * i * p, byte, p), 0);
		CHECK(w->t, has(w, m, HOST, 2 * i * p, byte, p));
		w->ops->host_close(m);
		for (unsigned k = 0; k <= i; k++)
			CHECK(w->t, has(w, m, i & 2 ? HOST : GUEST, 2 * k * p,
					(unsigned char)(60 + k), p));
		w->ops->host_close(m);
	}
	for (unsigned i = 0; i < 4; i++) {
		uint64_t gpa = (2 * i + 1) * p;

		CHECK(w->t,
		    has(w, m, GUEST, gpa - p, (unsigned char)(60 + i), p));
		CHECK(w->t, has_golden(w, m, GUEST, gpa, gpa, p));
	}
	w->ops->destroy(m);
}

/* The guest's map goes; the host's view and what was written stay. */
void
case_host_outlives_map(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	char byte;

	CHECK(w->t, has_golden(w, m, HOST, 0, 0, all));
	CHECK_IS(w->t, fill(w, m, GUEST, 0, 71, p), 0);
	CHECK_IS(w->t, fill(w, m, HOST, p, 72, p), 0);
	CHECK_IS(w->t, w->ops->unmap(m, 0, all), 0);
	CHECK_IS(w->t, peek(w, m, GUEST, 0, &byte, 1), EFAULT);
	CHECK(w->t, has(w, m, HOST, 0, 71, p));
	CHECK(w->t, has(w, m, HOST, p, 72, p));
	CHECK(w->t, has_golden(w, m, HOST, 2 * p, 2 * p, all - 2 * p));
	CHECK_IS(w->t, fill(w, m, HOST, 2 * p, 73, p), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, all, false), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK(
		    w->t, has(w, m, GUEST, i * p, (unsigned char)(71 + i), p));
	CHECK_IS(w->t, fill(w, m, GUEST, 0, 74, p), 0);
	CHECK(w->t, has(w, m, HOST, 0, 74, p));
	w->ops->destroy(m);
}

/* What a child sees and writes through the mapping that it inherited. */
static int
child(struct world *w, struct machine *m)
{
	const size_t p = w->page;

	if (!has(w, m, HOST, 0, 80, p) || !has_golden(w, m, HOST, p, p, p))
		return 1;
	return fill(w, m, HOST, p, 81, p) == 0 &&
		       fill(w, m, HOST, 2 * p, 82, p) == 0
		   ? 0
		   : 2;
}

void
case_view_in_child(struct world *w)
{
	const size_t p = w->page;
	struct machine *m = machine_golden(w);
	int status = -1;
	pid_t pid;

	CHECK_IS(w->t, fill(w, m, GUEST, 0, 80, p), 0);
	CHECK(w->t, has_golden(w, m, HOST, p, p, 3 * p));
	CHECK(w->t, has_golden(w, m, GUEST, p, p, 3 * p));
	pid = fork();
	if (pid == 0)
		_exit(child(w, m));
	CHECK(w->t, pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(w->t, status == 0);
	for (enum side s = GUEST; s <= HOST; s++) {
		CHECK(w->t, has(w, m, s, 0, 80, p));
		CHECK(w->t, has(w, m, s, p, 81, p));
		CHECK(w->t, has(w, m, s, 2 * p, 82, p));
		CHECK(w->t, has_golden(w, m, s, 3 * p, 3 * p, p));
	}
	w->ops->destroy(m);
}
