/*
 * pf/freebsd/dev.h - FreeBSD's pf: tables, rules, states, in terms of ours.
 *
 * Two ways lead to it: /dev/pf for tables and transactions, and netlink for
 * rules and states.  A kernel that takes no rules by netlink (14.x) has them
 * loaded by pfctl(8), and states killed by it; see pf_dev_direct().
 */
#ifndef PF_FREEBSD_DEV_H
#define PF_FREEBSD_DEV_H

#include "pf/emit.h"
#include "pf/freebsd/nl.h"
#include "pf/rules.h"

struct pf_dev {
	int fd;
	struct pf_nl nl;
	bool direct; /* rules and kills without pfctl(8) */
};

int pf_dev_open(struct pf_dev *d, struct err *e);
void pf_dev_close(struct pf_dev *d);
/* From now on the descriptors are good for what is declared here alone. */
int pf_dev_confine(struct pf_dev *d, struct err *e);
/* DIOCSTART; nothing where it is enabled already. */
int pf_dev_start(struct pf_dev *d, struct err *e);
/* Is pf enabled? */
int pf_dev_running(struct pf_dev *d, bool *running, struct err *e);
/* 0: no limit, or none that can be asked for. */
int pf_dev_limit(
    struct pf_dev *d, enum pfn_limit pool, uint32_t *limit, struct err *e);

/* --- tables --------------------------------------------------------------- */

/* DIOCRSETADDRS: all at once.  sys_errno ESRCH: there is no such table. */
int pf_table_set(struct pf_dev *d, const char *anchor, const char *table,
    const struct np_prefix *v, size_t n, struct err *e);
/*
 * What it holds, IPv4 first, in order; *odd: entries with `!` besides.  *out
 * is the caller's.
 */
int pf_table_get(struct pf_dev *d, const char *anchor, const char *table,
    struct pf_addrs *out, bool *odd, struct err *e);
/* Names of the anchor's tables; at most max, *n how many there are. */
int pf_table_names(struct pf_dev *d, const char *anchor,
    char (*names)[PFM_TABLE], size_t max, size_t *n, struct err *e);

/* --- rules ---------------------------------------------------------------- */

/*
 * The anchor's rules and tables, all of them or, on failure, none: text is
 * what pf_emit_anchor() writes.  freebsd: 14 or 15, whose limits differ.
 */
int pf_load(struct pf_dev *d, const char *anchor, const char *text, size_t len,
    unsigned freebsd, struct err *e);

/*
 * What changes with every load of its rules, and mostly with its tables: the
 * root's are not looked at.
 */
struct pf_stamp {
	bool there;
	uint32_t filter, rdr; /* tickets */
	uint32_t nfilter, nrdr;
	uint32_t ntables, naddrs;
};

int pf_stamp(
    struct pf_dev *d, const char *anchor, struct pf_stamp *out, struct err *e);
/*
 * All rules and tables of the anchor ("": the root, its tables left out), as
 * the parser would have them; *out is the caller's.  odd: what is in rule
 * `line` of out cannot be said by our grammar; 0: nothing.  packets: by rule
 * of out->filter, NULL or the caller's to free.
 */
struct pf_found {
	struct pfm_ruleset rs;
	uint64_t *packets;
	bool odd;
	char why[128]; /* of odd: what, and where */
};

int pf_read(
    struct pf_dev *d, const char *anchor, struct pf_found *out, struct err *e);
/* The rules that filter, and what they counted, and no more. */
int pf_read_rules(
    struct pf_dev *d, const char *anchor, struct pf_found *out, struct err *e);
void pf_found_fini(struct pf_found *f);

/* How many anchors there are below `path`. */
int pf_count_children(
    struct pf_dev *d, const char *path, uint32_t *n, struct err *e);
/* The anchors below `path`: calls `on` with each name's last part. */
int pf_children(struct pf_dev *d, const char *path,
    int (*on)(void *arg, const char *name, struct err *e), void *arg,
    struct err *e);

/* --- states --------------------------------------------------------------- */

/* Both ends; [0] is the nearer one, seen from the interface. */
struct pf_key {
	struct np_addr addr[2];
	uint16_t port[2];
};

struct pf_state {
	uint64_t id; /* network order, as the kernel has it */
	uint32_t creator;
	char ifname[PFM_IF];
	enum pfm_dir dir;
	uint8_t proto;
	uint8_t src_state, dst_state; /* of TCP; else of the protocol */
	struct pf_key wire, stack;
	uint32_t expire_s;
	uint64_t packets[2], bytes[2]; /* with the flow, against it */
};

typedef int pf_on_state(void *arg, const struct pf_state *s, struct err *e);

/* Each state that has an address of this prefix at some end. */
int pf_states_of(struct pf_nl *nl, const struct np_prefix *p, pf_on_state *on,
    void *arg, struct err *e);

/* *killed: how many went is added to it. */
struct pf_state_id {
	uint64_t id;
	uint32_t creator;
};
int pf_kill_ids(struct pf_dev *d, const struct pf_state_id *v, size_t n,
    uint32_t *killed, struct err *e);

/* --- pfctl(8) ------------------------------------------------------------- */

/* Runs it with `text` as its input (NULL: none); its complaint is the error. */
int pf_ctl(
    const char *const argv[], const char *text, size_t len, struct err *e);

#endif
