#include "ctl/sandbox/template.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"

enum { TEMPLATE_FILE_MAX = 256 * 1024, TEMPLATES_MAX = 4096 };

/* --- names ----------------------------------------------------------------*/

static bool
made_of(const char *s, const char *also)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') &&
		    strchr(also, *s) == NULL)
			return false;
	return true;
}

static bool
is_uuid(const char *s)
{
	if (strlen(s) != 36)
		return false;
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return true;
}

/* Without spaces around it, in lower case; -1 if it is too long. */
static int
tidy(const char *s, char *to, size_t cap)
{
	size_t n;

	while (*s == ' ')
		s++;
	n = strlen(s);
	while (n > 0 && s[n - 1] == ' ')
		n--;
	if (n >= cap)
		return -1;
	for (size_t i = 0; i < n; i++)
		to[i] = (char)tolower((unsigned char)s[i]);
	to[n] = '\0';
	return 0;
}

int
template_name_parse(const char *s, struct template_name *out, struct err *e)
{
	char text[SB_ALIAS_MAX + 1], *name = text, *tag, *slash;

	*out = (struct template_name){ .has_tag = false };
	if (tidy(s, text, sizeof(text)) < 0)
		return err_set(e, ERR_INVALID,
		    "invalid template reference: longer than %d characters",
		    SB_ALIAS_MAX);
	tag = strchr(text, ':');
	if (tag != NULL)
		*tag++ = '\0';
	slash = strchr(text, '/');
	if (slash != NULL) {
		*slash = '\0';
		name = slash + 1;
	}
	if (!made_of(name, "-_") || (slash != NULL && !made_of(text, "-_")))
		return err_set(
		    e, ERR_INVALID, "invalid template reference \"%.100s\"", s);
	if (tag != NULL && (!made_of(tag, "-_.") || is_uuid(tag)))
		return err_set(e, ERR_INVALID,
		    "invalid tag in template reference \"%.100s\"", s);
	if (slash != NULL)
		memcpy(out->space, text, strlen(text) + 1);
	memcpy(out->name, name, strlen(name) + 1);
	out->has_tag = tag != NULL;
	if (tag != NULL && strcmp(tag, "default") != 0)
		memcpy(out->tag, tag, strlen(tag) + 1);
	return 0;
}

/* --- files ----------------------------------------------------------------*/

static void
take_text(const json_t *o, const char *name, char *to, size_t cap)
{
	const char *s = json_string_value(json_object_get(o, name));

	if (s != NULL)
		(void)snprintf(to, cap, "%s", s);
}

/* Names the field and, shortened, its value. */
static int
bad_value(const json_t *v, const char *name, const char *why, struct err *e)
{
	autofree char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	return err_set(e, ERR_INVALID, "\"%s\" %s: %.80s", name, why,
	    text != NULL ? text : "?");
}

static void
take_number(const json_t *o, const char *name, uint32_t *to)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	if (n > 0 && n <= UINT32_MAX)
		*to = (uint32_t)n;
}

/* --- what runs inside ----------------------------------------------------*/

/* "" where there is none; *to is the template's. */
static int
take_command(const json_t *o, const char *name, char **to, struct err *e)
{
	const json_t *v = json_object_get(o, name);
	const char *s = v == NULL ? "" : json_string_value(v);

	if (s == NULL)
		return bad_value(v, name, "is not a string", e);
	if (strlen(s) != json_string_length(v) ||
	    strlen(s) > TEMPLATE_COMMAND_MAX)
		return err_set(e, ERR_INVALID,
		    "\"%s\" has a NUL or is longer than %d bytes", name,
		    TEMPLATE_COMMAND_MAX);
	*to = strdup(s);
	return *to != NULL ? 0 : err_sys(e, "\"%s\"", name);
}

static int
take_whole(const json_t *o, const char *name, json_int_t least, json_int_t most,
    json_int_t *to, struct err *e)
{
	const json_t *v = json_object_get(o, name);
	char why[80];

	if (v == NULL)
		return 0;
	if (json_is_integer(v) && json_integer_value(v) >= least &&
	    json_integer_value(v) <= most) {
		*to = json_integer_value(v);
		return 0;
	}
	(void)snprintf(why, sizeof(why), "is not a number from %lld to %lld",
	    (long long)least, (long long)most);
	return bad_value(v, name, why, e);
}

