/*
 * fake_priv.h - both privds and coppice-proxyd in memory, in the test's own
 * loop.  The world outlives the channels, so that a test may end the engine
 * anywhere and start another.
 */
#ifndef TESTS_FAKE_PRIV_H
#define TESTS_FAKE_PRIV_H

#include <stdbool.h>

#include "ctl/priv/rules_msg.h"
#include "ctl/priv/spawn_msg.h"
#include "ctl/sandbox/sandbox.h"
#include "io/seqpkt.h"

enum { FAKE_SLOTS = 64, FAKE_ROUTES = 256, FAKE_SOCKETS = 600 };

enum fake_step { /* what may be told to fail */
	FAKE_NOTHING,
	FAKE_RULES_SLOTS,
	FAKE_APPLY,
	FAKE_CLEAR,
	FAKE_SLOTS_ASK,
	FAKE_SLOT,
	FAKE_CREATE,
	FAKE_INIT, /* the POST to envd; see fake_envd() */
	FAKE_START,
	FAKE_KILL,
	FAKE_FREEZE,
	FAKE_THAW,
};

struct fake_slot {
	struct spawn_ref ref; /* incarnation 0: nothing there */
	char id[SPAWN_ID_MAX];
	bool tenant, frozen, had_rules; /* rules were there before processes */
	uint32_t gen;			/* live; 0: closed */
	uint32_t nallow, ndeny;
	bool deny_all, no_internet, birth;
};

struct fake_world {
	struct loop *loop;
	struct fake_slot slot[FAKE_SLOTS + 1];
	char files[FAKE_SLOTS][SPAWN_ID_MAX]; /* kept without processes */
	uint32_t rules_slots, max_gen;
	struct {
		char id[SPAWN_ID_MAX];
		uint8_t state;
	} route[FAKE_ROUTES];
	size_t nroutes;
	unsigned woke; /* answers to fake_wake() */
	uint16_t woke_status;
	bool synced;
	/* The nth call of this kind fails, once; or all of them. */
	enum fake_step fail;
	unsigned fail_after;
	bool fail_always;
	bool refuse_connect; /* envd is not there: init answers 0 */
	bool rebuilt;
	bool hold_freeze; /* FREEZE is answered by fake_let_go() */
	bool hold_thaw, hold_apply;
	bool hold_sockets; /* SOCKETS is, by fake_let_go_of(w, &w->spawn) */
	/* What is connected inside any sandbox; and what was to be cut. */
	struct spawn_socket sockets[FAKE_SOCKETS], cut[FAKE_SOCKETS];
	uint32_t nsockets, ncut;
	uint32_t revoked; /* by every APPLY */
	unsigned asked[SPAWN_NTYPES], applied;
	unsigned ninits, nstarts;
	struct engine *en; /* for fake_init() */
	struct fake_held *held;
	struct seqpkt rules, spawn, proxy;
};

void fake_begin(struct fake_world *w, struct loop *l);
/* Ends for an engine; the world's are connected. */
struct engine_fds fake_connect(struct fake_world *w);
/* As if the engine's process had died: the channels close. */
void fake_disconnect(struct fake_world *w);
void fake_let_go(struct fake_world *w);
/* Only what one of the two privds holds back. */
void fake_let_go_of(struct fake_world *w, const struct seqpkt *who);
/* engine_calls.envd: 204 in the next round; keeps fd where it is to be. */
int fake_envd(void *ctx, const struct envd_ask *q, struct err *e);
/* Its init ends by itself. */
void fake_die(struct fake_world *w, const char *id);
/* The host reboots: no processes; files of frozen ones are kept. */
void fake_reboot(struct fake_world *w);
void fake_lose_rules(struct fake_world *w);
/* The operator's ranges are others: privd says so. */
void fake_new_site(struct fake_world *w);

struct fake_slot *fake_find(struct fake_world *w, const char *id);
unsigned fake_tenants(const struct fake_world *w);
unsigned fake_live(const struct fake_world *w); /* slots with open rules */
unsigned fake_files(const struct fake_world *w);
/* -1 if there is none, else its state. */
int fake_route(const struct fake_world *w, const char *id);
/* A request waits for it at the way in. */
void fake_wake(struct fake_world *w, const char *id);

#endif
