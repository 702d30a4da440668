/*
 * io/conf.h - coppiced.conf: `key = value`, `#` comments.  Every key is a row
 * of one table in conf.c: name, type, default, limits, help text; the manual
 * page's table is made from it.
 */
#ifndef IO_CONF_H
#define IO_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/prefix.h"

enum { CONF_LIST_MAX = 64, CONF_TEXT_MAX = 256 };

struct conf_prefix {
	struct np_prefix prefix;
	uint32_t line;
};

struct conf {
	char api_listen[CONF_TEXT_MAX];	   /* address:port, 127.0.0.1:3000 */
	char way_in_listen[CONF_TEXT_MAX]; /* 127.0.0.1:3002 */
	char tls_listen[CONF_TEXT_MAX];	   /* "": no TLS */
	char tls_cert[CONF_TEXT_MAX], tls_key[CONF_TEXT_MAX];
	bool access_log;
	char state_dir[CONF_TEXT_MAX]; /* /var/lib/coppice */
	char domain[CONF_TEXT_MAX];    /* of sandbox URLs; "" = say nothing */
	char log_level[16];	       /* error warn info debug */

	struct np_prefix net4;	/* 10.78.0.0/16: a /31 for each slot */
	struct np_prefix net6;	/* fd77::/64 */
	bool ipv6;		/* give sandboxes IPv6 */
	uint32_t resolver_port; /* 5300: where egressd listens */
	char upstream_dns[CONF_LIST_MAX][64]; /* none: the host's own */
	size_t nupstream_dns;
	struct conf_prefix site_deny[CONF_LIST_MAX], site_allow[CONF_LIST_MAX];
	size_t nsite_deny, nsite_allow;

	uint32_t id_base;	/* first host uid/gid for sandboxes */
	uint32_t max_sandboxes; /* slots 1..max; 1 to 16383 */
	uint32_t pool_slots;	/* slots kept ready */
	uint32_t pool_size;	/* sandboxes kept ready, for each template */
	uint32_t default_cpu_count, default_memory_mb, default_disk_mb;
	uint32_t pids_max;  /* in one sandbox */
	uint32_t max_flows; /* of one sandbox; what is 0 has no limit: */
	uint32_t max_packets_per_s, max_egress_mbit, max_ingress_mbit;
	uint32_t host_memory_mb;	 /* for all sandboxes; 0 = 80 % of it */
	char disk_backend[16];		 /* auto btrfs image zfs copy */
	uint32_t disk_image_mb;		 /* 32768 */
	char zfs_dataset[CONF_TEXT_MAX]; /* "": that of state_dir */
	uint32_t devfs_ruleset;		 /* 4 */

	uint32_t default_timeout_s; /* v2: 300 */
	uint32_t max_timeout_h;	    /* 24 */
	bool require_secure;
	bool policy_while_paused;
	char api_keys[1024]; /* or environment COPPICE_API_KEYS */
	char api_keys_file[CONF_TEXT_MAX];
};

void conf_defaults(struct conf *c);
/*
 * Reads a file over the defaults; NULL reads none.  Every error is written to
 * `complain` as FILE:LINE: sentence; -1 if there was any.
 */
int conf_read(struct conf *c, const char *path, FILE *complain);
/* Whether values fit together, whoever set them; complains as conf_read(). */
int conf_fits(struct conf *c, const char *path, FILE *complain);
/* COPPICE_API_KEYS and COPPICE_API_KEYS_FILE, as the same keys. */
void conf_environment(struct conf *c);

/* When a daemon that runs takes over another value of a key. */
enum conf_when {
	CONF_AT_ONCE, /* without a process that starts anew */
	CONF_ANEW,    /* when all but the monitor and the way in do so */
	CONF_NEVER,   /* only when coppiced itself is started again */
};
/*
 * The next key of that kind, from *at (0 at first) on, that differs between a
 * and b; NULL if none is left.  Lists of prefixes differ if their lines do.
 */
const char *conf_change(
    const struct conf *a, const struct conf *b, enum conf_when w, size_t *at);
/* The lists of prefixes of `from`: what privd takes over at once. */
void conf_take_site(struct conf *c, const struct conf *from);
/* "key=value", the caller's; NULL without memory. */
char *conf_key_text(const struct conf *c, const char *key);
/* Puts back such a text, of a CONF_NEVER key alone. */
int conf_keep(struct conf *c, const char *text, struct err *e);
/* What a child is told on its command line: -f FILE, and -k for each that is
 * kept. */
enum { CONF_KEPT_MAX = 16 };
struct conf_args {
	const char *path; /* or NULL */
	const char *kept[CONF_KEPT_MAX];
	size_t nkept;
};
/* Takes an option and its value (NULL: there is none); false: not ours. */
bool conf_arg(struct conf_args *a, const char *option, const char *value);
/* Defaults, the file, and then these: -1 after saying on stderr what is wrong.
 */
int conf_read_args(struct conf *c, const struct conf_args *a);
/* The whole effective configuration, in the same grammar. */
void conf_print(const struct conf *c, FILE *to);
/* mdoc rows for coppiced.conf(5). */
void conf_print_man(FILE *to);

#endif
