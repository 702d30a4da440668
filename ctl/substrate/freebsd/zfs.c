#include "zfs.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/own.h"

enum {
	BUSY_PATIENCE_MS = 10000,
	BUSY_RETRY_MS = 20,
	NAME_TEXT = 256,
	TYPE_ZFS = 2,	  /* lzc_create()'s word for a file system */
	UNIQUE_NAMES = 1, /* nvlist_alloc()'s: NV_UNIQUE_NAME */
	PROGRAM_STEPS = 10 * 1000 * 1000,
	PROGRAM_BYTES = 64 << 20,
};

struct nvlist;
struct nvpair;

struct zfs {
	void *nvpair, *core;
	int (*init)(void);
	void (*fini)(void);
	int (*exists)(const char *);
	int (*create)(const char *, int, struct nvlist *, uint8_t *, unsigned);
	int (*clone)(const char *, const char *, struct nvlist *);
	int (*snapshot)(struct nvlist *, struct nvlist *, struct nvlist **);
	int (*rename)(const char *, const char *);
	int (*destroy)(const char *);
	int (*destroy_snaps)(struct nvlist *, int, struct nvlist **);
	int (*sync)(const char *, struct nvlist *, struct nvlist **);
	int (*program)(const char *, const char *, uint64_t, uint64_t,
	    struct nvlist *, struct nvlist **);
	int (*nv_alloc)(struct nvlist **, unsigned, int);
	void (*nv_free)(struct nvlist *);
	int (*nv_flag)(struct nvlist *, const char *);
	int (*nv_bool)(struct nvlist *, const char *, int);
	int (*nv_number)(struct nvlist *, const char *, uint64_t);
	int (*nv_text)(struct nvlist *, const char *, const char *);
	int (*nv_get_list)(
	    const struct nvlist *, const char *, struct nvlist **);
	int (*nv_get_number)(const struct nvlist *, const char *, int64_t *);
	struct nvpair *(*nv_next)(const struct nvlist *, const struct nvpair *);
	const char *(*nv_name)(const struct nvpair *);
};

/* --- the library -----------------------------------------------------------
 */

static int
find_all(struct zfs *z, struct err *e)
{
	const struct {
		void *lib;
		const char *name;
		void *to; /* a pointer to a function */
	} symbols[] = {
		{ z->core, "libzfs_core_init", &z->init },
		{ z->core, "libzfs_core_fini", &z->fini },
		{ z->core, "lzc_exists", &z->exists },
		{ z->core, "lzc_create", &z->create },
		{ z->core, "lzc_clone", &z->clone },
		{ z->core, "lzc_snapshot", &z->snapshot },
		{ z->core, "lzc_rename", &z->rename },
		{ z->core, "lzc_destroy", &z->destroy },
		{ z->core, "lzc_destroy_snaps", &z->destroy_snaps },
		{ z->core, "lzc_sync", &z->sync },
		{ z->core, "lzc_channel_program_nosync", &z->program },
		{ z->nvpair, "nvlist_alloc", &z->nv_alloc },
		{ z->nvpair, "nvlist_free", &z->nv_free },
		{ z->nvpair, "nvlist_add_boolean", &z->nv_flag },
		{ z->nvpair, "nvlist_add_boolean_value", &z->nv_bool },
		{ z->nvpair, "nvlist_add_uint64", &z->nv_number },
		{ z->nvpair, "nvlist_add_string", &z->nv_text },
		{ z->nvpair, "nvlist_lookup_nvlist", &z->nv_get_list },
		{ z->nvpair, "nvlist_lookup_int64", &z->nv_get_number },
		{ z->nvpair, "nvlist_next_nvpair", &z->nv_next },
		{ z->nvpair, "nvpair_name", &z->nv_name },
	};

	for (size_t i = 0; i < countof(symbols); i++) {
		void *at = dlsym(symbols[i].lib, symbols[i].name);

		if (at == NULL)
			return err_set(e, ERR_UNSUPPORTED,
			    "libzfs_core has no %s", symbols[i].name);
		memcpy(symbols[i].to, &at, sizeof(at));
	}
	return 0;
}

static int
load(struct zfs *z, struct err *e)
{
	int rc;

	/* Lazily: they know threads, of which we have none, from elsewhere. */
	z->nvpair = dlopen("libnvpair.so.2", RTLD_LAZY | RTLD_GLOBAL);
	z->core = z->nvpair == NULL
		      ? NULL
		      : dlopen("libzfs_core.so.2", RTLD_LAZY | RTLD_LOCAL);
	if (z->core == NULL)
		return err_set(e, ERR_UNSUPPORTED, "no ZFS: %s", dlerror());
	if (find_all(z, e) < 0)
		return -1;
	rc = z->init();
	if (rc != 0)
		return err_set(
		    e, ERR_UNSUPPORTED, "no ZFS: /dev/zfs: %s", strerror(rc));
	z->fini();
	return 0;
}

