/* base/name.h - host names and the patterns that a policy may hold. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>

enum { NP_NAME_BYTES = 253, NP_LABEL_BYTES = 63 };

/*
 * A host name (letters, digits, '-' and '_'; labels of 1 to 63 bytes that
 * neither start nor end with '-'; one final dot is nothing), `*`, or `*.` and
 * a host name.  Not one whose last label is a number: resolvers of old read
 * 1.2.3 and 0x7f.1 as addresses.
 */
bool np_name_pattern_ok(const char *s);

#endif
