/* io/log.h - one line an event: what.happened key=value. */
#ifndef IO_LOG_H
#define IO_LOG_H

#include "base/err.h"

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG };

/*
 * Time, level, process and pid are put in front.  Never fails, keeps errno,
 * counts repeats of the same line instead of printing them.  Goes to standard
 * error.  Called from the loop's thread only.
 */
void log_open(const char *process, enum log_level upto);
int log_level_from(const char *name, enum log_level *out);

void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);

#endif
