/* pf/model_int.h - the model's inside.  For this directory only. */
#ifndef PF_MODEL_INT_H
#define PF_MODEL_INT_H

#include "pf/model.h"

struct pfm_anchor {
	struct pfm_ruleset rs;
	uint64_t loaded; /* counts loads: rules of each are new ones */
};

struct pf_model {
	unsigned freebsd;
	struct pfm_if *ifs;
	size_t nifs;
	struct pfm_anchor root;
	struct pfm_anchor *anchors; /* by name, as pf calls them */
	size_t nanchors;
	uint64_t nloads, last_id;
	struct pfm_state *states;
	size_t nstates, cap;
};

/* state.c */
const struct pfm_state *pfm_state_find(
    const struct pf_model *m, const struct pfm_packet *p);
void pfm_key_of(const struct pfm_packet *p, struct pfm_key *out);
/* How many states that rule has. */
size_t pfm_states_of(const struct pf_model *m, uint64_t loaded, size_t rule);
int pfm_state_add(struct pf_model *m, const struct pfm_state *s, struct err *e);

const struct pfm_if *pfm_if_find(const struct pf_model *m, const char *name);

#endif
