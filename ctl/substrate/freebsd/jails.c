#include "jails.h"

#include <sys/param.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/jail.h>
#include <sys/uio.h>

#include "base/own.h"

enum { PARAMS_MAX = 32, MESSAGE_MAX = 160 };

/* Names and values, as jail_set(2) and jail_get(2) take them. */
struct params {
	struct iovec v[2 * PARAMS_MAX];
	unsigned n;
	char message[MESSAGE_MAX]; /* the kernel's own, why not */
};

static void
add(struct params *p, const char *name, const void *value, size_t len)
{
	if (p->n + 2 > countof(p->v))
		return; /* the lists below are shorter */
	p->v[p->n++] = (struct iovec){ unconst(name), strlen(name) + 1 };
	p->v[p->n++] = (struct iovec){ unconst(value), len };
}

static void
add_text(struct params *p, const char *name, const char *value)
{
	add(p, name, value, strlen(value) + 1);
}

static void
add_int(struct params *p, const char *name, const int *value)
{
	add(p, name, value, sizeof(*value));
}

static void
add_flag(struct params *p, const char *name)
{
	add(p, name, NULL, 0);
}

static int
set(struct params *p, int flags, const char *what, struct err *e)
{
	int jid;

	p->message[0] = '\0';
	add(p, "errmsg", p->message, sizeof(p->message));
	jid = jail_set(p->v, p->n, flags);
	if (jid >= 0)
		return jid;
	if (p->message[0] != '\0')
		return err_sys(e, "jail %s: %s", what, p->message);
	return err_sys(e, "jail %s", what);
}

/* --- names ---------------------------------------------------------------- */

const char *
jails_name(const struct jails *j, struct spawn_ref r, char to[JAILS_NAME_MAX])
{
	(void)snprintf(
	    to, JAILS_NAME_MAX, "%s-%u-%u", j->prefix, r.slot, r.incarnation);
	return to;
}

const char *
jails_tenant_name(const struct jails *j, struct spawn_ref r, const char *id,
    char to[JAILS_NAME_MAX])
{
	(void)snprintf(to, JAILS_NAME_MAX, "%s-%u-%u.%s", j->prefix, r.slot,
	    r.incarnation, id);
	return to;
}

bool
jails_ref(const struct jails *j, const char *name, struct spawn_ref *out)
{
	const size_t n = strlen(j->prefix);
	char again[JAILS_NAME_MAX];

	if (strncmp(name, j->prefix, n) != 0 || name[n] != '-' ||
	    sscanf(name + n, "-%u-%u", &out->slot, &out->incarnation) != 2)
		return false;
	return strcmp(jails_name(j, *out, again), name) == 0;
}

/* --- making --------------------------------------------------------------- */

/*
 * The kernel has each kind of System V memory only when its module is loaded;
 * one jail's is not another's.
 */
static int
own_ipc(int jid, const char *what, struct err *e)
{
	static const char *const kinds[] = { "sysvmsg", "sysvsem", "sysvshm" };
	static const int new = JAIL_SYS_NEW;

	for (size_t i = 0; i < countof(kinds); i++) {
		struct params p = { .n = 0 };

		add_int(&p, "jid", &jid);
		add_int(&p, kinds[i], &new);
		if (set(&p, JAIL_UPDATE, what, e) < 0 &&
		    e->sys_errno != ENOENT && e->sys_errno != EINVAL)
			return -1;
	}
	return 0;
}

/* Takes a jail that is made: as a whole or not at all. */
static int
finish(int jid, const char *what, struct err *e)
{
	struct err ignored;

	if (jid < 0 || own_ipc(jid, what, e) == 0)
		return jid;
	(void)jails_remove(jid, &ignored);
	return -1;
}

int
jails_make_slot(const struct jails *j, struct spawn_ref r, struct err *e)
{
	static const int vnet = JAIL_SYS_NEW, host = JAIL_SYS_NEW;
	static const int children = 1, statfs = 2;
	const int ruleset = (int)j->ruleset;
	char name[JAILS_NAME_MAX];
	struct params p = { .n = 0 };

	add_text(&p, "name", jails_name(j, r, name));
	add_text(&p, "path", j->nowhere);
	add_text(&p, "host.hostname", name);
	add_text(&p, "host.domainname", "");
	add_flag(&p, "persist");
	add_int(&p, "vnet", &vnet);
	add_int(&p, "host", &host);
	add_int(&p, "children.max", &children);
	add_int(&p, "enforce_statfs", &statfs);
	/* What a jail may not, or has not, no jail below it may or has. */
	add_int(&p, "devfs_ruleset", &ruleset);
	add_flag(&p, "allow.raw_sockets");
	add_flag(&p, "allow.chflags");
	add_flag(&p, "allow.reserved_ports");
	return finish(set(&p, JAIL_CREATE, name, e), name, e);
}