int
zfs_open(struct zfs **out, struct err *e)
{
	struct zfs *z = calloc(1, sizeof(*z));

	if (z == NULL)
		return err_sys(e, "zfs");
	if (load(z, e) < 0) {
		zfs_close(z);
		return -1;
	}
	*out = z;
	return 0;
}

void
zfs_close(struct zfs *z)
{
	if (z == NULL)
		return;
	if (z->core != NULL)
		(void)dlclose(z->core);
	if (z->nvpair != NULL)
		(void)dlclose(z->nvpair);
	free(z);
}

/* The library gives an error number; ours are in errno. */
static int
said(int rc, struct err *e, const char *what, const char *name)
{
	if (rc == 0)
		return 0;
	errno = rc;
	err_sys(e, "%s %s", what, name);
	if (rc == ENOENT)
		e->kind = ERR_NOTFOUND;
	else if (rc == EEXIST)
		e->kind = ERR_CONFLICT;
	else if (rc == EBUSY)
		e->kind = ERR_BUSY;
	return -1;
}

static int
start(const struct zfs *z, struct err *e)
{
	return said(z->init(), e, "open", "/dev/zfs");
}

/* --- what changes something ------------------------------------------------
 */

static struct nvlist *
list_new(const struct zfs *z, struct err *e)
{
	struct nvlist *l = NULL;
	int rc = z->nv_alloc(&l, UNIQUE_NAMES, 0);

	return said(rc, e, "make", "list") < 0 ? NULL : l;
}

static struct nvlist *
props_list(
    const struct zfs *z, const struct zfs_prop *v, size_t n, struct err *e)
{
	struct nvlist *l = list_new(z, e);

	for (size_t i = 0; l != NULL && i < n; i++) {
		int rc = v[i].text != NULL
			     ? z->nv_text(l, v[i].name, v[i].text)
			     : z->nv_number(l, v[i].name, v[i].number);

		if (said(rc, e, "property", v[i].name) < 0) {
			z->nv_free(l);
			return NULL;
		}
	}
	return l;
}

bool
zfs_exists(const struct zfs *z, const char *name)
{
	bool there;

	if (z->init() != 0)
		return false;
	there = z->exists(name) != 0;
	z->fini();
	return there;
}

int
zfs_create(const struct zfs *z, const char *name, const struct zfs_prop *v,
    size_t n, struct err *e)
{
	struct nvlist *props = props_list(z, v, n, e);
	int rc = -1;

	if (props != NULL && start(z, e) == 0) {
		rc = said(z->create(name, TYPE_ZFS, props, NULL, 0), e,
		    "create", name);
		z->fini();
	}
	z->nv_free(props);
	return rc;
}

int
zfs_clone(const struct zfs *z, const char *name, const char *snapshot,
    const struct zfs_prop *v, size_t n, struct err *e)
{
	struct nvlist *props = props_list(z, v, n, e);
	int rc = -1;

	if (props != NULL && start(z, e) == 0) {
		rc =
		    said(z->clone(name, snapshot, props), e, "clone", snapshot);
		z->fini();
	}
	z->nv_free(props);
	return rc;
}

/* A list of one snapshot. */
static struct nvlist *
snaps_list(const struct zfs *z, const char *name, struct err *e)
{
	struct nvlist *l = list_new(z, e);

	if (l == NULL || said(z->nv_flag(l, name), e, "name", name) == 0)
		return l;
	z->nv_free(l);
	return NULL;
}

int
zfs_snapshot(const struct zfs *z, const char *name, struct err *e)
{
	struct nvlist *snaps = snaps_list(z, name, e), *why = NULL;
	int rc = -1;

	if (snaps != NULL && start(z, e) == 0) {
		rc = said(z->snapshot(snaps, NULL, &why), e, "snapshot", name);
		z->fini();
	}
	z->nv_free(why);
	z->nv_free(snaps);
	return rc;
}

int
zfs_rename(const struct zfs *z, const char *from, const char *to, struct err *e)
{
	int rc;

	if (start(z, e) < 0)
		return -1;
	rc = said(z->rename(from, to), e, "rename", from);
	z->fini();
	return rc;
}

static int
destroy_snapshot(const struct zfs *z, const char *name, struct err *e)
{
	struct nvlist *snaps = snaps_list(z, name, e), *why = NULL;
	int rc = -1;

	if (snaps != NULL && start(z, e) == 0) {
		rc = said(z->destroy_snaps(snaps, 0, &why), e, "destroy", name);
		z->fini();
	}
	z->nv_free(why);
	z->nv_free(snaps);
	return rc;
}

