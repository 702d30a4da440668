#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/own.h"
#include "files.h"

enum { GROUP_PATH = 64, WORD_MAX = 64 };

static const char *const names[CG_NCTLS] = {
	[CG_MEMORY] = "memory",
	[CG_PIDS] = "pids",
	[CG_CPU] = "cpu",
};

/* The controller's files: in v1 the first, in v2 the second. */
static const char *const f_memory[2] = { "memory.limit_in_bytes",
	"memory.max" };
static const char *const f_memory_now[2] = { "memory.usage_in_bytes",
	"memory.current" };

static const char *
group_path(char to[GROUP_PATH], struct spawn_ref r, const char *file)
{
	(void)snprintf(to, GROUP_PATH, "%u-%u%s%s", r.slot, r.incarnation,
	    *file == '\0' ? "" : "/", file);
	return to;
}

static bool
is_v2(const struct cgroups *cg, enum cg_ctl c)
{
	return cg->of[c] == 0;
}

/* Does a comma- or space-separated list have this word? */
static bool
has_word(const char *list, const char *word)
{
	const size_t n = strlen(word);

	for (const char *p = list; *p != '\0';) {
		size_t len = strcspn(p, ", \n");

		if (len == n && strncmp(p, word, n) == 0)
			return true;
		p += len;
		p += strspn(p, ", \n");
	}
	return false;
}

/*
 * Our parent group below a mount point, made if need be.  On v2 the
 * controllers that the host gives away are switched on for it.
 */
static int
open_parent(struct cgroups *cg, size_t tree, const char *mount, struct err *e)
{
	cg->top[tree] = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cg->top[tree] < 0)
		return err_sys(e, "cgroup %s", mount);
	if (mkdirat(cg->top[tree], cg->parent, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cgroup %s/%s", mount, cg->parent);
	cg->tree[tree] = openat(
	    cg->top[tree], cg->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cg->tree[tree] < 0)
		return err_sys(e, "cgroup %s/%s", mount, cg->parent);
	return 0;
}

static void
take_v2(struct cgroups *cg)
{
	char have[256], word[WORD_MAX];

	for (int c = 0; c < CG_NCTLS; c++) {
		(void)snprintf(word, sizeof(word), "+%s", names[c]);
		/* May be on already, or not ours to switch: look then. */
		(void)file_put(cg->top[0], "cgroup.subtree_control", word);
		(void)file_put(cg->tree[0], "cgroup.subtree_control", word);
	}
	if (file_get(
		cg->tree[0], "cgroup.subtree_control", have, sizeof(have)) < 0)
		return;
	for (int c = 0; c < CG_NCTLS; c++)
		if (has_word(have, names[c]))
			cg->of[c] = 0;
}

static int
take_v1(
    struct cgroups *cg, const char *mount, const char *options, struct err *e)
{
	int tree = -1;

	for (int c = 0; c < CG_NCTLS; c++) {
		if (!has_word(options, names[c]) || cg->of[c] >= 0)
			continue;
		if (tree < 0) {
			tree = (int)cg->ntrees++;
			if (open_parent(cg, (size_t)tree, mount, e) < 0)
				return -1;
		}
		cg->of[c] = tree;
	}
	return 0;
}

/* mountinfo: id parent dev root MOUNT opts [tags] - TYPE source OPTIONS */
static bool
parse_mount(char *line, char **mount, char **type, char **options)
{
	char *save, *field = strtok_r(line, " ", &save);

	for (int i = 0; field != NULL && i < 4; i++)
		field = strtok_r(NULL, " ", &save);
	*mount = field;
	while (field != NULL && strcmp(field, "-") != 0)
		field = strtok_r(NULL, " ", &save);
	*type = strtok_r(NULL, " ", &save);
	(void)strtok_r(NULL, " ", &save);
	*options = strtok_r(NULL, " \n", &save);
	return *mount != NULL && *type != NULL && *options != NULL;
}

/* v2 goes first: what it controls is not looked for elsewhere. */
static int
find_trees(struct cgroups *cg, bool v2, struct err *e)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], *mount, *type, *options;
	int rc = 0;

	if (f == NULL)
		return err_sys(e, "/proc/self/mountinfo");
	while (rc == 0 && fgets(line, sizeof(line), f) != NULL) {
		if (!parse_mount(line, &mount, &type, &options))
			continue;
		if (v2 && strcmp(type, "cgroup2") == 0 && cg->tree[0] < 0) {
			rc = open_parent(cg, 0, mount, e);
			if (rc == 0)
				take_v2(cg);
		}
		if (!v2 && strcmp(type, "cgroup") == 0)
			rc = take_v1(cg, mount, options, e);
	}
	(void)fclose(f);
	return rc;
}

/*
 * Limits of memory are of memory: what is over them ends, and does not fill
 * the host's swap.  Groups made in this one have the same.
 */
static void
no_swap(const struct cgroups *cg)
{
	const bool v2 = is_v2(cg, CG_MEMORY);

	/* Absent in a kernel without swap. */
	(void)file_put(cg->tree[cg->of[CG_MEMORY]],
	    v2 ? "memory.swap.max" : "memory.swappiness", "0");
}