/*
 * A jail without a network of its own has no right over the one that it uses:
 * root inside may not touch an interface, a route or a rule.
 */
int
jails_make_tenant(const struct jails *j, struct spawn_ref r,
    const struct jails_spec *s, struct err *e)
{
	static const int inherit = JAIL_SYS_INHERIT, host = JAIL_SYS_NEW;
	static const int children = 0, statfs = 2;
	const unsigned long hostid = s->hostid;
	const int ruleset = (int)j->ruleset;
	char name[JAILS_NAME_MAX];
	struct params p = { .n = 0 };

	add_text(&p, "name", jails_tenant_name(j, r, s->id, name));
	add_text(&p, "path", s->path);
	add_flag(&p, "persist");
	add_int(&p, "host", &host);
	add_text(&p, "host.hostname", s->id);
	add_text(&p, "host.domainname", "");
	add_text(&p, "host.hostuuid", s->uuid);
	add(&p, "host.hostid", &hostid, sizeof(hostid));
	add_int(&p, "ip4", &inherit);
	add_int(&p, "ip6", &inherit);
	add_int(&p, "children.max", &children);
	add_int(&p, "enforce_statfs", &statfs);
	add_int(&p, "devfs_ruleset", &ruleset);
	add_flag(&p, "allow.raw_sockets"); /* ping */
	add_flag(&p, "allow.chflags");
	add_flag(&p, "allow.reserved_ports");
	return finish(set(&p, JAIL_CREATE, name, e), name, e);
}

/* --- asking --------------------------------------------------------------- */

int
jails_find(const char *name, struct err *e)
{
	struct params p = { .n = 0 };
	int jid;

	add_text(&p, "name", name);
	jid = jail_get(p.v, p.n, 0);
	if (jid > 0)
		return jid;
	return errno == ENOENT ? 0 : err_sys(e, "jail %s", name);
}

bool
jails_lingers(int jid)
{
	struct params p = { .n = 0 };

	add_int(&p, "jid", &jid);
	return jail_get(p.v, p.n, JAIL_DYING) > 0;
}

int
jails_remove(int jid, struct err *e)
{
	if (jail_remove(jid) == 0 || errno == EINVAL || errno == ENOENT)
		return 0;
	return err_sys(e, "remove jail %d", jid);
}

int
jails_each(
    void (*fn)(void *arg, int jid, const char *name), void *arg, struct err *e)
{
	char name[MAXHOSTNAMELEN];
	int last = 0;

	for (;;) {
		struct params p = { .n = 0 };

		add_int(&p, "lastjid", &last);
		add(&p, "name", name, sizeof(name));
		last = jail_get(p.v, p.n, 0);
		if (last < 0 && errno == ENOENT)
			return 0;
		if (last < 0)
			return err_sys(e, "list of jails");
		fn(arg, last, name);
	}
}

/* --- who is in it --------------------------------------------------------- */

int
jails_remember(int jid, const struct jails_tenant *t, struct err *e)
{
	struct params p = { .n = 0 };
	char text[128];

	(void)snprintf(text, sizeof(text), "%d %d %lld %lld %u %s", t->jid,
	    (int)t->pid, (long long)t->sec, (long long)t->usec, t->memory_mb,
	    t->id);
	add_int(&p, "jid", &jid);
	add_text(&p, "host.domainname", text);
	return set(&p, JAIL_UPDATE, "record", e) < 0 ? -1 : 0;
}

int
jails_recall(int jid, struct jails_tenant *t, struct err *e)
{
	struct jails_tenant r = { .jid = 0 };
	char text[MAXHOSTNAMELEN] = "";
	struct params p = { .n = 0 };
	long long sec, usec;
	int pid;

	memset(t, 0, sizeof(*t));
	add_int(&p, "jid", &jid);
	add(&p, "host.domainname", text, sizeof(text));
	if (jail_get(p.v, p.n, 0) < 0)
		return err_sys(e, "record of jail %d", jid);
	_Static_assert(sizeof(r.id) == 32, "as the 31 below");
	if (sscanf(text, "%d %d %lld %lld %u %31[a-z0-9]", &r.jid, &pid, &sec,
		&usec, &r.memory_mb, r.id) != 6)
		return 0; /* nobody */
	r.pid = pid;
	r.sec = sec;
	r.usec = usec;
	*t = r;
	return 0;
}
