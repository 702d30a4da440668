#include "sub_int.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"

/* What takes its time and nobody waits for, in a helper that steps aside. */

enum { STEP_ASIDE = 10 };

static pid_t
fork_aside(const struct substrate *s, struct err *e)
{
	pid_t pid = helper_fork_disk(s, &s->stopped, 1, e);

	if (pid == 0)
		(void)setpriority(PRIO_PROCESS, 0, STEP_ASIDE);
	return pid;
}

struct kept {
	const struct substrate *s;
	struct spawn_ref ref;
	char id[SPAWN_ID_MAX];
};

static void
whose(void *arg, const struct disk_meta *m)
{
	struct kept *k = arg;

	if (m->ref.slot == k->ref.slot &&
	    m->ref.incarnation == k->ref.incarnation &&
	    strcmp(m->boot_id, k->s->boot_id) == 0)
		memcpy(k->id, m->id, sizeof(k->id));
}

/*
 * Files that are kept need no mounts.  Meanwhile somebody may have started on
 * them again: then they are another's.
 */
static int
put_away(const struct substrate *s, struct spawn_ref r, struct err *e)
{
	struct kept k = { .s = s, .ref = r };
	struct disk_meta m;

	if (disk_each(s->disk, whose, &k, e) < 0)
		return -1;
	if (k.id[0] == '\0')
		return 0;
	if (lock_files(s, k.id, e) < 0)
		return -1;
	if (disk_meta_read(s->disk, k.id, &m, e) < 0)
		return e->kind == ERR_NOTFOUND ? 0 : -1;
	if (m.ref.slot != r.slot || m.ref.incarnation != r.incarnation)
		return 0;
	return disk_unmount(s->disk, k.id, e);
}

static int
clear_one(const struct substrate *s, const struct sub_scrap *c, struct err *e)
{
	if (c->ref.slot != 0) {
		if (lock_slot(s, c->ref.slot, e) < 0 ||
		    slot_clear(s, c->ref, e) < 0)
			return -1;
		freeze_forget(s, c->ref);
	}
	if (c->id[0] == '\0')
		return c->ref.slot == 0 ? 0 : put_away(s, c->ref, e);
	if (lock_files(s, c->id, e) < 0)
		return -1;
	return disk_remove(s->disk, c->id, e);
}

static _Noreturn void
clear_all(const struct substrate *s, const struct sub_scrap *scraps, size_t n)
{
	bool failed = false;
	struct err e;

	for (size_t i = 0; i < n; i++) {
		if (clear_one(s, &scraps[i], &e) == 0) {
			lock_release();
			continue;
		}
		lock_release();
		log_warn("sandbox.clean slot=%u sbx=%s err=\"%s\"",
		    scraps[i].ref.slot, scraps[i].id, e.msg);
		failed = true;
	}
	disk_forget(s->disk);
	_exit(failed ? 1 : 0);
}

/*
 * It goes on when we end: a network takes its time to go, and what is cleared
 * is nobody's any more.  The next one's helper waits for it, slot by slot.
 */
int
sub_clean(struct substrate *s, const struct sub_scrap *scraps, size_t n,
    pid_t *helper, struct err *e)
{
	*helper = fork_aside(s, e);
	if (*helper == 0 && helper_release(e) == 0)
		clear_all(s, scraps, n);
	if (*helper == 0)
		_exit(1);
	return *helper < 0 ? -1 : 0;
}

int
sub_sync(struct substrate *s, const char *id, pid_t *helper, struct err *e)
{
	*helper = fork_aside(s, e);
	if (*helper == 0)
		_exit(disk_sync(s->disk, id, e) == 0 ? 0 : 1);
	return *helper < 0 ? -1 : 0;
}
