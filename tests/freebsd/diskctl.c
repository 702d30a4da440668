/*
 * diskctl - the disk and roots drivers of FreeBSD by themselves, for disk.sh:
 * one call each, its result on a line, its error as a sentence and exit 1.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "ctl/substrate/freebsd/disk.h"
#include "ctl/substrate/freebsd/roots.h"

enum { MB = 1 << 20 };

struct call {
	struct disk *d;
	struct conf cf;
	int argc;
	char **argv;
};

static const char *
arg(const struct call *c, int i)
{
	if (i < c->argc)
		return c->argv[i];
	fprintf(stderr, "diskctl: %s needs more words\n", c->argv[0]);
	exit(2);
}

static struct disk_meta
meta(const char *id, const char *template, const char *mb)
{
	struct disk_meta m = { .ref = { 3, 4 },
		.limit = strtoull(mb, NULL, 10) * MB };

	(void)snprintf(m.id, sizeof(m.id), "%s", id);
	(void)snprintf(m.template_id, sizeof(m.template_id), "%s", template);
	(void)snprintf(m.boot_id, sizeof(m.boot_id), "boot");
	return m;
}

static int
text(struct call *c, struct err *e)
{
	(void)e;
	puts(disk_text(c->d));
	return 0;
}

static int template(struct call *c, struct err *e)
{
	return disk_template(c->d, arg(c, 1), e);
}

/* ID TEMPLATE MB */
static int
make(struct call *c, struct err *e)
{
	const struct disk_meta m = meta(arg(c, 1), arg(c, 2), arg(c, 3));

	return disk_make(c->d, &m, e);
}

/* PREFIX FIRST COUNT TEMPLATE: how long each took, least, median, most */
static int
by_ns(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
make_many(struct call *c, struct err *e)
{
	const int first = atoi(arg(c, 2)), n = atoi(arg(c, 3));
	autofree uint64_t *took = calloc((size_t)n + 1, sizeof(*took));
	char id[SPAWN_ID_MAX];

	for (int i = 0; took != NULL && i < n; i++) {
		const struct mono begun = mono_now();
		struct disk_meta m;

		(void)snprintf(id, sizeof(id), "%.16s%d", arg(c, 1), first + i);
		m = meta(id, arg(c, 4), "64");
		if (disk_make(c->d, &m, e) < 0)
			return -1;
		took[i] = mono_now().ns - begun.ns;
	}
	if (took == NULL || n < 1)
		return err_set(e, ERR_INVALID, "a number of them is needed");
	qsort(took, (size_t)n, sizeof(*took), by_ns);
	printf("%d made, ms: %.1f least %.1f median %.1f most\n", n,
	    (double)took[0] / 1e6, (double)took[n / 2] / 1e6,
	    (double)took[n - 1] / 1e6);
	return 0;
}

static int
mount_one(struct call *c, struct err *e)
{
	return disk_mount(c->d, arg(c, 1), e);
}

static int
unmount_one(struct call *c, struct err *e)
{
	return disk_unmount(c->d, arg(c, 1), e);
}

static int
root(struct call *c, struct err *e)
{
	char path[DISK_PATH_MAX];

	if (disk_root(c->d, arg(c, 1), path, e) < 0)
		return -1;
	puts(path);
	return 0;
}

static int
keep(struct call *c, struct err *e)
{
	return disk_keep(c->d, arg(c, 1), atoi(arg(c, 2)) != 0, e);
}

static int
usage(struct call *c, struct err *e)
{
	uint64_t used, total;

	if (disk_usage(c->d, arg(c, 1), &used, &total, e) < 0)
		return -1;
	printf(
	    "%llu %llu\n", (unsigned long long)used, (unsigned long long)total);
	return 0;
}

static int
sync_one(struct call *c, struct err *e)
{
	return disk_sync(c->d, arg(c, 1), e);
}

static int
remove_one(struct call *c, struct err *e)
{
	return disk_remove(c->d, arg(c, 1), e);
}

static int
forget(struct call *c, struct err *e)
{
	(void)e;
	disk_forget(c->d);
	return 0;
}

static void
print_one(void *arg_, const struct disk_meta *m)
{
	(void)arg_;
	printf("%s %s keep=%d limit=%llu\n", m->id,
	    m->template_id[0] != '\0' ? m->template_id : "-", m->keep,
	    (unsigned long long)m->limit);
}

static int
each(struct call *c, struct err *e)
{
	return disk_each(c->d, print_one, NULL, e);
}

struct ids {
	char v[4096][SPAWN_ID_MAX];
	size_t n;
};

static void
take_id(void *arg_, const struct disk_meta *m)
{
	struct ids *l = arg_;

	if (l->n < countof(l->v) && !m->keep)
		memcpy(l->v[l->n++], m->id, SPAWN_ID_MAX);
}

/* What a start of coppice-privd does with files that nobody keeps. */
static int
remove_all(struct call *c, struct err *e)
{
	autofree struct ids *l = calloc(1, sizeof(*l));

	if (l == NULL || disk_each(c->d, take_id, l, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if (disk_remove(c->d, l->v[i], e) < 0)
			return -1;
	printf("%zu removed\n", l->n);
	return 0;
}

static uint32_t
ruleset(const struct call *c)
{
	return (uint32_t)(c->argc > 2 ? atoi(c->argv[2]) : ROOTS_RULESET);
}

/* ID [RULESET] */
static int
up(struct call *c, struct err *e)
{
	return root_mount(c->d, arg(c, 1), ruleset(c), e);
}

static int
down(struct call *c, struct err *e)
{
	return root_unmount(c->d, arg(c, 1), e);
}

static int
identity(struct call *c, struct err *e)
{
	return root_identity(c->d, arg(c, 1), &c->cf, e);
}

static int
abi(struct call *c, struct err *e)
{
	enum root_abi a;

	if (root_abi(c->d, arg(c, 1), &a, e) < 0)
		return -1;
	puts(a == ROOT_LINUX ? "linux" : "freebsd");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct call *c, struct err *e);
} calls[] = {
	{ "text", text },
	{ "template", template },
	{ "make", make },
	{ "make-many", make_many },
	{ "mount", mount_one },
	{ "unmount", unmount_one },
	{ "root", root },
	{ "keep", keep },
	{ "usage", usage },
	{ "sync", sync_one },
	{ "remove", remove_one },
	{ "remove-all", remove_all },
	{ "forget", forget },
	{ "each", each },
	{ "up", up },
	{ "down", down },
	{ "identity", identity },
	{ "abi", abi },
};

static int
run(struct call *c, struct err *e)
{
	for (size_t i = 0; i < countof(calls); i++)
		if (strcmp(calls[i].name, c->argv[0]) == 0)
			return calls[i].run(c, e);
	return err_set(e, ERR_INVALID, "no such call: %s", c->argv[0]);
}

int
main(int argc, char **argv)
{
	struct call c = { .argc = argc - 2, .argv = argv + 2 };
	struct err e;
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: diskctl CONF CALL [WORD...]\n");
		return 2;
	}
	conf_defaults(&c.cf);
	if (conf_read(&c.cf, argv[1], stderr) < 0)
		return 2;
	rc = disk_open(&c.cf, &c.d, &e);
	if (rc == 0)
		rc = run(&c, &e);
	if (rc < 0)
		printf("error: %s\n", e.msg);
	disk_close(c.d);
	return rc < 0;
}
