/* cmd/table.h - what show and verify share: a table that nft printed. */
#ifndef NETPOLICY_CMD_TABLE_H
#define NETPOLICY_CMD_TABLE_H

#include "nft/show.h"

/* NULL and "-" read standard input. */
int cmd_table_read(const char *path, struct nft_text *out, struct err *e);
/* The comment of a range that was shown, or taken from one that was. */
const char *cmd_why(const struct nft_shown *s, const struct np_ok_range *r);

#endif