static int
take_user(
    const json_t *o, const char *name, char *to, size_t cap, struct err *e)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);

	if (v == NULL)
		return 0;
	if (s == NULL || *s == '\0' || strlen(s) >= cap ||
	    strpbrk(s, ":/ ") != NULL)
		return bad_value(v, name, "is not the name of a user", e);
	(void)snprintf(to, cap, "%s", s);
	return 0;
}

static int
take_env(const json_t *o, char **to, struct err *e)
{
	json_t *env = json_object_get(o, "env"), *v;
	const char *name;

	if (env == NULL)
		return 0;
	if (!json_is_object(env))
		return bad_value(env, "env", "is not an object", e);
	json_object_foreach (env, name, v) {
		if (*name == '\0' || strchr(name, '=') != NULL)
			return err_set(e, ERR_INVALID,
			    "\"env\" has \"%.60s\", which is no name for a "
			    "variable",
			    name);
		if (!json_is_string(v) ||
		    strlen(json_string_value(v)) != json_string_length(v))
			return bad_value(
			    v, "env", "has a value that is no text", e);
	}
	*to = json_dumps(env, JSON_COMPACT);
	if (*to == NULL)
		return err_sys(e, "\"env\"");
	if (strlen(*to) > TEMPLATE_ENV_MAX)
		return err_set(e, ERR_INVALID,
		    "\"env\" is longer than %d bytes", TEMPLATE_ENV_MAX);
	return 0;
}

static int
take_start(struct template *t, const json_t *o, struct err *e)
{
	json_int_t timeout = TEMPLATE_START_S, size = -1;

	if (take_command(o, "startCmd", &t->start_cmd, e) < 0 ||
	    take_command(o, "readyCmd", &t->ready_cmd, e) < 0 ||
	    take_user(o, "startUser", t->start_user, sizeof(t->start_user), e) <
		0 ||
	    take_whole(
		o, "startTimeoutS", 1, TEMPLATE_START_MAX_S, &timeout, e) < 0 ||
	    take_whole(o, "poolSize", 0, TEMPLATE_POOL_MAX, &size, e) < 0)
		return -1;
	t->start_timeout_s = (uint32_t)timeout;
	t->pool_size = (int32_t)size;
	return take_env(o, &t->env_json, e);
}

/* --- files ----------------------------------------------------------------*/

static void
add_name(struct template *t, const char *name)
{
	char text[SB_ALIAS_MAX + 1];

	if (name == NULL || t->nnames == TEMPLATE_NAMES_MAX ||
	    tidy(name, text, sizeof(text)) < 0 || !made_of(text, "-_"))
		return;
	for (size_t i = 0; i < t->nnames; i++)
		if (strcmp(t->names[i], text) == 0)
			return;
	memcpy(t->names[t->nnames++], text, strlen(text) + 1);
}

