#include "sub_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "io/log.h"

/* What takes its time and nobody waits for, in a helper that steps aside. */

enum { GROUP_PATIENCE_MS = 5000, GROUP_RETRY_MS = 5, STEP_ASIDE = 10 };

static pid_t
fork_aside(const struct substrate *s, struct err *e)
{
	int keep[CG_TREES_MAX + 2];
	pid_t pid;

	memcpy(keep, s->cg.tree, sizeof(s->cg.tree));
	keep[CG_TREES_MAX] = s->disk.dir;
	keep[CG_TREES_MAX + 1] = s->disk.qgroups;
	pid = helper_fork(keep, countof(keep), e);
	if (pid == 0)
		(void)setpriority(PRIO_PROCESS, 0, STEP_ASIDE);
	return pid;
}

/* The last process's exit is seen before its group is empty. */
static int
remove_group(const struct substrate *s, struct spawn_ref r, struct err *e)
{
	const struct timespec retry = { 0, GROUP_RETRY_MS * 1000000 };
	const struct mono start = mono_now();
	int busy;

	while ((busy = cg_remove(&s->cg, r, e)) == 1) {
		if (mono_ms(start, mono_now()) > GROUP_PATIENCE_MS)
			return err_set(e, ERR_BUSY,
			    "group %u-%u still has processes", r.slot,
			    r.incarnation);
		(void)nanosleep(&retry, NULL);
	}
	return busy;
}

static int
clear_one(const struct substrate *s, const struct sub_scrap *c, struct err *e)
{
	char spare[SPAWN_ID_MAX];

	if (c->ref.slot != 0 &&
	    (remove_group(s, c->ref, e) < 0 ||
		disk_remove(&s->disk, sub_spare_name(spare, c->ref), e) < 0))
		return -1;
	return c->id[0] == '\0' ? 0 : disk_remove(&s->disk, c->id, e);
}

static _Noreturn void
clear_all(const struct substrate *s, const struct sub_scrap *scraps, size_t n)
{
	bool files = false, failed = false;
	struct err e;

	for (size_t i = 0; i < n; i++) {
		files |= scraps[i].id[0] != '\0' || scraps[i].ref.slot != 0;
		if (clear_one(s, &scraps[i], &e) == 0)
			continue;
		log_warn("sandbox.clean slot=%u sbx=%s err=\"%s\"",
		    scraps[i].ref.slot, scraps[i].id, e.msg);
		failed = true;
	}
	if (files)
		disk_forget(&s->disk);
	_exit(failed ? 1 : 0);
}

int
sub_clean(struct substrate *s, const struct sub_scrap *scraps, size_t n,
    pid_t *helper, struct err *e)
{
	*helper = fork_aside(s, e);
	if (*helper == 0)
		clear_all(s, scraps, n);
	return *helper < 0 ? -1 : 0;
}

int
sub_sync(struct substrate *s, const char *id, pid_t *helper, struct err *e)
{
	*helper = fork_aside(s, e);
	if (*helper == 0) {
		int dir = disk_dir(&s->disk, id, e);

		_exit(dir >= 0 && syncfs(dir) == 0 ? 0 : 1);
	}
	return *helper < 0 ? -1 : 0;
}
