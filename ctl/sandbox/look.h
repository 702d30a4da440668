/*
 * look.h - what a sandbox's policy means and what the kernel counts by it,
 * for those who ask and change nothing.
 */
#ifndef SANDBOX_LOOK_H
#define SANDBOX_LOOK_H

#include "ctl/sandbox/sandbox.h"
#include "netpolicy/ir.h"

/* A policy as the compiler sees it, with the ranges that bound it. */
struct sb_view {
	const struct np_site *site; /* the engine's */
	struct np_ir ir;	    /* no pass has touched it */
	struct np_reach reach;
};

/*
 * Of a network object as it is stored, or as it came in a request; in the
 * latter, an internet flag that is not said is as open as PUT makes it.
 */
int sb_view_make(const struct engine *en, const struct sb_net *net,
    struct sb_view *out, struct err *e);
void sb_view_fini(struct sb_view *v);

/* Where the sandboxes' resolver is; n 0: not there. */
struct np_addr engine_resolver(const struct engine *en, enum np_family f);

/* st is NULL where the sandbox has no rules now (paused), or with e. */
typedef void (*sb_counted)(
    void *ctx, const struct rules_state *st, const struct err *e);
/* Calls done once, now or later. */
void engine_counters(
    struct engine *en, const char *id, sb_counted done, void *ctx);

/* v is gone after the call; none, without e, where there are no rules now. */
typedef void (*sb_flowed)(
    void *ctx, const struct rules_flow *v, uint32_t n, const struct err *e);
/* Calls done once, now or later. */
void engine_flows(struct engine *en, const char *id, sb_flowed done, void *ctx);

#endif
