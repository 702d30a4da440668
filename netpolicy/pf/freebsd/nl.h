/*
 * pf/freebsd/nl.h - requests to the kernel's generic netlink family `pfctl`,
 * and its answers.  For this directory and the programs that stand on it; not
 * for two threads at once.
 */
#ifndef PF_FREEBSD_NL_H
#define PF_FREEBSD_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "pf/freebsd/pfnl.h"

struct pf_nl {
	int fd;
	uint16_t family;
	uint64_t can; /* a bit for each command that the kernel has */
	uint32_t seq;
	char *room; /* for answers */
};

/* ERR_UNSUPPORTED where the kernel has no such family: is pf loaded? */
int pf_nl_open(struct pf_nl *nl, struct err *e);
void pf_nl_close(struct pf_nl *nl);
bool pf_nl_can(const struct pf_nl *nl, enum pfn_cmd cmd);

/* --- asking --------------------------------------------------------------- */

/* Some messages, one behind the other; the first failure is kept. */
struct pf_ask {
	struct pf_nl *nl;
	struct buf b;
	size_t start; /* of the message that is being written */
	size_t n;
	bool failed;
};

void pf_ask_init(struct pf_ask *a, struct pf_nl *nl);
void pf_ask_fini(struct pf_ask *a);
/* One more message. */
void pf_ask_cmd(struct pf_ask *a, enum pfn_cmd cmd);
void pf_ask_put(struct pf_ask *a, unsigned type, const void *p, size_t n);
void pf_ask_u8(struct pf_ask *a, unsigned type, uint8_t v);
void pf_ask_u16(struct pf_ask *a, unsigned type, uint16_t v);
void pf_ask_u32(struct pf_ask *a, unsigned type, uint32_t v);
void pf_ask_str(struct pf_ask *a, unsigned type, const char *s);
/* What follows, up to the end of the nest, belongs to this attribute. */
size_t pf_ask_nest(struct pf_ask *a, unsigned type);
void pf_ask_nest_end(struct pf_ask *a, size_t nest);

/* --- answers -------------------------------------------------------------- */

struct pf_attr {
	uint16_t type;
	const uint8_t *data;
	size_t len;
};

/* What is left to look at. */
struct pf_attrs {
	const uint8_t *data;
	size_t len;
};

bool pf_attr_next(struct pf_attrs *left, struct pf_attr *out);
struct pf_attrs pf_attr_nest(const struct pf_attr *a);
/* 0 where it is shorter. */
uint8_t pf_attr_u8(const struct pf_attr *a);
uint16_t pf_attr_u16(const struct pf_attr *a);
uint32_t pf_attr_u32(const struct pf_attr *a);
uint64_t pf_attr_u64(const struct pf_attr *a);
/* Cut at max - 1 bytes. */
void pf_attr_str(const struct pf_attr *a, char *to, size_t max);

typedef int pf_on_answer(void *arg, struct pf_attrs attrs, struct err *e);

/*
 * Sends all messages and hands each answer to `on` (NULL: there are none to
 * look at).  On the first that the kernel refuses, -1 with sys_errno; those
 * behind it have been tried, too.
 */
int pf_ask_send(struct pf_ask *a, pf_on_answer *on, void *arg, struct err *e);
/* One message whose answer is a list. */
int pf_ask_dump(struct pf_ask *a, pf_on_answer *on, void *arg, struct err *e);

#endif
