/*
 * privd.h - the two privileged processes: one program, one of them each time.
 *
 *	coppice-privd rules -f CONF [-k KEY=VALUE] [--remove]
 *	coppice-privd spawn -f CONF [-k KEY=VALUE]
 *
 * -k is said by coppiced of what cannot change while it runs, if the file has
 * another value by now.
 * Each runs its loop until its channels close or SIGTERM comes: 0 then, -1
 * with e when it could not start or found a message that does not fit.
 */
#ifndef PRIV_PRIVD_H
#define PRIV_PRIVD_H

#include "base/err.h"
#include "io/conf.h"

/* At SIGHUP, the ranges of the site are read again from path. */
int rules_main(const struct conf *cf, const char *path, struct err *e);
/* Deletes the table, if there is one. */
int rules_remove(const struct conf *cf, struct err *e);
int spawn_main(const struct conf *cf, struct err *e);

#endif
