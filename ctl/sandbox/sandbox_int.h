/* sandbox_int.h - the structs, for this directory only. */
#ifndef SANDBOX_SANDBOX_INT_H
#define SANDBOX_SANDBOX_INT_H

#include "ctl/sandbox/deadline.h"
#include "ctl/sandbox/denials.h"
#include "ctl/sandbox/logs.h"
#include "ctl/sandbox/plan.h"
#include "ctl/sandbox/pool.h"
#include "ctl/sandbox/sandbox.h"
#include "ctl/sandbox/slots.h"
#include "io/job.h"

/* A request that waits for the plan under way. */
struct sb_wait {
	struct sb_wait *next;
	char id[SPAWN_ID_MAX];
	struct sb_call call;
	unsigned rounds; /* how many plans it has waited for */
	bool began;	 /* the plan was its idea */
	bool joined;	 /* ... or does what it wants anyway */
};

/* Who waits for a policy that is sent again. */
enum again { AGAIN_NOBODY, AGAIN_RECOVERY, AGAIN_ALL };

struct net_op {
	struct net_op *next;
	struct engine *en;
	struct sb_ref ref;
	char id[SPAWN_ID_MAX];
	struct sb_net net;
	struct sb_policy policy;
	uint32_t gen;
	bool again; /* the policy that holds, once more: nobody asked */
	bool birth;
	enum again after; /* ... and who waits for it */
	sb_done done;
	void *ctx;
};

struct sandbox {
	struct engine *en;
	struct sb_ref ref;
	struct sandbox *hash_next;
	struct sb_record r;

	struct plan plan;
	bool busy; /* a plan is under way */
	bool kill_later, died;
	const char *kill_reason;

	struct deadline deadline;
	struct sb_wait *waits, **wait_tail;
	struct net_op *net_head, **net_tail;
	struct net_op *net_now; /* under way in the kernel */
	struct sb_carried carried;
	bool net_failed; /* the policy that holds did not get there */
	bool cut_busy;	 /* cut.c looks at its sockets */
	bool cut_again;	 /* ... and has to look once more */
	bool cut_due;	 /* ... if the update under way fails */

	/* Being created. */
	struct sb_policy policy;
	sb_done create_done;
	void *create_ctx;
	uint32_t queue_next; /* of those that wait for slots: index, or 0 */
	uint64_t resume_timeout_s;
	int64_t resume_started_ms, resume_end_ms; /* if it fails */

	int init_fd; /* a socket inside, -1 if none */
	bool starting;
	struct mono init_since;
	struct loop_timer init_again;
	unsigned init_tries;

	/* The warm pool; see pool.c. */
	bool member;   /* nobody's yet: no row, no route, no rules */
	bool claimed;  /* ... and then somebody's */
	bool given_up; /* it still has a slot, but not for long */
	struct sandbox *pool_next;
	struct loop_io kept; /* the connection to its envd, fd -1 if none */
	struct mono kept_at;
	uint64_t warm_cpu_us;
	unsigned claim_left; /* answers that the claim waits for */
	struct err claim_err;

	struct sb_denials denials;
	struct sb_metrics metrics;
	struct sb_logs logs;
	bool stats_asked;
	uint64_t mem_counted; /* bytes, in the engine's sum */
	struct sb_cache cache;
	/* Recovery. */
	bool found, has_files;
};

enum { HASH_SIZE = 1 << 15 };

struct engine {
	struct loop *loop;
	struct engine_conf cf;
	struct engine_calls calls;
	struct store *store;
	struct templates templates;
	struct chan rules, spawn;
	struct seqpkt route;
	struct seqpkt denials; /* from egressd */
	int log_fd;	       /* the kernel's copies of denied packets */
	struct slots slots;
	struct deadlines deadlines;
	struct loop_timer timer;   /* the first deadline */
	struct loop_timer sampler; /* metrics */
	struct loop_timer keeper;  /* prunes and checkpoints */
	struct logs logs;	   /* lines on their way to the store */
	uint32_t sample_at;
	uint64_t keeper_ticks;
	struct job_pool *jobs;
	bool checkpointing;

