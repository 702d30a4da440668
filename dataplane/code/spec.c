#include "code/spec.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "code/jv.h"

void
spec_free(struct spec *s)
{
	for (size_t i = 0; i < s->nargv; i++)
		free(s->argv[i]);
	for (size_t i = 0; i < s->nenv; i++)
		free(s->env[i]);
	*s = (struct spec){ 0 };
}

static int
read_file(const char *path, struct buf *b, struct err *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		return err_sys(e, "%s", path);
	while (n > 0) {
		char *to = buf_room(b, 4096);

		if (to == NULL)
			return err_set(
			    e, ERR_TOOBIG, "%s: a kernelspec is small", path);
		n = read(fd, to, 4096);
		if (n < 0)
			return err_sys(e, "%s", path);
		buf_added(b, (size_t)n);
	}
	return 0;
}

static int
take_argv(struct spec *s, struct jv argv)
{
	struct jv_iter it = jv_members(argv);
	struct jv key, word;

	while (jv_type(argv) == JV_ARRAY && jv_next(&it, &key, &word)) {
		if (s->nargv == SPEC_WORDS_MAX)
			return -1;
		s->argv[s->nargv] = jv_strdup(word);
		if (s->argv[s->nargv] == NULL)
			return -1;
		s->nargv++;
	}
	return s->nargv > 0 ? 0 : -1;
}

static int
take_env(struct spec *s, struct jv env)
{
	struct jv_iter it = jv_members(env);
	struct jv key, value;

	while (it.object && jv_next(&it, &key, &value)) {
		autofree char *k = jv_strdup(key);
		autofree char *v = jv_strdup(value);

		if (k == NULL || v == NULL || s->nenv == SPEC_WORDS_MAX ||
		    asprintf(&s->env[s->nenv], "%s=%s", k, v) < 0)
			return -1;
		s->nenv++;
	}
	return 0;
}

/* A list of names, as a person would write it. */
static void
take_packages(struct spec *s, struct jv list)
{
	struct jv_iter it = jv_members(list);
	struct jv key, name;
	struct buf b;

	buf_init(&b, sizeof(s->packages) - 1);
	while (jv_type(list) == JV_ARRAY && jv_next(&it, &key, &name))
		if ((b.len > 0 && buf_puts(&b, ", ") < 0) ||
		    jv_text(&b, name) < 0)
			break;
	if (b.len > 0)
		memcpy(s->packages, b.data, b.len);
	s->packages[b.len] = '\0';
	buf_fini(&b);
}

static int
take_spec(struct spec *s, const struct buf *text)
{
	struct jv all, ours;

	if (jv_parse(text->data, text->len, &all, NULL) < 0)
		return -1;
	ours = jv_get(jv_get(all, "metadata"), "coppice");
	s->lines = jv_is(jv_get(ours, "transport"), "lines");
	s->ask_interrupt = jv_is(jv_get(all, "interrupt_mode"), "message");
	take_packages(s, jv_get(ours, "packages"));
	if (take_argv(s, jv_get(all, "argv")) < 0)
		return -1;
	return take_env(s, jv_get(all, "env"));
}

static bool
is_program(const char *name)
{
	const char *path = getenv("PATH"), *end;
	char file[PATH_MAX];

	if (strchr(name, '/') != NULL)
		return access(name, X_OK) == 0;
	for (; path != NULL; path = *end != '\0' ? end + 1 : NULL) {
		end = strchrnul(path, ':');
		(void)snprintf(file, sizeof(file), "%.*s/%s", (int)(end - path),
		    path, name);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static int
read_one(struct spec *s, struct err *e)
{
	char path[PATH_MAX + 16];
	struct buf text;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/kernel.json", s->dir);
	buf_init(&text, SPEC_BYTES_MAX);
	rc = read_file(path, &text, e);
	if (rc == 0 && take_spec(s, &text) < 0)
		rc = err_set(e, ERR_INVALID, "%s: not a kernelspec", path);
	buf_fini(&text);
	if (rc == 0 && !is_program(s->argv[0]))
		rc = err_set(e, ERR_NOTFOUND, "%s: there is no program %s",
		    path, s->argv[0]);
	return rc;
}

static bool
is_name(const char *s)
{
	if (*s == '\0' || *s == '.')
		return false;
	for (; *s != '\0'; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			(*s >= '0' && *s <= '9') || strchr("._-+", *s) != NULL))
			return false;
	return true;
}

int
spec_read(struct spec *s, const char *dirs, const char *name, struct err *e)
{
	char packages[SPEC_PACKAGES] = "";
	struct err first;
	const char *end;
	bool any = false;

	for (; is_name(name) && dirs != NULL && *dirs != '\0';
	     dirs = *end != '\0' ? end + 1 : NULL) {
		struct err this;

		end = strchrnul(dirs, ':');
		*s = (struct spec){ 0 };
		(void)snprintf(s->dir, sizeof(s->dir), "%.*s/%s",
		    (int)(end - dirs), dirs, name);
		if (read_one(s, &this) == 0)
			return 0;
		if (packages[0] == '\0')
			memcpy(packages, s->packages, sizeof(packages));
		spec_free(s);
		/* The one that is there, but not whole, is worth telling. */
		if (!any && this.sys_errno == 0) {
			first = this;
			any = true;
		}
	}
	*s = (struct spec){ 0 };
	memcpy(s->packages, packages, sizeof(packages));
	if (any)
		err_set(e, ERR_NOTFOUND, "%s", first.msg);
	else
		err_set(e, ERR_NOTFOUND, "there is no kernel \"%.64s\"", name);
	return -1;
}

char *
spec_word(const struct spec *s, size_t i, const char *connection_file)
{
	static const char file[] = "{connection_file}",
			  dir[] = "{resource_dir}";
	const char *at = s->argv[i];
	struct buf b;
	char *word = NULL;
	int rc = 0;

	buf_init(&b, 64 * 1024);
	while (*at != '\0' && rc == 0)
		if (strncmp(at, file, sizeof(file) - 1) == 0) {
			rc = buf_puts(&b, connection_file);
			at += sizeof(file) - 1;
		} else if (strncmp(at, dir, sizeof(dir) - 1) == 0) {
			rc = buf_puts(&b, s->dir);
			at += sizeof(dir) - 1;
		} else
			rc = buf_add(&b, at++, 1);
	if (rc == 0 && buf_str(&b) != NULL)
		word = strdup(buf_str(&b));
	buf_fini(&b);
	return word;
}
