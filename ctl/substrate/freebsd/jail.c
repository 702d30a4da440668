#include "ctl/substrate/substrate.h"

#include <string.h>

/* The jail driver does not exist yet: each function says so. */

static int
none(struct err *e)
{
	return err_set(
	    e, ERR_UNSUPPORTED, "sandboxes of FreeBSD jails are not built yet");
}

int
sub_open(const struct conf *cf, const char *envd_path, struct substrate **out,
    struct err *e)
{
	(void)cf;
	(void)envd_path;
	*out = NULL;
	return none(e);
}

int
sub_scan(struct substrate *s,
    void (*found)(void *arg, const struct sub_found *f), void *arg,
    struct err *e)
{
	(void)s;
	(void)found;
	(void)arg;
	return none(e);
}

int
sub_confine(struct substrate *s, struct err *e)
{
	(void)s;
	return none(e);
}

void
sub_close(struct substrate *s)
{
	(void)s;
}

const char *
sub_disk_text(const struct substrate *s)
{
	(void)s;
	return "none";
}

const char *
sub_limits_text(const struct substrate *s)
{
	(void)s;
	return "none";
}

int
sub_make(struct substrate *s, struct spawn_ref ref, int *answer, pid_t *helper,
    struct err *e)
{
	(void)s;
	(void)ref;
	*answer = -1;
	*helper = -1;
	return none(e);
}

int
sub_made(int answer, struct sub_unit *u, struct err *e)
{
	(void)answer;
	(void)u;
	return none(e);
}

int
sub_begin(struct substrate *s, struct sub_unit *u, const struct spawn_create *c,
    struct err *e)
{
	(void)s;
	(void)u;
	(void)c;
	return none(e);
}

int
sub_begun(struct sub_unit *u, struct err *e)
{
	(void)u;
	return none(e);
}

void
sub_settle(struct substrate *s)
{
	(void)s;
}

int
sub_sockets(struct substrate *s, const struct sub_unit *u, uint32_t family,
    uint32_t n, int *fds, struct err *e)
{
	(void)s;
	(void)u;
	(void)family;
	(void)n;
	(void)fds;
	return none(e);
}

int
sub_connected(struct substrate *s, const struct sub_unit *u,
    struct spawn_socket **out, uint32_t *n, struct err *e)
{
	(void)s;
	(void)u;
	*out = NULL;
	*n = 0;
	return none(e);
}

int
sub_cut(struct substrate *s, const struct sub_unit *u,
    const struct spawn_socket *v, uint32_t n, uint32_t *ncut, struct err *e)
{
	(void)s;
	(void)u;
	(void)v;
	(void)n;
	*ncut = 0;
	return none(e);
}

int
sub_stats(struct substrate *s, const struct sub_unit *u, const char *id,
    struct spawn_stats *out, struct err *e)
{
	(void)s;
	(void)u;
	(void)id;
	memset(out, 0, sizeof(*out));
	return none(e);
}

int
sub_capture(struct substrate *s, const struct sub_unit *u, const char *id,
    int *stream, pid_t *helper, struct err *e)
{
	(void)s;
	(void)u;
	(void)id;
	*stream = -1;
	*helper = -1;
	return err_set(
	    e, ERR_UNSUPPORTED, "captures are not supported on FreeBSD yet");
}

int
sub_freeze(
    struct substrate *s, const struct sub_unit *u, bool freeze, struct err *e)
{
	(void)s;
	(void)u;
	(void)freeze;
	return none(e);
}

int
sub_frozen(struct substrate *s, const struct sub_unit *u, struct err *e)
{
	(void)s;
	(void)u;
	return none(e);
}

int
sub_kill(struct substrate *s, const struct sub_unit *u, struct err *e)
{
	(void)s;
	(void)u;
	return none(e);
}

void
sub_reap(struct sub_unit *u)
{
	(void)u;
}

int
sub_keep(struct substrate *s, const char *id, bool keep, struct err *e)
{
	(void)s;
	(void)id;
	(void)keep;
	return none(e);
}

int
sub_clean(struct substrate *s, const struct sub_scrap *scraps, size_t n,
    pid_t *helper, struct err *e)
{
	(void)s;
	(void)scraps;
	(void)n;
	*helper = -1;
	return none(e);
}

int
sub_sync(struct substrate *s, const char *id, pid_t *helper, struct err *e)
{
	(void)s;
	(void)id;
	*helper = -1;
	return none(e);
}