	/* By index, 1..n; a free one's ref.gen is kept. */
	struct sandbox **v;
	uint32_t *gens;
	uint32_t n, cap;
	uint32_t *free_index;
	uint32_t nfree;
	struct sandbox *hash[HASH_SIZE];
	uint32_t *by_slot; /* index of the tenant, 0 if none */
	/* Those that wait for a slot. */
	uint32_t queue_first, queue_last, nqueue;

	struct pool pool;

	struct {
		uint32_t next, reserved;
	} counter[STORE_NCOUNTERS];
	struct np_site site; /* as privd rules has it */
	struct cut *cuts;
	struct cut_wait *cut_first, **cut_last; /* after privd was away */
	uint64_t mem_used;
	uint32_t nrunning, npaused;

	/* Recovery; see reclaim.c. */
	bool ready, rules_hello, spawn_hello, found_end, rebuilt;
	uint32_t max_gen, rules_slots;
	struct spawn_found *found;
	size_t nfound, capfound;
	uint32_t outstanding;

	/* All policies once more: how many are left, how many failed. */
	bool again_due; /* as soon as recovery is over */
	uint32_t again_left, again_failed, again_all;
	struct mono again_since;
};

/* registry.c */
struct sandbox *registry_add(struct engine *en, const char *id, struct err *e);
void registry_remove(struct sandbox *sb);
struct sandbox *registry_get(struct engine *en, struct sb_ref ref);
struct sandbox *registry_by_id(struct engine *en, const char *id);
/* The one writer of r.slot. */
void registry_slot(struct sandbox *sb, struct spawn_ref slot);
struct sandbox *registry_by_slot(struct engine *en, struct spawn_ref slot);
void registry_fini(struct engine *en);

/* lifecycle.c: the one writer of state */
int sandbox_event(struct sandbox *sb, enum sb_event ev, struct err *e);
void sandbox_plan(struct sandbox *sb, const struct step *steps, size_t n);
/* The step under way is over; badly if e. */
void sandbox_step_over(struct sandbox *sb, const struct err *e);
void sandbox_touch(struct sandbox *sb);
void sandbox_die(struct sandbox *sb);
void sandbox_kill(struct sandbox *sb, const char *reason);
void sandbox_gone(struct sandbox *sb);
/* A lifecycle event, in the transaction that is open. */
int sandbox_note(struct sandbox *sb, const char *what, const char *message,
    const char *data, struct err *e);
/* One transaction: the row as of `state`, and an event unless what is NULL. */
int sandbox_save(struct sandbox *sb, enum sb_state state, const char *what,
    const char *message, struct err *e);
/* Both take w. */
void wait_answer(
    struct sb_wait *w, struct sandbox *sb, const struct err *e, bool resumed);
void wait_add(struct sandbox *sb, struct sb_wait *w);

/* call.c */
void call_try(struct sandbox *sb, struct sb_wait *w);
int sb_busy(const struct sandbox *sb, struct err *e);

/* steps.c: what plans are made of */
enum step_rc step_slot(void *obj, struct err *e);
void undo_slot(void *obj);
void undo_slot_kept(void *obj);
enum step_rc step_drop(void *obj, struct err *e);
enum step_rc step_rules(void *obj, struct err *e);
enum step_rc step_spawn(void *obj, struct err *e);
enum step_rc step_spawn_kept(void *obj, struct err *e);
enum step_rc step_init(void *obj, struct err *e);
/* The template's command, if it has one. */
enum step_rc step_start(void *obj, struct err *e);
/* The policy, as a birth; done ends what waits for it. */
int rules_send(struct sandbox *sb, chan_done done, struct err *e);
/* Out of the line of those that wait for slots. */
void queue_drop(struct sandbox *sb);
enum step_rc step_freeze(void *obj, struct err *e);
void undo_freeze(void *obj);
enum step_rc step_thaw(void *obj, struct err *e);
void undo_thaw(void *obj);
void init_stop(struct sandbox *sb);
void slots_came(void *ctx);
/* One TCP socket made inside; its reply has the descriptor. */
int ask_socket(struct sandbox *sb, chan_done done, struct err *e);
/* A reply of which only rc matters ends the step. */
void step_reply(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r);

