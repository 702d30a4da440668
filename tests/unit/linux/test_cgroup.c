/* Groups of our own, with processes of our own: needs root. */
#include "ctl/substrate/linux/cgroup.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/substrate/linux/files.h"
#include "tests/t.h"

static const struct spawn_ref one = { 1, 7 };

static void
pause_ms(long ms)
{
	const struct timespec t = { 0, ms * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* A child in the group that does nothing but use its processor. */
static pid_t
child(const struct cgroups *cg)
{
	struct err e;
	pid_t pid = fork();

	if (pid == 0) {
		if (cg_join(cg, one, &e) < 0)
			_exit(1);
		for (volatile unsigned n = 0;; n++)
			;
	}
	return pid;
}

static void
see_pid(void *arg, pid_t pid)
{
	pid_t *seen = arg;

	*seen = pid;
}

static pid_t
await_member(const struct cgroups *cg)
{
	struct err e;
	pid_t seen = 0;

	for (int i = 0; i < 500 && seen == 0; i++) {
		pause_ms(2);
		(void)cg_procs(cg, one, see_pid, &seen, &e);
	}
	return seen;
}

static void
stands_still_and_goes_on(const struct cgroups *cg)
{
	struct spawn_stats a = { 0 }, b = { 0 };
	struct err e;
	int frozen = 0;

	CHECK(cg_frozen(cg, one, &e) == 0);
	CHECK(cg_freeze(cg, one, true, &e) == 0);
	for (int i = 0; i < 500 && frozen == 0; i++) {
		frozen = cg_frozen(cg, one, &e);
		pause_ms(2);
	}
	CHECK(frozen == 1);
	CHECK(cg_stats(cg, one, &a, &e) == 0);
	pause_ms(50);
	CHECK(cg_stats(cg, one, &b, &e) == 0);
	CHECK(a.cpu_us > 0 && a.cpu_us == b.cpu_us);
	CHECK(cg_freeze(cg, one, false, &e) == 0);
	pause_ms(100);
	CHECK(cg_stats(cg, one, &b, &e) == 0);
	CHECK(b.cpu_us > a.cpu_us);
	if (cg->of[CG_PIDS] >= 0)
		CHECK(b.pids == 1 ||
		      b.pids == 2); /* the thread sanitizer has one */
	if (cg->of[CG_MEMORY] >= 0)
		CHECK(b.mem_total == 64 << 20);
}

static void
see_group(void *arg, struct spawn_ref r)
{
	int *n = arg;

	CHECK(r.slot == one.slot && r.incarnation == one.incarnation);
	(*n)++;
}

static void
lives_and_ends(struct cgroups *cg)
{
	const struct cg_limits l = { 64, 1, 32 };
	struct err e = { 0 };
	int n = 0, status;
	pid_t pid;

	CHECK(cg_make(cg, one, &e) == 0);
	CHECK(cg_make(cg, one, &e) == 0); /* there already */
	CHECK(cg_limit(cg, one, &l, NULL, &e) == 0);
	CHECK(cg_limit(cg, one, &l, &l, &e) == 0);
	CHECK(cg_each(cg, see_group, &n, &e) == 0 && n == 1);
	pid = child(cg);
	CHECK(pid > 0 && await_member(cg) == pid);
	stands_still_and_goes_on(cg);
	CHECK(cg_remove(cg, one, &e) == 1); /* not while it is in use */
	CHECK(cg_freeze(cg, one, true, &e) == 0);
	CHECK(cg_kill(cg, one, &e) == 0); /* frozen or not */
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	for (int i = 0; i < 500 && cg_remove(cg, one, &e) == 1; i++)
		pause_ms(2);
	CHECK(cg_remove(cg, one, &e) == 0);
	n = 0;
	CHECK(cg_each(cg, see_group, &n, &e) == 0 && n == 0);
	CHECK(cg_stats(cg, one, &(struct spawn_stats){ 0 }, &e) < 0);
}

/* Wherever the kernel can say so. */
static void
has_no_swap(const struct cgroups *cg)
{
	char text[16];
	int dir;

	if (cg->of[CG_MEMORY] < 0)
		return;
	dir = cg->tree[cg->of[CG_MEMORY]];
	if (file_get(dir, "memory.swap.max", text, sizeof(text)) > 0 ||
	    file_get(dir, "memory.swappiness", text, sizeof(text)) > 0)
		CHECK(strcmp(text, "0\n") == 0);
}

int
main(void)
{
	struct cgroups cg;
	char parent[32];
	struct err e;

	if (geteuid() != 0) {
		printf("needs root\n");
		return 77;
	}
	(void)snprintf(parent, sizeof(parent), "coppice-t%d", (int)getpid());
	if (cg_open(&cg, parent, 0, &e) < 0) {
		printf("# %s\n", e.msg);
		CHECK(!"cg_open");
		return t_end();
	}
	has_no_swap(&cg);
	lives_and_ends(&cg);
	cg_close(&cg);
	/* Its parent group went with it. */
	CHECK(cg_open(&cg, parent, 1024, &e) == 0);
	cg_close(&cg);
	return t_end();
}
