#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "link/link.h"

/*
 * What a predecessor left: groups name the sandboxes, their files say whose
 * they are, and the init among their processes is the sandbox.
 */

struct adoption {
	struct substrate *s;
	void (*found)(void *arg, const struct sub_found *f);
	void *arg;
	struct disk_meta *metas;
	bool *taken;
	size_t n, cap;
	bool failed;
};

/* Is it process 1 of a namespace right below ours? */
static bool
is_init(pid_t pid)
{
	char path[48], line[256];
	int outer, inner, deeper;
	bool yes = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "NSpid:", 6) == 0)
			yes = sscanf(line + 6, "%d %d %d", &outer, &inner,
				  &deeper) == 2 &&
			      inner == 1;
	(void)fclose(f);
	return yes;
}

static void
take_init(void *arg, pid_t pid)
{
	struct sub_unit *u = arg;
	char path[48];
	int proc;

	if (u->pid > 0 || !is_init(pid))
		return;
	proc = (int)syscall(SYS_pidfd_open, pid, 0);
	if (proc < 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	u->net = open(path, O_RDONLY | O_CLOEXEC);
	/* The number may have changed hands before the descriptor was ours. */
	if (u->net < 0 || !is_init(pid)) {
		own_close(&proc);
		drop_fd(&u->net);
		return;
	}
	u->pid = pid;
	u->proc = proc;
}

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

/* Its link may be an earlier version's. */
static void
renew_link(struct adoption *a, const struct sub_unit *u)
{
	const struct substrate *s = a->s;
	const struct link_ends ends = { s->host_ns, u->net };
	struct link_spec spec = { .mtu = s->mtu, .ipv6 = s->ipv6 };
	struct err e;

	link_addr(
	    u->ref.slot, &s->cf.net4, s->ipv6 ? &s->cf.net6 : NULL, &spec.addr);
	if (link_renew(&ends, &spec, &e) < 0)
		log_error(
		    "sandbox.link slot=%u err=\"%s\"", u->ref.slot, e.msg);
}

static void
found_group(void *arg, struct spawn_ref r)
{
	struct adoption *a = arg;
	struct sub_found f = { .unit = { .ref = r,
				   .pid = -1,
				   .proc = -1,
				   .net = -1,
				   .ctl = -1 } };
	const struct disk_meta *m = meta_of(a, r);
	struct err e;

	if (cg_procs(&a->s->cg, r, take_init, &f.unit, &e) < 0)
		a->failed = true;
	f.alive = f.unit.pid > 0;
	if (f.alive)
		renew_link(a, &f.unit);
	f.frozen = f.alive && cg_frozen(&a->s->cg, r, &e) == 1;
	f.pooled = m == NULL;
	if (m != NULL)
		name_it(&f, m);
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

/* Files without a group: the host was restarted, or their end was half-way. */
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

int
sub_scan(struct substrate *s,
    void (*found)(void *arg, const struct sub_found *f), void *arg,
    struct err *e)
{
	struct adoption a = { .s = s, .found = found, .arg = arg };
	int rc = disk_each(&s->disk, note_files, &a, e);

	a.taken = calloc(a.n + 1, sizeof(*a.taken));
	if (rc == 0 && a.taken == NULL)
		rc = err_sys(e, "what was found");
	if (rc == 0)
		rc = cg_each(&s->cg, found_group, &a, e);
	if (rc == 0)
		files_alone(&a);
	if (rc == 0 && a.failed)
		rc = err_set(e, ERR_SYS, "cannot list what was left");
	free(a.taken);
	free(a.metas);
	return rc;
}
