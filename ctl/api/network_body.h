/* network_body.h - the network object of a request. */
#ifndef API_NETWORK_BODY_H
#define API_NETWORK_BODY_H

#include <jansson.h>

#include "base/buf.h"
#include "ctl/sandbox/sandbox.h"

struct network_body {
	struct sb_net net;
	struct sb_policy policy;
	enum sb_choice public_traffic;	      /* create only */
	char mask_host[SB_MASK_HOST_MAX + 1]; /* create only */
	char warning[512]; /* unknown members, "" if there are none */
};

/*
 * create: `body` holds the members network and allow_internet_access; else it
 * is the network object itself.  On failure nothing is left to free.
 */
int network_body_take(
    const json_t *body, bool create, struct network_body *out, struct err *e);
void network_body_fini(struct network_body *b);

#endif
