/*
 * envd/envd.h - the daemon inside a sandbox: what its parts share.
 *
 * One process, one thread, pid 1 of the sandbox.  Everything it is told comes
 * from the host's boot record, from POST /init and from requests.
 */
#ifndef ENVD_ENVD_H
#define ENVD_ENVD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/server.h"
#include "io/loop.h"

#define ENVD_VERSION "0.6.13"
#define ENVD_DEFAULT_PATH                                                      \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
	ENVD_PORT = 49983,
	ENVD_ID_MAX = 64,
	ENVD_SECRET_TEXT = 65, /* 64 hexadecimal digits and a terminator */
	ENVD_USER_MAX = 64,
	ENVD_GROUPS_MAX = 256,
	ENVD_CONNS_MAX = 8192,
	ENVD_PROCS_MAX = 4096,
	ENVD_MESSAGE_MAX = 32 * 1024 * 1024, /* one request message */
	ENVD_LISTING_MAX = 32 * 1024 * 1024, /* one reply message */
	ENVD_VARS_MAX = 4096,
};

struct user {
	char name[ENVD_USER_MAX];
	char home[PATH_MAX];
	uid_t uid;
	gid_t gid;
	gid_t groups[ENVD_GROUPS_MAX];
	size_t ngroups;
};

/* NAME=value, as execve wants it. */
struct vars {
	char **v;
	size_t n;
};

/* What the host says before it lets go of us; fixed from then on. */
struct boot {
	char id[ENVD_ID_MAX];
	char template_id[ENVD_ID_MAX];
	char secret[ENVD_SECRET_TEXT]; /* "" refuses every /init */
	uint32_t cpu;
	uint64_t memory_mb, disk_mb;
};

struct metrics_last {
	uint64_t cpu_us;
	struct mono at;
};

struct envd {
	struct loop *loop;
	struct http_server *http;
	struct boot boot;
	char *token; /* NULL: everything is open */
	char default_user[ENVD_USER_MAX];
	char *default_workdir; /* NULL: the user's home */
	struct vars internal;  /* E2B_...; nobody overrides them */
	struct vars user_vars; /* from /init */
	char *init_timestamp;  /* of the last /init that was taken */
	char *ca_bundle;
	struct rlimit nofile; /* as we were started, for our children */
	struct metrics_last metrics;
	struct procs *procs;
	struct watches *watches;
	struct journal *journal;
	struct start *start; /* NULL until it is asked for */
};

/* boot.c: reads `key=value` lines to the end; fd stays the caller's. */
int boot_read(struct boot *b, int fd, struct err *e);
int boot_files(const struct boot *b, struct err *e);

/* vars.c */
void vars_free(struct vars *v);
/* Sets or replaces; -1 without memory. */
int vars_set(struct vars *v, const char *name, const char *value);
const char *vars_get(const struct vars *v, const char *name);

/* users.c: names from the sandbox's /etc/passwd and /etc/group, read anew
 * when they change; no libc lookup. */
/* ERR_AUTH if there is none of that name. */
int user_find(const char *name, struct user *out, struct err *e);
const char *user_name(uid_t uid, char to[ENVD_USER_MAX]);
const char *group_name(gid_t gid, char to[ENVD_USER_MAX]);

/* path.c: what a request's path means (reference B.1.3). */
int path_resolve(const char *in, const char *home, const char *workdir,
    char out[PATH_MAX], struct err *e);
/* An absolute path without `.`, `..`, and slashes too many. */
void path_clean(char path[PATH_MAX]);
/* Last element, trailing slashes ignored; into to. */
const char *path_base(const char *path, char to[NAME_MAX + 1]);
/* Makes what is missing above path (and path itself, if `self`), 0755 and
 * owned by the user. */
int path_make_parents(
    const char *path, const struct user *u, bool self, struct err *e);

/* route.c */
void envd_on_request(struct http_req *r, void *ctx);
void envd_on_bad_request(
    int status, const char *why, struct buf *out, void *ctx);
/* Constant time; lengths may show. */
bool same_secret(const char *a, const char *b);
/* The REST error body, {"code":..,"message":..}. */
void rest_fail(struct http_req *r, int status, const char *fmt, ...)
    PRINTF(3, 4);
/*
 * The user of a request: given (a name), else Basic authorization, else the
 * default.
 */
int request_user(
    struct envd *d, struct http_req *r, struct user *out, struct err *e);
/* It carries the secret of the boot record: the control plane asks. */
bool from_control(const struct http_req *r, const struct envd *d);
/* The daemon's default user. */
int default_user(const struct envd *d, struct user *out, struct err *e);

/* rest.c, init.c, metrics.c, journal.c */
void rest_health(struct http_req *r, struct envd *d);
void rest_envs(struct http_req *r, struct envd *d);
void rest_init(struct http_req *r, struct envd *d);
void rest_metrics(struct http_req *r, struct envd *d);
void rest_logs(struct http_req *r, struct envd *d);

/* files_get.c, files_put.c, compose.c */
void files_get(struct http_req *r, struct envd *d);
void files_put(struct http_req *r, struct envd *d);
void files_compose(struct http_req *r, struct envd *d);

#endif
