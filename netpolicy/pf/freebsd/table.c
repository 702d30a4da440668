/* table.c - tables by ioctl. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <net/if.h>
#include <netinet/in.h>
#include <net/pfvar.h>

#include "base/own.h"
#include "pf/freebsd/dev_int.h"

static void
name_table(struct pfr_table *t, const char *anchor, const char *table)
{
	memset(t, 0, sizeof(*t));
	(void)snprintf(t->pfrt_anchor, sizeof(t->pfrt_anchor), "%s", anchor);
	(void)snprintf(t->pfrt_name, sizeof(t->pfrt_name), "%s", table);
}

static void
put_addr(struct pfr_addr *to, const struct np_prefix *p)
{
	memset(to, 0, sizeof(*to));
	to->pfra_af = p->family == NP_V4 ? AF_INET : AF_INET6;
	to->pfra_net = p->len;
	np_addr_bytes(
	    (struct np_addr){ p->addr, p->family }, (uint8_t *)&to->pfra_u);
}

static struct pfr_addr *
make_addrs(const struct np_prefix *v, size_t n, struct err *e)
{
	struct pfr_addr *a = calloc(n + 1, sizeof(*a));

	if (a == NULL) {
		err_sys(e, "%zu addresses", n);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		put_addr(&a[i], &v[i]);
	return a;
}

int
pf_table_set(struct pf_dev *d, const char *anchor, const char *table,
    const struct np_prefix *v, size_t n, struct err *e)
{
	autofree struct pfr_addr *a = make_addrs(v, n, e);
	struct pfioc_table io = { .pfrio_buffer = a,
		.pfrio_esize = sizeof(*a),
		.pfrio_size = (int)n };

	if (a == NULL)
		return -1;
	name_table(&io.pfrio_table, anchor, table);
	if (ioctl(d->fd, DIOCRSETADDRS, &io) < 0)
		return err_sys(
		    e, "pf table <%s> of %s: %zu CIDRs", table, anchor, n);
	return 0;
}

int
pf_table_define(struct pf_dev *d, const char *anchor, const char *table,
    uint32_t ticket, const struct np_prefix *v, size_t n, struct err *e)
{
	autofree struct pfr_addr *a = make_addrs(v, n, e);
	struct pfioc_table io = { .pfrio_buffer = a,
		.pfrio_esize = sizeof(*a),
		.pfrio_size = (int)n,
		.pfrio_flags = PFR_FLAG_ADDRSTOO,
		.pfrio_ticket = ticket };

	if (a == NULL)
		return -1;
	name_table(&io.pfrio_table, anchor, table);
	io.pfrio_table.pfrt_flags = PFR_TFLAG_PERSIST;
	if (ioctl(d->fd, DIOCRINADEFINE, &io) < 0)
		return err_sys(
		    e, "pf table <%s> of %s: %zu CIDRs", table, anchor, n);
	return 0;
}

/* --- reading -------------------------------------------------------------- */

/* Asks until what is there fits into what was offered. */
static struct pfr_addr *
ask_addrs(struct pf_dev *d, struct pfioc_table *io, size_t *n, struct err *e)
{
	struct pfr_addr *a = NULL;
	int room = 64;

	for (;;) {
		struct pfr_addr *v = realloc(a, (size_t)room * sizeof(*v));

		if (v == NULL) {
			err_sys(e, "%d addresses", room);
			break;
		}
		a = v;
		io->pfrio_buffer = a;
		io->pfrio_esize = sizeof(*a);
		io->pfrio_size = room;
		if (ioctl(d->fd, DIOCRGETADDRS, io) < 0) {
			err_sys(e, "pf table <%s> of %s",
			    io->pfrio_table.pfrt_name,
			    io->pfrio_table.pfrt_anchor);
			break;
		}
		if (io->pfrio_size <= room) {
			*n = (size_t)io->pfrio_size;
			return a;
		}
		room = io->pfrio_size + 64;
	}
	free(a);
	return NULL;
}

static int
by_order(const void *x, const void *y)
{
	const struct np_prefix *a = x, *b = y;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return a->len < b->len ? -1 : a->len > b->len;
}

static struct np_prefix
read_addr(const struct pfr_addr *a)
{
	enum np_family f = a->pfra_af == AF_INET ? NP_V4 : NP_V6;

	return (struct np_prefix){
		np_addr_from_bytes(f, (const uint8_t *)&a->pfra_u).n, f,
		a->pfra_net
	};
}

int
pf_table_get(struct pf_dev *d, const char *anchor, const char *table,
    struct pf_addrs *out, bool *odd, struct err *e)
{
	struct pfioc_table io = { .pfrio_flags = 0 };
	autofree struct pfr_addr *a = NULL;
	size_t n = 0;

	*out = (struct pf_addrs){ .n = 0 };
	*odd = false;
	name_table(&io.pfrio_table, anchor, table);
	a = ask_addrs(d, &io, &n, e);
	if (a == NULL)
		return -1;
	out->v = calloc(n + 1, sizeof(*out->v));
	if (out->v == NULL)
		return err_sys(e, "%zu addresses", n);
	out->cap = n + 1;
	for (size_t i = 0; i < n; i++) {
		*odd = *odd || a[i].pfra_not != 0;
		out->v[out->n++] = read_addr(&a[i]);
	}
	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), by_order);
	return 0;
}

