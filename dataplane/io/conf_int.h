/* conf_int.h - the table of keys, for conf_change.c. */
#ifndef IO_CONF_INT_H
#define IO_CONF_INT_H

#include "io/conf.h"

size_t conf_nkeys(void);
const char *conf_key(size_t i);
/* Its value, with the lines of what has some. */
void conf_print_key(const struct conf *c, size_t i, FILE *to);
/* Not for lists, to which it would add. */
int conf_set_key(struct conf *c, size_t i, const char *value, struct err *e);

#endif