static int64_t
wall_from(const char *s, int64_t otherwise)
{
	struct tm tm = { 0 };

	if (s == NULL || strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return otherwise;
	return (int64_t)timegm(&tm) * 1000;
}

static void
take_file(struct templates *all, struct template *t, const json_t *o,
    int64_t changed_ms)
{
	const json_t *list = json_object_get(o, "aliases"), *v;
	size_t i;

	t->cpu_count = all->cpu_count;
	t->memory_mb = all->memory_mb;
	t->disk_mb = all->disk_mb;
	take_text(o, "templateID", t->id, sizeof(t->id));
	take_text(o, "buildID", t->build_id, sizeof(t->build_id));
	take_text(o, "envdVersion", t->envd_version, sizeof(t->envd_version));
	take_text(o, "user", t->user, sizeof(t->user));
	take_text(o, "workdir", t->workdir, sizeof(t->workdir));
	take_number(o, "cpuCount", &t->cpu_count);
	take_number(o, "memoryMB", &t->memory_mb);
	take_number(o, "diskSizeMB", &t->disk_mb);
	add_name(t, json_string_value(json_object_get(o, "name")));
	add_name(t, json_string_value(json_object_get(o, "alias")));
	json_array_foreach (list, i, v)
		add_name(t, json_string_value(v));
	t->updated_ms = changed_ms;
	t->created_ms = wall_from(
	    json_string_value(json_object_get(o, "createdAt")), changed_ms);
}

static void
template_fini(struct template *t)
{
	free(t->start_cmd);
	free(t->ready_cmd);
	free(t->env_json);
	t->start_cmd = t->ready_cmd = t->env_json = NULL;
}

static int
read_one(
    struct templates *all, const char *path, struct template *t, struct err *e)
{
	json_error_t je;
	struct stat st;
	json_t *o;
	int rc;

	if (stat(path, &st) < 0)
		return err_sys(e, "template %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > TEMPLATE_FILE_MAX)
		return err_set(
		    e, ERR_SYS, "template %s: not a small file", path);
	o = json_load_file(path, 0, &je);
	if (!json_is_object(o)) {
		json_decref(o);
		return err_set(e, ERR_SYS, "template %s: %s", path,
		    o == NULL ? je.text : "not an object");
	}
	*t = (struct template){
		.envd_version = "0.6.13",
		.user = "user",
		.workdir = "/home/user",
		.start_user = "root",
	};
	take_file(all, t, o, (int64_t)st.st_mtime * 1000);
	rc = take_start(t, o, e);
	json_decref(o);
	if (rc == 0 && !made_of(t->id, ""))
		rc = err_set(
		    e, ERR_SYS, "templateID \"%s\" is not of [a-z0-9]", t->id);
	if (rc == 0)
		return 0;
	template_fini(t);
	return err_wrap(e, "template %s", path);
}

static int
by_id(const void *a, const void *b)
{
	const struct template *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static struct template *
find_id(struct templates *t, const char *id)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i].id, id) == 0)
			return &t->v[i];
	return NULL;
}

static int
add_dir(struct templates *t, struct templates *fresh, const char *name,
    struct err *e)
{
	struct template one, *old;
	char path[1024];
	void *room;

	(void)snprintf(path, sizeof(path), "%s/%s/template.json", t->dir, name);
	/* Without one it is a layer: there to be stood on. */
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (read_one(t, path, &one, e) < 0) {
		log_warn("template.skipped %s", e->msg);
		return 0;
	}
	old = find_id(t, one.id);
	if (old != NULL) {
		one.spawned = old->spawned;
		one.last_spawned_ms = old->last_spawned_ms;
	}
	room = realloc(fresh->v, (fresh->n + 1) * sizeof(one));
	if (room == NULL) {
		template_fini(&one);
		return err_sys(e, "templates");
	}
	fresh->v = room;
	fresh->v[fresh->n++] = one;
	return 0;
}

static uint64_t
stamp_add(uint64_t stamp, uint64_t x)
{
	return (stamp ^ x) * 1099511628211u;
}

/* Whatever makes a file another one, and any file the less or more. */
static uint64_t
stamp_of(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *de;
	char path[1024];
	struct stat st;
	uint64_t sum = 1;

	while (d != NULL && (de = readdir(d)) != NULL) {
		uint64_t one = 14695981039346656037u;

		(void)snprintf(
		    path, sizeof(path), "%s/%s/template.json", dir, de->d_name);
		if (de->d_name[0] == '.' || stat(path, &st) < 0)
			continue;
		one = stamp_add(one, (uint64_t)st.st_ino);
		one = stamp_add(one, (uint64_t)st.st_size);
		one = stamp_add(one, (uint64_t)st.st_mtim.tv_sec);
		one = stamp_add(one, (uint64_t)st.st_mtim.tv_nsec);
		sum += one; /* in whatever order */
	}
	if (d != NULL)
		(void)closedir(d);
	return sum;
}

bool
templates_changed(const struct templates *t)
{
	return stamp_of(t->dir) != t->stamp;
}