static int
destroy_once(const struct zfs *z, const char *name, struct err *e)
{
	int rc;

	if (strchr(name, '@') != NULL)
		return destroy_snapshot(z, name, e);
	if (start(z, e) < 0)
		return -1;
	rc = said(z->destroy(name), e, "destroy", name);
	z->fini();
	return rc;
}

int
zfs_destroy(const struct zfs *z, const char *name, struct err *e)
{
	const struct timespec retry = { 0, BUSY_RETRY_MS * 1000000 };
	const struct mono begun = mono_now();

	while (destroy_once(z, name, e) < 0) {
		if (e->kind == ERR_NOTFOUND)
			return 0;
		if (e->kind != ERR_BUSY ||
		    mono_ms(begun, mono_now()) > BUSY_PATIENCE_MS)
			return -1;
		(void)nanosleep(&retry, NULL);
	}
	return 0;
}

/* --- what only looks --------------------------------------------------------
 */

static void
pool_of(const char *name, char to[NAME_TEXT])
{
	(void)snprintf(to, NAME_TEXT, "%.*s", (int)strcspn(name, "/@"), name);
}

int
zfs_sync(const struct zfs *z, const char *name, struct err *e)
{
	struct nvlist *how = list_new(z, e);
	char pool[NAME_TEXT];
	int rc = -1;

	pool_of(name, pool);
	/* Not forced: then labels are written, too, without a change. */
	if (how != NULL &&
	    said(z->nv_bool(how, "force", 0), e, "sync", pool) == 0 &&
	    start(z, e) == 0) {
		rc = said(z->sync(pool, how, NULL), e, "sync", pool);
		z->fini();
	}
	z->nv_free(how);
	return rc;
}

/*
 * Runs a program in the kernel about data set `name`, with the rights to look:
 * the library's one stable way to properties and lists.  *out is the caller's
 * to free, *found a part of it.
 */
static int
ask(const struct zfs *z, const char *program, const char *name,
    struct nvlist **out, struct nvlist **found, struct err *e)
{
	struct nvlist *args = list_new(z, e);
	char pool[NAME_TEXT];
	int rc = -1;

	*out = NULL;
	pool_of(name, pool);
	if (args != NULL &&
	    said(z->nv_text(args, "name", name), e, "name", name) == 0 &&
	    start(z, e) == 0) {
		rc = z->program(
		    pool, program, PROGRAM_STEPS, PROGRAM_BYTES, args, out);
		if (rc == 0)
			rc = z->nv_get_list(*out, "return", found);
		rc = said(rc, e, "look at", name);
		z->fini();
	}
	z->nv_free(args);
	return rc;
}

static const char figures_program[] =
    "args = ...\n"
    "found = {}\n"
    "if zfs.exists(args['name']) then\n"
    "  for i, p in ipairs({'used', 'available', 'quota'}) do\n"
    "    value = zfs.get_prop(args['name'], p)\n"
    "    found[p] = value\n"
    "  end\n"
    "end\n"
    "return found\n";

static const char children_program[] =
    "args = ...\n"
    "found = {}\n"
    "if zfs.exists(args['name']) then\n"
    "  for child in zfs.list.children(args['name']) do\n"
    "    found[child] = true\n"
    "  end\n"
    "end\n"
    "return found\n";

static uint64_t
number(const struct zfs *z, const struct nvlist *l, const char *name)
{
	int64_t n = 0;

	return z->nv_get_number(l, name, &n) == 0 && n > 0 ? (uint64_t)n : 0;
}

int
zfs_figures(const struct zfs *z, const char *name, struct zfs_figures *out,
    struct err *e)
{
	struct nvlist *all, *found;
	int rc = ask(z, figures_program, name, &all, &found, e);

	*out = (struct zfs_figures){ 0 };
	if (rc == 0 && z->nv_next(found, NULL) == NULL)
		rc = said(ENOENT, e, "look at", name);
	if (rc == 0)
		*out = (struct zfs_figures){ number(z, found, "used"),
			number(z, found, "available"),
			number(z, found, "quota") };
	z->nv_free(all);
	return rc;
}

int
zfs_children(const struct zfs *z, const char *name,
    void (*fn)(void *arg, const char *child), void *arg, struct err *e)
{
	struct nvlist *all, *found;
	const struct nvpair *p = NULL;
	int rc = ask(z, children_program, name, &all, &found, e);

	while (rc == 0 && (p = z->nv_next(found, p)) != NULL) {
		const char *slash = strrchr(z->nv_name(p), '/');

		if (slash != NULL)
			fn(arg, slash + 1);
	}
	z->nv_free(all);
	return rc;
}
