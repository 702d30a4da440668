#include "sub_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "link/freebsd/epair.h"
#include "procs.h"

/*
 * What a predecessor left: jails name the sandboxes, the slot's jail remembers
 * its first process, and their files say whose they are.
 */

struct adoption {
	struct substrate *s;
	void (*found)(void *arg, const struct sub_found *f);
	void *arg;
	struct disk_meta *metas;
	bool *taken;
	size_t n, cap;
	struct spawn_ref *seen; /* slots that have a jail */
	size_t nseen, seen_cap;
	bool failed;
};

static struct disk_meta *
meta_of(struct adoption *a, struct spawn_ref r)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->metas[i].ref.slot == r.slot &&
		    a->metas[i].ref.incarnation == r.incarnation &&
		    strcmp(a->metas[i].boot_id, a->s->boot_id) == 0) {
			a->taken[i] = true;
			return &a->metas[i];
		}
	return NULL;
}

static void
name_it(struct sub_found *f, const struct disk_meta *m)
{
	memcpy(f->id, m->id, sizeof(f->id));
	memcpy(f->template_id, m->template_id, sizeof(f->template_id));
	f->kept = m->keep && !f->alive;
}

/* Its number may have changed hands: the jail and the time say who it is. */
static bool
is_first(const struct jails_tenant *t)
{
	struct kinfo_proc k;

	return t->pid > 0 && procs_find(t->jid, t->pid, &k) &&
	       k.ki_start.tv_sec == t->sec && k.ki_start.tv_usec == t->usec;
}

static bool
take_first(struct sub_unit *u)
{
	struct jails_tenant t;
	struct err ignored;

	if (jails_recall(u->net, &t, &ignored) < 0 || !is_first(&t))
		return false;
	u->proc = slot_watch_new(&ignored);
	if (u->proc < 0 || slot_watch_pid(u->proc, t.pid, &ignored) < 0 ||
	    !is_first(&t)) {
		drop_fd(&u->proc);
		return false;
	}
	u->pid = t.pid;
	return true;
}

static void
see(struct adoption *a, struct spawn_ref r)
{
	if (a->nseen == a->seen_cap) {
		size_t cap = a->seen_cap == 0 ? 64 : a->seen_cap * 2;
		struct spawn_ref *more = realloc(a->seen, cap * sizeof(*more));

		if (more == NULL) {
			a->failed = true;
			return;
		}
		a->seen = more;
		a->seen_cap = cap;
	}
	a->seen[a->nseen++] = r;
}

static bool
seen(const struct adoption *a, struct spawn_ref r)
{
	for (size_t i = 0; i < a->nseen; i++)
		if (a->seen[i].slot == r.slot &&
		    a->seen[i].incarnation == r.incarnation)
			return true;
	return false;
}

static void
found_jail(void *arg, int jid, const char *name)
{
	struct adoption *a = arg;
	struct sub_found f = {
		.unit = { .pid = -1, .proc = -1, .net = jid, .ctl = -1 }
	};
	const struct disk_meta *m;

	if (!jails_ref(&a->s->jails, name, &f.unit.ref))
		return;
	see(a, f.unit.ref);
	m = meta_of(a, f.unit.ref);
	f.alive = take_first(&f.unit);
	f.frozen = f.alive && freeze_adopt(a->s, &f.unit);
	f.pooled = m == NULL;
	if (m != NULL)
		name_it(&f, m);
	a->found(a->arg, &f);
}

/* A link whose jail is gone. */
static void
found_link(void *arg, const char *owner)
{
	struct adoption *a = arg;
	struct sub_found f = {
		.unit = { .pid = -1, .proc = -1, .net = -1, .ctl = -1 },
		.pooled = true,
	};

	if (!jails_ref(&a->s->jails, owner, &f.unit.ref) || seen(a, f.unit.ref))
		return;
	a->found(a->arg, &f);
}

static void
note_files(void *arg, const struct disk_meta *m)
{
	struct adoption *a = arg;

	if (a->n == a->cap) {
		size_t cap = a->cap == 0 ? 64 : a->cap * 2;
		struct disk_meta *more = realloc(a->metas, cap * sizeof(*more));

		if (more == NULL) {
			a->failed = true;
			return;
		}
		a->metas = more;
		a->cap = cap;
	}
	a->metas[a->n++] = *m;
}

/* Files without a jail: the host was restarted, or their end was half-way. */
static void
files_alone(struct adoption *a)
{
	for (size_t i = 0; i < a->n; i++) {
		struct sub_found f = {
			.unit = { .pid = -1, .proc = -1, .net = -1, .ctl = -1 }
		};

		if (a->taken[i])
			continue;
		name_it(&f, &a->metas[i]);
		a->found(a->arg, &f);
	}
}

static DIR *
opendir_at(int dir)
{
	autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d != NULL)
		fd = -1; /* its own */
	return d;
}

/* Lists of who was stopped, in slots that the host's restart has ended. */
static int
lists_alone(const struct adoption *a, struct err *e)
{
	DIR *d = opendir_at(a->s->stopped);
	const struct dirent *de;
	struct spawn_ref r;

	if (d == NULL)
		return err_sys(e, "lists of stopped processes");
	while ((de = readdir(d)) != NULL)
		if (sscanf(de->d_name, "%u-%u", &r.slot, &r.incarnation) == 2 &&
		    !seen(a, r))
			freeze_forget(a->s, r);
	(void)closedir(d);
	return 0;
}

int
sub_scan(struct substrate *s,
    void (*found)(void *arg, const struct sub_found *f), void *arg,
    struct err *e)
{
	struct adoption a = { .s = s, .found = found, .arg = arg };
	int rc = disk_each(s->disk, note_files, &a, e);

	a.taken = calloc(a.n + 1, sizeof(*a.taken));
	if (rc == 0 && a.taken == NULL)
		rc = err_sys(e, "what was found");
	if (rc == 0)
		rc = jails_each(found_jail, &a, e);
	if (rc == 0)
		rc = epair_each(found_link, &a, e);
	if (rc == 0)
		rc = lists_alone(&a, e);
	if (rc == 0)
		files_alone(&a);
	if (rc == 0 && a.failed)
		rc = err_set(e, ERR_SYS, "cannot list what was left");
	free(a.taken);
	free(a.metas);
	free(a.seen);
	return rc;
}
