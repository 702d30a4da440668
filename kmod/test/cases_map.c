/* Where memory is, where it is not, and what maps are refused. */
#include "cases.h"

#include <errno.h>

static int
map_golden(struct world *w, struct machine *m, uint64_t gpa, uint64_t off,
    size_t pages)
{
	return w->ops->map(m, gpa, 0, off, pages * w->page, false);
}

void
case_map_errors(struct world *w)
{
	const uint64_t end = (uint64_t)1 << 47;
	struct machine *m = machine_golden(w);
	const size_t p = w->page, all = GOLDEN_PAGES * p;

	CHECK_IS(w->t, w->ops->map(m, all, 1, 0, p, false), EINVAL);
	CHECK_IS(w->t, w->ops->map(m, all, -1, 0, p, false), EINVAL);
	CHECK_IS(w->t, w->ops->map(m, all, 1000, 0, p, false), EINVAL);
	CHECK_IS(w->t, map_golden(w, m, all, 0, 0), EINVAL);
	CHECK_IS(w->t, map_golden(w, m, all, all, 1), EINVAL);
	CHECK_IS(w->t, map_golden(w, m, all, p, GOLDEN_PAGES), EINVAL);
	CHECK_IS(w->t, map_golden(w, m, all + 1, 0, 1), EINVAL);
	CHECK_IS(w->t, map_golden(w, m, all, 1, 1), EINVAL);
	CHECK_IS(w->t, w->ops->map(m, all, 0, 0, p - 1, false), EINVAL);
	CHECK_IS(w->t, map_golden(w, m, 0 - p, 0, 2), EINVAL);
	/* Occupied, or beyond what a guest can have. */
	CHECK_IS(w->t, map_golden(w, m, 0, 0, 1), ENOMEM);
	CHECK_IS(w->t, map_golden(w, m, all - p, 0, 2), ENOMEM);
	CHECK_IS(w->t, map_golden(w, m, end, 0, 1), ENOMEM);
	CHECK_IS(w->t, map_golden(w, m, end - p, 0, 2), ENOMEM);
	CHECK_IS(w->t, map_golden(w, m, end - p, 0, 1), 0);
	CHECK(w->t, has_golden(w, m, GUEST, end - p, 0, p));
	CHECK_IS(w->t, map_golden(w, m, all, 0, 1), 0);

	CHECK_IS(w->t, w->ops->unmap(m, all, 2 * p), EINVAL);
	CHECK_IS(w->t, w->ops->unmap(m, 4 * all, p), EINVAL);
	CHECK_IS(w->t, w->ops->unmap(m, all, p), 0);
	CHECK_IS(w->t, w->ops->unmap(m, all, p), EINVAL);
	w->ops->destroy(m);
}

/* Nothing where nothing is, in either view; all of it where it is. */
void
case_no_memory_there(struct world *w)
{
	const uint64_t gpa = (uint64_t)1 << 32;
	const size_t all = GOLDEN_PAGES * w->page;
	struct machine *m = machine_new(w);
	struct vm_memseg_fd seg = whole_file(w, 0);
	char byte[2] = { 1, 2 };

	CHECK_IS(w->t, peek(w, m, GUEST, 0, byte, 1), EFAULT);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	CHECK_IS(w->t, peek(w, m, GUEST, 0, byte, 1), EFAULT);
	CHECK_IS(w->t, map_golden(w, m, gpa, 0, GOLDEN_PAGES), 0);
	for (enum side s = GUEST; s <= HOST; s++) {
		CHECK(w->t, has_golden(w, m, s, gpa, 0, all));
		CHECK_IS(w->t, peek(w, m, s, 0, byte, 1), EFAULT);
		CHECK_IS(w->t, poke(w, m, s, 0, byte, 1), EFAULT);
		CHECK_IS(w->t, peek(w, m, s, gpa - 1, byte, 1), EFAULT);
		CHECK_IS(w->t, poke(w, m, s, gpa - 1, byte, 2), EFAULT);
		CHECK_IS(w->t, peek(w, m, s, gpa + all - 1, byte, 2), EFAULT);
		CHECK_IS(w->t, poke(w, m, s, gpa + all, byte, 1), EFAULT);
		CHECK_IS(w->t, peek(w, m, s, gpa + all - 1, byte, 1), 0);
		CHECK(w->t, has_golden(w, m, s, gpa, 0, all));
	}
	w->ops->destroy(m);
}