/* create.c pause.c resume.c kill.c */
int capacity_check(struct engine *en, const char **code, struct err *e);
void create_over(struct sandbox *sb, const struct err *e);
enum step_rc create_store(void *obj, struct err *e);
enum step_rc create_route(void *obj, struct err *e);
void create_cold(struct engine *en, struct sb_create *c);
/* Gives a new sandbox its tokens. */
int create_tokens(struct sb_create *c, struct err *e);
void pause_begin(struct sandbox *sb, bool memory);
void run_again(struct sandbox *sb, const struct err *e);
void resume_begin(struct sandbox *sb, uint64_t timeout_s, bool memory);
void resume_failed(struct sandbox *sb);
void kill_begin(struct sandbox *sb);
void kill_cleared(void *ctx, struct spawn_ref who);

/* time.c */
void time_init(struct engine *en);
void deadline_from_end(struct sandbox *sb);
void deadline_in(struct sandbox *sb, uint64_t ms);
void deadline_none(struct sandbox *sb);
int time_set(struct sandbox *sb, uint64_t s, struct err *e);
int time_extend(struct sandbox *sb, uint64_t s, struct err *e);

/* network.c */
/* The policy that holds, once more. */
void network_again(struct sandbox *sb, bool birth, enum again after);
void network_end(struct sandbox *sb);
void network_drop(struct sandbox *sb);

/* cut.c: ends the connected sockets that the policy in force denies */
/* now: the sandbox's policy has just been tightened; else in turn. */
void cut_begin(struct sandbox *sb, bool now);
void cut_fini(struct engine *en);

/* denials.c */
/* `old`, which is taken, was the policy up to here; gen is the next one's. */
void denials_policy(struct sandbox *sb, struct sb_net *old, uint32_t gen);
/* What holds in the kernel is not what the record says, or not surely. */
void denials_unsure(struct sandbox *sb);
/* It does again, from this generation on. */
void denials_again(struct sandbox *sb, uint32_t gen);
void denials_tick(struct sandbox *sb);
void denials_fini(struct sandbox *sb);
void denials_source(struct engine *en, int fd); /* takes fd */
void denials_close(struct engine *en);

/* way_in.c: the table of coppice-proxyd */
void way_in_set(struct sandbox *sb, enum sb_state as);
void way_in_del(struct sandbox *sb);
/* What proxyd says; false if it is not a message that fits. */
bool way_in_take(struct engine *en, const void *msg, size_t len);
void way_in_all(struct engine *en);

/* logs.c */
void logs_init(struct engine *en);
void logs_fini(struct engine *en);
void logs_new(struct sandbox *sb);
/* It runs: listen to what is said inside, soon. */
void logs_begin(struct sandbox *sb, bool one_of_many);
void logs_stop(struct sandbox *sb);

/* sampler.c keeper.c */
void sampler_init(struct engine *en);
void sampler_forget(struct sandbox *sb);
void count_memory(struct sandbox *sb, uint64_t bytes);
void keeper_init(struct engine *en);

/* reclaim.c */
int reclaim_begin(struct engine *en, struct err *e);
void reclaim_event(
    struct engine *en, uint16_t type, const void *body, size_t len);
void reclaim_one_less(struct engine *en);

/* counters.c */
uint32_t counter_next(struct engine *en, enum store_counter c, struct err *e);
int counter_init(
    struct engine *en, enum store_counter c, uint32_t first, struct err *e);

/* engine.c */
/* Every policy once more: the table or the operator's ranges are others. */
void engine_apply_again(struct engine *en);
bool sandbox_visible(const struct sandbox *sb);
void engine_db_path(const struct engine_conf *cf, char *to, size_t cap);

#endif
