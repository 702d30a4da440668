/* reload.c - what a changed configuration asks for. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/own.h"
#include "ctl/monitor/monitor.h"
#include "io/log.h"

int
reload_conf(struct conf *c, const struct monitor_options *o)
{
	if (conf_read(c, o->conf_path, stderr) < 0)
		return -1;
	conf_environment(c);
	if (o->log_level != NULL)
		(void)snprintf(
		    c->log_level, sizeof(c->log_level), "%s", o->log_level);
	return 0;
}

void
kept_find(struct kept *k, const struct conf *have, const struct conf *fresh)
{
	size_t at = 0;
	const char *key;

	k->n = 0;
	while (k->n < CONF_KEPT_MAX &&
	       (key = conf_change(have, fresh, CONF_NEVER, &at)) != NULL) {
		char *text = conf_key_text(have, key);

		if (text != NULL)
			k->text[k->n++] = text;
	}
}

void
kept_fini(struct kept *k)
{
	while (k->n > 0)
		free(k->text[--k->n]);
}

/* Names what cannot change, and gives it back its value. */
static int
keep(const struct conf *have, struct conf *fresh,
    const struct monitor_options *o)
{
	struct kept k;
	struct err e;
	int rc = 0;

	kept_find(&k, have, fresh);
	for (size_t i = 0; i < k.n && rc == 0; i++) {
		log_warn("coppiced.reload key=%.*s needs a restart of coppiced "
			 "and keeps its value: %s",
		    (int)strcspn(k.text[i], "="), k.text[i],
		    k.text[i] + strcspn(k.text[i], "=") + 1);
		rc = conf_keep(fresh, k.text[i], &e);
		if (rc < 0)
			log_error("coppiced.reload err=\"%s\"", e.msg);
	}
	if (rc == 0 && k.n > 0)
		rc = conf_fits(fresh, o->conf_path, stderr);
	kept_fini(&k);
	return rc;
}

static void
names(const struct conf *have, const struct conf *fresh, enum conf_when w,
    struct buf *out)
{
	const char *key;
	size_t at = 0;

	while ((key = conf_change(have, fresh, w, &at)) != NULL)
		(void)buf_printf(out, "%s%s", out->len > 0 ? "," : "", key);
}

static bool
site_differs(const struct conf *have, const struct conf *fresh)
{
	const char *key;
	size_t at = 0;

	while ((key = conf_change(have, fresh, CONF_AT_ONCE, &at)) != NULL)
		if (strncmp(key, "site_", 5) == 0)
			return true;
	return false;
}

bool
keys_file_changed(const struct conf *c, struct stat *was)
{
	struct stat now = { .st_ino = 0 };
	bool same;

	if (c->api_keys_file[0] != '\0' && stat(c->api_keys_file, &now) < 0)
		now = (struct stat){ .st_ino = 0 };
	same = now.st_ino == was->st_ino && now.st_dev == was->st_dev &&
	       now.st_size == was->st_size &&
	       now.st_ctim.tv_sec == was->st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == was->st_ctim.tv_nsec;
	*was = now;
	return !same;
}

enum reload
reload_read(
    struct conf *c, const struct monitor_options *o, struct stat *keys_file)
{
	static struct conf fresh;
	struct buf anew, live;
	enum reload what = RELOAD_NOTHING;

	if (reload_conf(&fresh, o) < 0 || keep(c, &fresh, o) < 0) {
		log_error("coppiced.reload nothing was changed");
		return RELOAD_BAD;
	}
	buf_init(&anew, 4096);
	buf_init(&live, 4096);
	names(c, &fresh, CONF_AT_ONCE, &live);
	names(c, &fresh, CONF_ANEW, &anew);
	if (anew.len == 0 && keys_file_changed(&fresh, keys_file))
		(void)buf_puts(&anew, "api_keys_file");
	if (anew.len > 0)
		what = RELOAD_ANEW;
	else if (live.len > 0)
		what = site_differs(c, &fresh) ? RELOAD_SITE : RELOAD_PROXY;
	if (what == RELOAD_NOTHING)
		log_info("coppiced.reload: nothing is different");
	else
		log_info("coppiced.reload keys=%.*s%s%.*s%s", (int)live.len,
		    live.len > 0 ? live.data : "",
		    live.len > 0 && anew.len > 0 ? "," : "", (int)anew.len,
		    anew.len > 0 ? anew.data : "",
		    what == RELOAD_ANEW ? ": the core and egressd start anew"
					: "");
	buf_fini(&anew);
	buf_fini(&live);
	*c = fresh;
	return what;
}
