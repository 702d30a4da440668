/*
 * monitor.h - coppiced: what starts the other processes, and starts them again.
 *
 * Root, and therefore small: it parses its configuration and nothing else.
 */
#ifndef CTL_MONITOR_H
#define CTL_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "io/conf.h"

struct monitor_options {
	const char *conf_path; /* NULL: defaults */
	bool stop_sandboxes;   /* at SIGTERM */
	const char *log_level; /* over the configuration's; or NULL */
};

/* --- os: linux/ or freebsd/ ----------------------------------------------*/

/* Orphans of a dead child come to us. */
int os_subreaper(struct err *e);
/* How often to look for orphans that ended without a word; 0: none does. */
extern const uint64_t os_reap_ms;
/*
 * In the child, before it gives up root: no capability that could come back,
 * and death with the monitor.  After that, os_confine().  Both may use
 * nothing that a fork of a single-threaded process may not; 0 or -1 and errno.
 */
int os_drop_bounding(void);
int os_die_with_parent(void);
int os_no_new_privs(void);
/* What of the configuration means nothing on this system, into the log. */
void os_conf_notes(const struct conf *c);
/*
 * The addresses that the resolver listens on: where its packets are sent to by
 * the rules.  One that has to exist for that is made, and is taken away by
 * os_resolver_end().
 */
struct os_resolver {
	char v4[NP_ADDR_TEXT], v6[NP_ADDR_TEXT];
};
int os_resolver(const struct conf *c, struct os_resolver *r, struct err *e);
void os_resolver_end(const struct conf *c);

/* --- listeners ------------------------------------------------------------*/

enum {
	L_API,
	L_WAY_IN,
	L_TLS,
	L_DNS4U,
	L_DNS4T,
	L_DNS6U,
	L_DNS6T,
	L_N,
};

struct listeners {
	int fd[L_N]; /* -1: not wanted */
};

/* Waits up to wait_ms for addresses that a dying predecessor still holds. */
int listeners_open(
    struct listeners *l, const struct conf *c, unsigned wait_ms, struct err *e);
void listeners_close(struct listeners *l);

/* --- TLS
 * ------------------------------------------------------------------*/

/* What proxy/tls_msg.h says, sealed; -1 with an error that names the key. */
int tls_open(const struct conf *c, struct err *e);
bool tls_same(int a, int b);
/* Has coppice-proxyd look at it, which says on stderr what is wrong. */
int tls_check(int fd, const char *dir, struct err *e);

/* --- one child -------------------------------------------------------------*/

enum { SPEC_FDS_MAX = 8, SPEC_ARGS_MAX = 160 };

struct spec {
	const char *program; /* beside our own executable */
	const char *user;    /* NULL: uid 0, and may gain privileges */
	bool keys;	     /* gets COPPICE_API_KEYS* of the environment */
	const char *args[SPEC_ARGS_MAX];
	size_t nargs;
	struct {
		const char *name;
		int fd; /* stays the caller's */
	} fds[SPEC_FDS_MAX];
	size_t nfds;
};

void spec_arg(struct spec *s, const char *arg);
void spec_fd(struct spec *s, const char *name, int fd);
/* All users that children run as exist, or a sentence that says what to do. */
int spec_users(struct err *e);
pid_t spec_start(const struct spec *s, const char *dir, struct err *e);

/* --- before the first start ------------------------------------------------*/

/* state_dir and what is handed to users below it. */
int prepare_state(const struct conf *c, struct err *e);
/* Runs mktemplate, with its progress on our standard output. */
int prepare_template(const struct conf *c, struct err *e);

/*
 * Holds state_dir for us, for as long as we live: `coppice reload` finds us by
 * it, and a second coppiced does not start.  Waits as listeners_open() does.
 */
int prepare_lock(const struct conf *c, unsigned wait_ms, struct err *e);

/* --- another configuration
 * --------------------------------------------------*/

/* As at start: the file, the environment, and what our options say. */
int reload_conf(struct conf *c, const struct monitor_options *o);

/* "key=value" of what the file has otherwise and cannot change. */
struct kept {
	char *text[CONF_KEPT_MAX];
	size_t n;
};
void kept_find(
    struct kept *k, const struct conf *have, const struct conf *fresh);
void kept_fini(struct kept *k);

enum reload {
	RELOAD_BAD,	/* what is wrong has been said */
	RELOAD_NOTHING, /* no value is another */
	RELOAD_PROXY,	/* the way in takes it while it runs */
	RELOAD_SITE,	/* ... and privd something, too */
	RELOAD_ANEW,	/* all but coppice-proxyd must start again */
};
/* On success, c is what holds from now on. */
enum reload reload_read(
    struct conf *c, const struct monitor_options *o, struct stat *keys_file);
/* The contents of api_keys_file may be others than those of *was. */
bool keys_file_changed(const struct conf *c, struct stat *was);

/* --- all of them -----------------------------------------------------------*/

/* Runs until SIGTERM or SIGINT.  0, or -1 when it could not start. */
int monitor_run(
    const struct conf *c, const struct monitor_options *o, struct err *e);

#endif
