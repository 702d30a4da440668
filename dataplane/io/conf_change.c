/* conf_change.c - what differs between two configurations, and what of it a
 * daemon that runs can take over. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/conf_int.h"

/* What sandboxes, sockets and files that exist were made from. */
static const char *const fixed[] = { "api_listen", "way_in_listen",
	"tls_listen", "state_dir", "net4", "net6", "ipv6", "resolver_port",
	"id_base", "zfs_dataset" };

/* What coppice-privd, or the way in, takes over while it runs. */
static const char *const live[] = { "site_deny", "site_allow", "tls_cert",
	"tls_key", "access_log" };

static bool
among(const char *const *v, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], key) == 0)
			return true;
	return false;
}

static enum conf_when
when(const char *key)
{
	if (among(fixed, countof(fixed), key))
		return CONF_NEVER;
	return among(live, countof(live), key) ? CONF_AT_ONCE : CONF_ANEW;
}

/* The caller's; NULL without memory. */
static char *
text_of(const struct conf *c, size_t key)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		return NULL;
	conf_print_key(c, key, f);
	(void)fclose(f);
	return text;
}

static bool
differs(const struct conf *a, const struct conf *b, size_t key)
{
	autofree char *x = text_of(a, key), *y = text_of(b, key);

	return x == NULL || y == NULL || strcmp(x, y) != 0;
}

const char *
conf_change(
    const struct conf *a, const struct conf *b, enum conf_when w, size_t *at)
{
	while (*at < conf_nkeys()) {
		size_t i = (*at)++;

		if (when(conf_key(i)) == w && differs(a, b, i))
			return conf_key(i);
	}
	return NULL;
}

void
conf_take_site(struct conf *c, const struct conf *from)
{
	memcpy(c->site_deny, from->site_deny, sizeof(c->site_deny));
	memcpy(c->site_allow, from->site_allow, sizeof(c->site_allow));
	c->nsite_deny = from->nsite_deny;
	c->nsite_allow = from->nsite_allow;
}

char *
conf_key_text(const struct conf *c, const char *key)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		return NULL;
	fprintf(f, "%s=", key);
	for (size_t i = 0; i < conf_nkeys(); i++)
		if (strcmp(conf_key(i), key) == 0)
			conf_print_key(c, i, f);
	(void)fclose(f);
	return text;
}

int
conf_keep(struct conf *c, const char *text, struct err *e)
{
	size_t n = strcspn(text, "=");

	for (size_t i = 0; i < conf_nkeys(); i++) {
		const char *key = conf_key(i);

		if (strlen(key) != n || strncmp(key, text, n) != 0 ||
		    text[n] != '=')
			continue;
		if (when(key) != CONF_NEVER)
			break;
		return conf_set_key(c, i, text + n + 1, e);
	}
	return err_set(
	    e, ERR_INVALID, "\"%.60s\": not a key that is kept", text);
}

bool
conf_arg(struct conf_args *a, const char *option, const char *value)
{
	if (value == NULL)
		return false;
	if (strcmp(option, "-f") == 0)
		a->path = value;
	else if (strcmp(option, "-k") == 0 && a->nkept < CONF_KEPT_MAX)
		a->kept[a->nkept++] = value;
	else
		return false;
	return true;
}

int
conf_read_args(struct conf *c, const struct conf_args *a)
{
	struct err e;

	if (conf_read(c, a->path, stderr) < 0)
		return -1;
	for (size_t i = 0; i < a->nkept; i++)
		if (conf_keep(c, a->kept[i], &e) < 0) {
			fprintf(stderr, "%s\n", e.msg);
			return -1;
		}
	return a->nkept > 0 ? conf_fits(c, a->path, stderr) : 0;
}
