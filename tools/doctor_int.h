/* doctor_int.h - coppice doctor: it looks only, and changes nothing. */
#ifndef DOCTOR_INT_H
#define DOCTOR_INT_H

#include "base/err.h"

enum verdict { OK, NOTE, BAD };

/* One line; a BAD one makes the command's status 1. */
void doctor_say(enum verdict v, const char *what, const char *fmt, ...)
    PRINTF(3, 4);

/* linux/ or freebsd/: kernel, limits, settings, rules of others. */
void doctor_host(void);

#endif