/* Unmapped and mapped again, there or elsewhere: what was written stays. */
void
case_map_again(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	const uint64_t high = (uint64_t)1 << 33;
	struct machine *m = machine_golden(w);
	char byte;

	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2)
		CHECK_IS(w->t, fill(w, m, GUEST, i * p, 200, p), 0);
	CHECK_IS(w->t, w->ops->unmap(m, 0, all), 0);
	CHECK_IS(w->t, peek(w, m, GUEST, 0, &byte, 1), EFAULT);
	CHECK_IS(w->t, poke(w, m, GUEST, 0, &byte, 1), EFAULT);
	CHECK_IS(w->t, map_golden(w, m, high, 0, GOLDEN_PAGES), 0);
	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2) {
		uint64_t gpa = high + i * p;

		CHECK(w->t, has(w, m, GUEST, gpa, 200, p));
		CHECK(w->t, has_golden(w, m, GUEST, gpa + p, (i + 1) * p, p));
	}
	CHECK_IS(w->t, w->ops->unmap(m, high, all), 0);
	CHECK_IS(w->t, map_golden(w, m, 0, 0, GOLDEN_PAGES), 0);
	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2)
		CHECK(w->t, has(w, m, HOST, i * p, 200, p));
	w->ops->destroy(m);
}

/* Low and high memory: one segment, two maps, a hole between them. */
void
case_two_maps(struct world *w)
{
	const size_t p = w->page, low = 7 * p, all = GOLDEN_PAGES * p;
	const uint64_t high = (uint64_t)4 << 30;
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);
	char two[2] = { 3, 4 };

	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, low, false), 0);
	CHECK_IS(w->t, w->ops->map(m, high, 0, low, all - low, false), 0);
	for (enum side s = GUEST; s <= HOST; s++) {
		CHECK(w->t, has_golden(w, m, s, 0, 0, low));
		CHECK(w->t, has_golden(w, m, s, high, low, all - low));
		CHECK_IS(w->t, peek(w, m, s, low - 1, two, 2), EFAULT);
		CHECK_IS(w->t, peek(w, m, s, high - 1, two, 2), EFAULT);
	}
	CHECK_IS(w->t, fill(w, m, GUEST, low - p, 11, p), 0);
	CHECK_IS(w->t, fill(w, m, HOST, high, 12, p), 0);
	CHECK(w->t, has(w, m, HOST, low - p, 11, p));
	CHECK(w->t, has(w, m, GUEST, high, 12, p));
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, low - p));
	CHECK(w->t, has_golden(w, m, HOST, high + p, low + p, all - low - p));
	/* To lose one map loses nothing of the other. */
	CHECK_IS(w->t, w->ops->unmap(m, 0, low), 0);
	CHECK(w->t, has(w, m, GUEST, high, 12, p));
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, low, false), 0);
	CHECK(w->t, has(w, m, GUEST, low - p, 11, p));
	w->ops->destroy(m);
}

/* A page at two addresses is one page. */
void
case_one_page_twice(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);

	CHECK_IS(w->t, map_golden(w, m, all, 5 * p, 4), 0);
	for (enum side s = GUEST; s <= HOST; s++) {
		unsigned char byte = s == GUEST ? 21 : 22;
		uint64_t off = (5 + (unsigned)s) * p;

		CHECK(w->t, has_golden(w, m, s, off, off, p));
		CHECK(w->t, has_golden(w, m, s, all + off - 5 * p, off, p));
		CHECK_IS(w->t, fill(w, m, s, all + off - 5 * p, byte, p), 0);
		CHECK(w->t, has(w, m, GUEST, off, byte, p));
		CHECK(w->t, has(w, m, HOST, off, byte, p));
	}
	CHECK_IS(w->t, w->ops->unmap(m, all, 4 * p), 0);
	CHECK(w->t, has(w, m, GUEST, 5 * p, 21, p));
	CHECK(w->t, has(w, m, GUEST, 6 * p, 22, p));
	CHECK(w->t, has_golden(w, m, GUEST, 7 * p, 7 * p, 2 * p));
	w->ops->destroy(m);
}

void
case_reinit(struct world *w)
{
	const size_t p = w->page;
	struct machine *m = machine_golden(w);

	CHECK_IS(w->t, fill(w, m, GUEST, 3 * p, 31, p), 0);
	CHECK_IS(w->t, fill(w, m, HOST, 4 * p, 32, p), 0);
	CHECK_IS(w->t, w->ops->reinit(m), 0);
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, 3 * p));
	CHECK(w->t, has(w, m, GUEST, 3 * p, 31, p));
	CHECK(w->t, has(w, m, GUEST, 4 * p, 32, p));
	CHECK(w->t, has(w, m, HOST, 3 * p, 31, p));
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(m);
}

void
case_plain_beside(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	size_t len = 0;

	CHECK_IS(w->t, w->ops->alloc(m, 1, 4 * p), 0);
	CHECK_IS(w->t, w->ops->seg_len(m, 1, &len), 0);
	CHECK(w->t, len == 4 * p);
	CHECK_IS(w->t, w->ops->map(m, all, 1, 0, 4 * p, false), 0);
	CHECK(w->t, has(w, m, GUEST, all, 0, 4 * p));
	/* One write across the border of both. */
	CHECK_IS(w->t, fill(w, m, GUEST, all - p, 41, 2 * p), 0);
	CHECK(w->t, has(w, m, HOST, all - p, 41, 2 * p));
	CHECK(w->t, has(w, m, HOST, all + p, 0, 3 * p));
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, all - p));
	w->ops->destroy(m);
}