int
pf_table_names(struct pf_dev *d, const char *anchor, char (*names)[PFM_TABLE],
    size_t max, size_t *n, struct err *e)
{
	struct pfr_table t[PFM_TABLES_MAX];
	struct pfioc_table io = { .pfrio_buffer = t,
		.pfrio_esize = sizeof(t[0]),
		.pfrio_size = PFM_TABLES_MAX };

	*n = 0;
	name_table(&io.pfrio_table, anchor, "");
	if (ioctl(d->fd, DIOCRGETTABLES, &io) < 0) {
		if (errno == ESRCH || errno == ENOENT || errno == EINVAL)
			return 0; /* there is no such anchor */
		return err_sys(e, "pf tables of %s", anchor);
	}
	if (io.pfrio_size > PFM_TABLES_MAX)
		return err_set(e, ERR_CONFLICT, "anchor %s has %d tables",
		    anchor, io.pfrio_size);
	for (int i = 0; i < io.pfrio_size; i++) {
		/* One that only rules remember that are no more is none. */
		if ((t[i].pfrt_flags & PFR_TFLAG_ACTIVE) == 0)
			continue;
		if (*n < max)
			(void)snprintf(names[*n], PFM_TABLE, "%.*s",
			    PFM_TABLE - 1, t[i].pfrt_name);
		++*n;
	}
	return 0;
}

int
pf_table_count(struct pf_dev *d, const char *anchor, uint32_t *ntables,
    uint32_t *naddrs, struct err *e)
{
	struct pfr_tstats t[8];
	struct pfioc_table io = { .pfrio_buffer = t,
		.pfrio_esize = sizeof(t[0]),
		.pfrio_size = (int)countof(t) };

	*ntables = *naddrs = 0;
	name_table(&io.pfrio_table, anchor, "");
	if (ioctl(d->fd, DIOCRGETTSTATS, &io) < 0) {
		if (errno == ESRCH || errno == ENOENT || errno == EINVAL)
			return 0;
		return err_sys(e, "pf tables of %s", anchor);
	}
	*ntables = (uint32_t)io.pfrio_size;
	/* With so many it is not as we left it anyway. */
	if (io.pfrio_size > (int)countof(t))
		return 0;
	*ntables = 0;
	for (int i = 0; i < io.pfrio_size; i++) {
		if ((t[i].pfrts_t.pfrt_flags & PFR_TFLAG_ACTIVE) == 0)
			continue;
		++*ntables;
		*naddrs += (uint32_t)t[i].pfrts_cnt;
	}
	return 0;
}

int
pf_table_remove(
    struct pf_dev *d, const char *anchor, const char *table, struct err *e)
{
	struct pfr_table t;
	struct pfioc_table io = {
		.pfrio_buffer = &t, .pfrio_esize = sizeof(t), .pfrio_size = 1
	};

	name_table(&t, anchor, table);
	if (ioctl(d->fd, DIOCRDELTABLES, &io) < 0)
		return err_sys(e, "pf table <%s> of %s", table, anchor);
	return 0;
}

/* --- transactions --------------------------------------------------------- */

static const int sets[PF_TRANS_N] = { [PF_TRANS_FILTER] = PFN_SET_FILTER,
	[PF_TRANS_RDR] = PFN_SET_RDR,
	[PF_TRANS_TABLE] = PFN_SET_TABLE };

static int
trans(struct pf_dev *d, const char *anchor, unsigned long what,
    uint32_t tickets[PF_TRANS_N])
{
	struct pfioc_trans_e v[PF_TRANS_N];
	struct pfioc_trans io = {
		.size = PF_TRANS_N, .esize = sizeof(v[0]), .array = v
	};

	memset(v, 0, sizeof(v));
	for (size_t i = 0; i < PF_TRANS_N; i++) {
		v[i].rs_num = sets[i];
		v[i].ticket = tickets[i];
		(void)snprintf(v[i].anchor, sizeof(v[i].anchor), "%s", anchor);
	}
	if (ioctl(d->fd, what, &io) < 0)
		return -1;
	for (size_t i = 0; i < PF_TRANS_N; i++)
		tickets[i] = v[i].ticket;
	return 0;
}

int
pf_trans_begin(struct pf_dev *d, const char *anchor,
    uint32_t tickets[PF_TRANS_N], struct err *e)
{
	memset(tickets, 0, PF_TRANS_N * sizeof(*tickets));
	if (trans(d, anchor, DIOCXBEGIN, tickets) < 0)
		return err_sys(e, "pf anchor %s: begin", anchor);
	return 0;
}

int
pf_trans_commit(struct pf_dev *d, const char *anchor,
    uint32_t tickets[PF_TRANS_N], struct err *e)
{
	if (trans(d, anchor, DIOCXCOMMIT, tickets) < 0)
		return err_sys(e, "pf anchor %s: commit", anchor);
	return 0;
}

void
pf_trans_rollback(
    struct pf_dev *d, const char *anchor, uint32_t tickets[PF_TRANS_N])
{
	/* What cannot be taken back is never committed either. */
	(void)trans(d, anchor, DIOCXROLLBACK, tickets);
}
