/* io/place.h - where things are on this system; linux/ or freebsd/. */
#ifndef IO_PLACE_H
#define IO_PLACE_H

#include <stddef.h>

#include "base/err.h"

extern const char place_conf[];	 /* the configuration, without -f */
extern const char place_state[]; /* state_dir, if the configuration is silent */

extern const char place_setup[]; /* what makes the users of our processes */

/* The directory that our own executable lies in, without a final slash. */
int place_self(char *to, size_t cap, struct err *e);

#endif