int
templates_read(struct templates *t, struct err *e)
{
	struct templates fresh = { .stamp = stamp_of(t->dir) };
	DIR *d = opendir(t->dir);
	const struct dirent *de;
	int rc = 0;

	t->read_at = mono_now();
	t->was_read = true;
	if (d == NULL && errno != ENOENT)
		return err_sys(e, "templates %s", t->dir);
	while (rc == 0 && d != NULL && (de = readdir(d)) != NULL)
		if (de->d_name[0] != '.' && fresh.n < TEMPLATES_MAX)
			rc = add_dir(t, &fresh, de->d_name, e);
	if (d != NULL)
		(void)closedir(d);
	if (rc < 0) {
		templates_fini(&fresh);
		return -1;
	}
	if (fresh.n > 1)
		qsort(fresh.v, fresh.n, sizeof(fresh.v[0]), by_id);
	templates_fini(t);
	t->v = fresh.v;
	t->n = fresh.n;
	t->stamp = fresh.stamp;
	return 0;
}

void
templates_fini(struct templates *t)
{
	for (size_t i = 0; i < t->n; i++)
		template_fini(&t->v[i]);
	free(t->v);
	t->v = NULL;
	t->n = 0;
}

void
templates_refresh(struct templates *t)
{
	struct err e;

	if (t->was_read && mono_ms(t->read_at, mono_now()) < 1000)
		return;
	if (templates_read(t, &e) < 0)
		log_error("template.read %s", e.msg);
}

/* --- look-up --------------------------------------------------------------*/

static struct template *
look(struct templates *t, const struct template_name *n)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < t->v[i].nnames; k++)
			if (strcmp(t->v[i].names[k], n->name) == 0)
				return &t->v[i];
	return n->space[0] == '\0' ? find_id(t, n->name) : NULL;
}

/*
 * tools/mktemplate leaves a note under the name of what it builds: why it is
 * not there yet, or not at all.
 */
static int
say_missing(const struct templates *t, const struct template_name *n,
    const char *name, struct err *e)
{
	char path[1024], why[128];
	autoclose int fd = -1;
	ssize_t len = 0;

	(void)snprintf(path, sizeof(path), "%s/.note-%s", t->dir, n->name);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		len = read(fd, why, sizeof(why) - 1);
	if (len <= 0)
		return err_set(
		    e, ERR_NOTFOUND, "template '%.130s' not found", name);
	why[len] = '\0';
	why[strcspn(why, "\n")] = '\0';
	return err_set(
	    e, ERR_BUSY, "template '%.60s' is not there: %s", n->name, why);
}

struct template *
templates_by_id(struct templates *t, const char *id)
{
	return find_id(t, id);
}

int
template_fill(const struct template *t, struct sb_record *r, struct err *e)
{
	memcpy(r->template_id, t->id, sizeof(r->template_id));
	memcpy(r->build_id, t->build_id, sizeof(r->build_id));
	if (t->nnames > 0)
		memcpy(r->alias, t->names[0], sizeof(r->alias));
	memcpy(r->envd_version, t->envd_version, sizeof(r->envd_version));
	memcpy(r->user, t->user, sizeof(r->user));
	memcpy(r->workdir, t->workdir, sizeof(r->workdir));
	r->cpu_count = t->cpu_count;
	r->memory_mb = t->memory_mb;
	r->disk_mb = t->disk_mb;
	r->env_json = NULL;
	if (t->env_json != NULL) {
		r->env_json = strdup(t->env_json);
		if (r->env_json == NULL)
			return err_sys(e, "template %s", t->id);
	}
	return 0;
}

struct template *
templates_find(struct templates *t, const char *name, struct err *e)
{
	struct template_name n;
	struct template *found;

	if (template_name_parse(name, &n, e) < 0)
		return NULL;
	if (n.space[0] != '\0' && strcmp(n.space, TEMPLATE_SLUG) != 0) {
		err_set(e, ERR_INVALID,
		    "namespace '%.60s' is not this team's: its own is '%s'",
		    n.space, TEMPLATE_SLUG);
		return NULL;
	}
	found = look(t, &n);
	if (found == NULL) {
		templates_refresh(t);
		found = look(t, &n);
	}
	if (found == NULL) {
		say_missing(t, &n, name, e);
		return NULL;
	}
	if (n.tag[0] != '\0') {
		err_set(e, ERR_NOTFOUND,
		    "tag '%.60s' does not exist for "
		    "template '%.130s'",
		    n.tag, n.name);
		return NULL;
	}
	return found;
}
