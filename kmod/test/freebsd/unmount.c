/*
 * The file system goes away from under a machine.
 *
 * Politely it does not: the machine's use of the file keeps it busy. By force
 * it does, and then what the machine has written stays, but a page that only
 * the file had is zeroes: FreeBSD does that to every mapping of such a file,
 * be it private or shared. A tmpfs keeps the pages that somebody maps.
 *
 * A nullfs may go at any time: the machine holds the file below it.
 */
#include "kernel_test.h"

#include <sys/param.h>
#include <sys/mount.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine_vmm.h"

static int
unmount_it(const char *point, int flags)
{
	return unmount(point, flags) == 0 ? 0 : errno;
}

/* Only the machine holds the file from here on. */
static struct machine *
only_holder(struct world *w)
{
	struct machine *m = machine_golden(w);

	(void)close(w->fd);
	(void)close(w->watch);
	return m;
}

/* What the file had, or zeroes; the same in both views. */
static bool
is_lost(struct world *w, struct machine *m, uint64_t gpa)
{
	unsigned char byte = 0;

	if (!CHECK_IS(w->t, peek(w, m, GUEST, gpa, &byte, 1), 0))
		return true;
	CHECK(w->t, byte == golden(gpa) || byte == 0);
	CHECK(w->t, has(w, m, HOST, gpa, byte, 1));
	return byte != golden(gpa);
}

static void
after_force(struct world *w, struct machine *m, bool kept)
{
	const size_t p = w->page;
	unsigned lost = 0;

	CHECK(w->t, has(w, m, GUEST, 0, 240, p));
	CHECK(w->t, has(w, m, HOST, 0, 240, p));
	CHECK_IS(w->t, fill(w, m, HOST, 10, 241, 1), 0);
	CHECK(w->t, has(w, m, GUEST, 10, 241, 1));
	for (unsigned i = 1; i < GOLDEN_PAGES; i++)
		lost += is_lost(w, m, i * p);
	CHECK(w->t, lost == 0 || !kept);
	for (unsigned i = 1; i < GOLDEN_PAGES; i++) {
		enum side s = i & 1 ? HOST : GUEST;

		CHECK_IS(w->t, fill(w, m, s, i * p, 242, 1), 0);
		CHECK(w->t, has(w, m, s == HOST ? GUEST : HOST, i * p, 242, 1));
	}
	printf("# %u of %d pages are gone with the file system\n", lost,
	    GOLDEN_PAGES - 1);
}

/* What is below a nullfs that has gone: the file system to look at now. */
static void
unmount_nullfs(struct world *w, struct machine *m, struct statfs *fs)
{
	char below[sizeof(fs->f_mntfromname)];

	(void)strlcpy(below, fs->f_mntfromname, sizeof(below));
	CHECK_IS(w->t, unmount_it(fs->f_mntonname, 0), 0);
	CHECK(w->t, has(w, m, GUEST, 0, 240, w->page));
	CHECK(w->t, has_golden(w, m, GUEST, w->page, w->page, 4 * w->page));
	CHECK(w->t, has_golden(w, m, HOST, w->page, w->page, 8 * w->page));
	CHECK(w->t, statfs(below, fs) == 0);
}

void
run_unmount(const char *dir, struct tally *t)
{
	struct machine *m, *untouched;
	struct statfs fs;
	struct world w;

	if (!CHECK(t, statfs(dir, &fs) == 0))
		return;
	if (!world_open(&w, &machine_vmm, dir, t))
		return;
	untouched = machine_golden(&w);
	m = only_holder(&w);
	CHECK_IS(t, fill(&w, m, GUEST, 0, 240, w.page), 0);
	CHECK(t, has_golden(&w, m, HOST, w.page, w.page, 4 * w.page));
	CHECK(t, has_golden(&w, m, GUEST, w.page, w.page, 2 * w.page));
	if (strcmp(fs.f_fstypename, "nullfs") == 0)
		unmount_nullfs(&w, m, &fs);
	CHECK_IS(t, unmount_it(fs.f_mntonname, 0), EBUSY);
	CHECK(t, has_golden(&w, m, HOST, w.page, w.page, 4 * w.page));
	CHECK_IS(t, unmount_it(fs.f_mntonname, MNT_FORCE), 0);
	after_force(&w, m, strcmp(fs.f_fstypename, "tmpfs") == 0);
	w.ops->destroy(m);
	w.ops->destroy(untouched);
	printf("ok %s: unmounted by force: %s\n", w.ops->name, fs.f_fstypename);
}
