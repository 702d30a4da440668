/*
 * envd/start.h - POST /start: the template's command, kept running.
 *
 * Asked by the control plane alone, with the secret of /init.  The command
 * runs under the tag `_start`; then `ready` runs again and again until it
 * exits with 0.  Asked again for the same, it waits with whoever waits, or
 * answers at once.
 */
#ifndef ENVD_START_H
#define ENVD_START_H

#include "envd/envd.h"

enum {
	START_BODY_MAX = 256 * 1024,
	START_WITHIN_MS = 20000, /* where the request says nothing */
	START_WITHIN_MAX_MS = 600000,
	START_READY_MIN_MS = 10, /* between two looks, doubled each time */
	START_READY_MAX_MS = 200,
	START_AGAIN_MIN_MS = 1000, /* before it is started again, likewise */
	START_AGAIN_MAX_MS = 30000,
	START_CALM_MS =
	    60000,	      /* having lived so long, it begins at the least */
	START_TAIL_MAX = 400, /* of the last error output, in an answer */
};

void rest_start(struct http_req *r, struct envd *d);

#endif