static int
set_budget(const struct cgroups *cg, uint32_t mb, struct err *e)
{
	const int c = CG_MEMORY;
	uint64_t bytes = (uint64_t)mb << 20;
	char text[32];

	if (cg->of[c] < 0)
		return 0;
	no_swap(cg);
	if (mb == 0) {
		struct sysinfo si;

		if (sysinfo(&si) < 0)
			return err_sys(e, "memory of the host");
		bytes = (uint64_t)si.totalram * si.mem_unit / 5 * 4;
	}
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	if (file_put(cg->tree[cg->of[c]], f_memory[is_v2(cg, c)], text) < 0)
		return err_sys(
		    e, "memory budget of all sandboxes, %s bytes", text);
	return 0;
}

static void
describe(struct cgroups *cg)
{
	size_t at = 0;

	for (int c = 0; c < CG_NCTLS; c++) {
		const char *how = cg->of[c] < 0	 ? "none"
				  : is_v2(cg, c) ? "v2"
						 : "v1";

		at += (size_t)snprintf(cg->text + at, sizeof(cg->text) - at,
		    "%s%s=%s", c == 0 ? "" : " ", names[c], how);
	}
}

int
cg_open(
    struct cgroups *cg, const char *parent, uint32_t budget_mb, struct err *e)
{
	for (int i = 0; i < CG_TREES_MAX; i++)
		cg->tree[i] = cg->top[i] = -1;
	for (int c = 0; c < CG_NCTLS; c++)
		cg->of[c] = -1;
	cg->ntrees = 1;
	(void)snprintf(cg->parent, sizeof(cg->parent), "%s", parent);
	if (find_trees(cg, true, e) < 0 || find_trees(cg, false, e) < 0)
		return -1;
	/* Freezing, killing and finding again are v2's. */
	if (cg->tree[0] < 0)
		return err_set(e, ERR_SYS, "no cgroup2 file system is mounted");
	describe(cg);
	return set_budget(cg, budget_mb, e);
}

void
cg_close(struct cgroups *cg)
{
	for (int i = 0; i < CG_TREES_MAX; i++) {
		drop_fd(&cg->tree[i]);
		if (cg->top[i] >= 0)
			(void)unlinkat(cg->top[i], cg->parent, AT_REMOVEDIR);
		drop_fd(&cg->top[i]);
	}
}

int
cg_make(const struct cgroups *cg, struct spawn_ref r, struct err *e)
{
	char path[GROUP_PATH];

	for (size_t i = 0; i < cg->ntrees; i++)
		if (mkdirat(cg->tree[i], group_path(path, r, ""), 0755) < 0 &&
		    errno != EEXIST)
			return err_sys(e, "cgroup %s", path);
	return 0;
}

int
cg_join(const struct cgroups *cg, struct spawn_ref r, struct err *e)
{
	char path[GROUP_PATH];

	for (size_t i = 0; i < cg->ntrees; i++)
		if (file_put(cg->tree[i], group_path(path, r, "cgroup.procs"),
			"0") < 0)
			return err_sys(e, "join cgroup %s", path);
	return 0;
}

static int
put(const struct cgroups *cg, enum cg_ctl c, struct spawn_ref r,
    const char *file, const char *text, struct err *e)
{
	char path[GROUP_PATH];

	if (file_put(cg->tree[cg->of[c]], group_path(path, r, file), text) < 0)
		return err_sys(e, "limit %s = %s", path, text);
	return 0;
}

static int
limit_cpu(
    const struct cgroups *cg, struct spawn_ref r, uint32_t count, struct err *e)
{
	const unsigned quota = count * CG_PERIOD_US;
	char text[32];

	if (is_v2(cg, CG_CPU)) {
		(void)snprintf(
		    text, sizeof(text), "%u %d", quota, CG_PERIOD_US);
		return put(cg, CG_CPU, r, "cpu.max", text, e);
	}
	(void)snprintf(text, sizeof(text), "%u", quota);
	return put(cg, CG_CPU, r, "cpu.cfs_quota_us", text, e);
}

static int
limit_number(const struct cgroups *cg, enum cg_ctl c, struct spawn_ref r,
    uint64_t n, struct err *e)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return put(cg, c, r,
	    c == CG_MEMORY ? f_memory[is_v2(cg, c)] : "pids.max", text, e);
}

int
cg_limit(const struct cgroups *cg, struct spawn_ref r,
    const struct cg_limits *l, const struct cg_limits *was, struct err *e)
{
	const bool all = was == NULL;

	if (cg->of[CG_MEMORY] >= 0 && (all || l->memory_mb != was->memory_mb) &&
	    limit_number(cg, CG_MEMORY, r, (uint64_t)l->memory_mb << 20, e) < 0)
		return -1;
	if (cg->of[CG_PIDS] >= 0 && (all || l->pids_max != was->pids_max) &&
	    limit_number(cg, CG_PIDS, r, l->pids_max, e) < 0)
		return -1;
	if (cg->of[CG_CPU] >= 0 && (all || l->cpu_count != was->cpu_count))
		return limit_cpu(cg, r, l->cpu_count, e);
	return 0;
}

