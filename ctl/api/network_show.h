/* network_show.h - what the handlers of /network share. */
#ifndef API_NETWORK_SHOW_H
#define API_NETWORK_SHOW_H

#include <jansson.h>
#include <stdint.h>

struct call;
struct network_body;
struct rules_flow;
struct buf;

/* network_seen.c: one flow; gen is what is live. */
void out_flow(struct buf *b, const struct rules_flow *f, uint32_t gen);

/* Ends the call with 200, or 500 without memory; takes o. */
void call_json(struct call *c, json_t *o);

/*
 * network_dry.c: answers what the policy would close and open, and which live
 * flows it would cut.  Ends the call, now or later; takes what b owns.
 */
void dry_run(struct call *c, const char *id, struct network_body *b);

#endif
