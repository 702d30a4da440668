/*
 * rulesclient.h - the other end of `coppice-privd rules`, for tests: starts
 * one, asks, waits for the answer.  Whatever goes wrong ends the test.
 */
#ifndef TESTS_RULESCLIENT_H
#define TESTS_RULESCLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/priv/rules_msg.h"

enum { RC_ENTRIES_MAX = 20000, RC_PORTS_MAX = 512 };

struct rc {
	int fd;
	pid_t pid;
	uint32_t seq;
	unsigned nlost; /* RULES_EV_LOST seen */
	unsigned nsite; /* RULES_EV_SITE */
};

struct rc_policy {
	uint32_t nallow, ndeny;
	bool deny_all, no_internet;
	struct rules_entry v[RC_ENTRIES_MAX]; /* allow, then deny */
	uint32_t nports;
	struct rules_port ports[RC_PORTS_MAX];
};

/* bin: a program; conf: its -f, or NULL. */
void rc_start(struct rc *c, const char *bin, const char *conf);
/* By SIGTERM; its exit status. */
int rc_stop(struct rc *c);

/* The reply; fd may be -1. */
struct rules_reply rc_ask(
    struct rc *c, uint16_t type, const void *body, size_t len, int fd);
/* Notes events that have arrived; waits for one up to ms. */
void rc_events(struct rc *c, int ms);
/* Sends these bytes as they are, with a descriptor unless fd is -1. */
void rc_raw(struct rc *c, const void *msg, size_t len, int fd);

struct rules_reply rc_slots(struct rc *c, uint32_t first, uint32_t n);
struct rules_reply rc_clear(struct rc *c, uint32_t slot);
struct rules_reply rc_prepare(struct rc *c, uint32_t slot);
struct rules_reply rc_state(struct rc *c, uint32_t slot);
struct rules_reply rc_apply(struct rc *c, uint32_t slot, uint32_t gen,
    bool birth, const struct rc_policy *p);

/*
 * One word of a policy: "+PREFIX" allows, "-PREFIX" denies, "deny-all",
 * "no-internet"; "+tcp/80" and "-udp/1-1023" allow and deny ports.  Allowed
 * prefixes come before denied ones.
 */
void rc_word(struct rc_policy *p, const char *word);
/* None of the above: everything is open. */
void rc_policy_clear(struct rc_policy *p);

#endif