int
cg_remove(const struct cgroups *cg, struct spawn_ref r, struct err *e)
{
	char path[GROUP_PATH];
	int busy = 0;

	/* v2 last: it is what a sandbox is found by. */
	for (size_t i = cg->ntrees; i-- > 0;) {
		if (unlinkat(cg->tree[i], group_path(path, r, ""),
			AT_REMOVEDIR) == 0 ||
		    errno == ENOENT)
			continue;
		if (errno != EBUSY)
			return err_sys(e, "remove cgroup %s", path);
		busy = 1;
	}
	return busy;
}

int
cg_kill(const struct cgroups *cg, struct spawn_ref r, struct err *e)
{
	char path[GROUP_PATH];

	if (file_put(cg->tree[0], group_path(path, r, "cgroup.kill"), "1") < 0)
		return err_sys(e, "kill cgroup %s", path);
	return 0;
}

int
cg_freeze(
    const struct cgroups *cg, struct spawn_ref r, bool freeze, struct err *e)
{
	char path[GROUP_PATH];

	if (file_put(cg->tree[0], group_path(path, r, "cgroup.freeze"),
		freeze ? "1" : "0") < 0)
		return err_sys(e, "%s %s", freeze ? "freeze" : "thaw", path);
	return 0;
}

int
cg_frozen(const struct cgroups *cg, struct spawn_ref r, struct err *e)
{
	char path[GROUP_PATH];
	uint64_t frozen;

	if (file_keyed(cg->tree[0], group_path(path, r, "cgroup.events"),
		"frozen", &frozen) < 0)
		return err_sys(e, "%s", path);
	return frozen != 0;
}

/* A figure that a kernel does not have stays 0. */
int
cg_stats(const struct cgroups *cg, struct spawn_ref r, struct spawn_stats *out,
    struct err *e)
{
	const int memory = cg->of[CG_MEMORY], pids = cg->of[CG_PIDS];
	const bool v2 = is_v2(cg, CG_MEMORY);
	char path[GROUP_PATH];
	uint64_t n;

	if (file_keyed(cg->tree[0], group_path(path, r, "cpu.stat"),
		"usage_usec", &out->cpu_us) < 0)
		return err_sys(e, "%s", path);
	if (memory >= 0) {
		const int t = cg->tree[memory];

		(void)file_number(
		    t, group_path(path, r, f_memory_now[v2]), &out->mem_used);
		(void)file_number(
		    t, group_path(path, r, f_memory[v2]), &out->mem_total);
		(void)file_keyed(t, group_path(path, r, "memory.stat"),
		    v2 ? "file" : "cache", &out->mem_cache);
		if (file_keyed(t,
			group_path(path, r,
			    v2 ? "memory.events" : "memory.oom_control"),
			"oom_kill", &n) == 0)
			out->oom_kills = (uint32_t)n;
	}
	if (pids >= 0 && file_number(cg->tree[pids],
			     group_path(path, r, "pids.current"), &n) == 0)
		out->pids = (uint32_t)n;
	return 0;
}

static bool
parse_group(const char *name, struct spawn_ref *r)
{
	char tail;

	return name[0] >= '1' && name[0] <= '9' &&
	       sscanf(name, "%u-%u%c", &r->slot, &r->incarnation, &tail) == 2 &&
	       r->incarnation != 0;
}

static bool
in_earlier_tree(const struct cgroups *cg, size_t before, const char *name)
{
	for (size_t i = 0; i < before; i++)
		if (faccessat(cg->tree[i], name, F_OK, 0) == 0)
			return true;
	return false;
}

int
cg_each(const struct cgroups *cg, void (*fn)(void *arg, struct spawn_ref r),
    void *arg, struct err *e)
{
	for (size_t i = 0; i < cg->ntrees; i++) {
		int fd = openat(
		    cg->tree[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const struct dirent *de;
		struct spawn_ref r;
		DIR *d;

		if (fd < 0 || (d = fdopendir(fd)) == NULL) {
			err_sys(e, "list cgroups");
			own_close(&fd);
			return -1;
		}
		while ((de = readdir(d)) != NULL)
			if (parse_group(de->d_name, &r) &&
			    !in_earlier_tree(cg, i, de->d_name))
				fn(arg, r);
		(void)closedir(d);
	}
	return 0;
}

int
cg_procs(const struct cgroups *cg, struct spawn_ref r,
    void (*fn)(void *arg, pid_t pid), void *arg, struct err *e)
{
	char path[GROUP_PATH];
	int fd = openat(cg->tree[0], group_path(path, r, "cgroup.procs"),
	    O_RDONLY | O_CLOEXEC);
	FILE *f;
	int pid;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	f = fdopen(fd, "re");
	if (f == NULL) {
		own_close(&fd);
		return err_sys(e, "%s", path);
	}
	while (fscanf(f, "%d", &pid) == 1)
		if (pid > 0)
			fn(arg, pid);
	(void)fclose(f);
	return 0;
}
