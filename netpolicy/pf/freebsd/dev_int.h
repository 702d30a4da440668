/* pf/freebsd/dev_int.h - what dev.h stands on.  For this directory only. */
#ifndef PF_FREEBSD_DEV_INT_H
#define PF_FREEBSD_DEV_INT_H

#include "pf/freebsd/dev.h"

/* Of one anchor, and all or nothing. */
enum { PF_TRANS_FILTER, PF_TRANS_RDR, PF_TRANS_TABLE, PF_TRANS_N };

int pf_trans_begin(struct pf_dev *d, const char *anchor,
    uint32_t tickets[PF_TRANS_N], struct err *e);
int pf_trans_commit(struct pf_dev *d, const char *anchor,
    uint32_t tickets[PF_TRANS_N], struct err *e);
void pf_trans_rollback(
    struct pf_dev *d, const char *anchor, uint32_t tickets[PF_TRANS_N]);
/* Within a transaction. */
int pf_table_define(struct pf_dev *d, const char *anchor, const char *table,
    uint32_t ticket, const struct np_prefix *v, size_t n, struct err *e);

/* How many tables the anchor has, and addresses in all of them. */
int pf_table_count(struct pf_dev *d, const char *anchor, uint32_t *ntables,
    uint32_t *naddrs, struct err *e);
int pf_table_remove(
    struct pf_dev *d, const char *anchor, const char *table, struct err *e);

/* An address and a mask, as 16 bytes each; family 0: anything. */
void pf_put_bytes(struct pf_ask *a, unsigned addr_type, unsigned mask_type,
    const struct np_prefix *p);
void pf_put_prefix(struct pf_ask *a, const struct np_prefix *p);

#endif
