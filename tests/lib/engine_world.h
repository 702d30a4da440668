/* engine_world.h - an engine on a fake world, and how tests drive it. */
#ifndef TESTS_ENGINE_WORLD_H
#define TESTS_ENGINE_WORLD_H

#include "tests/lib/fake_priv.h"

struct engine_world {
	struct fake_world fake;
	struct loop *loop;
	struct engine *en;
	struct engine_conf cf;
	char dir[64];
	bool is_ready, is_lost;
	bool no_memory;	  /* of the next world_call() */
	bool auto_resume; /* of the next world_create() */
	/* Of engine_calls; ctx is this struct.  NULL: nobody listens. */
	void *(*on_logs)(void *ctx, const struct sb_record *r,
	    struct sb_ref ref, int fd, uint64_t after, struct err *e);
	void (*on_logs_stop)(void *ctx, void *conn);
};

/* A directory of its own with a template `base`; ends on failure. */
void world_begin(struct engine_world *w);
void world_end(struct engine_world *w);
/* An engine; returns when it has recovered. */
void world_start(struct engine_world *w);
/* Ends it as kill -9 would: nothing is said to anybody. */
void world_crash(struct engine_world *w);

/* Runs the loop until *what or for ms; returns *what. */
bool world_until(struct engine_world *w, const bool *what, unsigned ms);
void world_run(struct engine_world *w, unsigned ms);
/* So many rounds of the loop. */
void world_rounds(struct engine_world *w, unsigned n);

/* What came back. */
struct world_answer {
	bool done;
	struct err err;
	char id[SPAWN_ID_MAX];
	bool resumed;
	uint32_t gen;
	char code[64];
};
void world_create(struct engine_world *w, uint64_t timeout_s, bool pause,
    struct world_answer *a);
void world_call(struct engine_world *w, const char *id, enum sb_op op,
    uint64_t timeout_s, struct world_answer *a);
/* deny: a JSON list. */
void world_network(struct engine_world *w, const char *id, const char *deny,
    struct world_answer *a);
/* Rows of the store, read by a second connection. */
unsigned world_rows(struct engine_world *w);

#endif
