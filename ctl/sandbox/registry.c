/* registry.c - who is where: by id, by reference, by slot. */
#include "ctl/sandbox/sandbox_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

static uint32_t
hash_of(const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id != '\0'; id++)
		h = (h ^ (uint8_t)*id) * 16777619u;
	return h % HASH_SIZE;
}

static int
grow(struct engine *en, struct err *e)
{
	uint32_t cap = en->cap == 0 ? 64 : en->cap * 2;
	void *v = realloc(en->v, (cap + 1) * sizeof(en->v[0]));
	void *gens, *free_index;

	if (v == NULL)
		return err_sys(e, "registry");
	en->v = v;
	gens = realloc(en->gens, (cap + 1) * sizeof(en->gens[0]));
	if (gens == NULL)
		return err_sys(e, "registry");
	en->gens = gens;
	free_index = realloc(en->free_index, cap * sizeof(uint32_t));
	if (free_index == NULL)
		return err_sys(e, "registry");
	en->free_index = free_index;
	en->cap = cap;
	return 0;
}

struct sandbox *
registry_add(struct engine *en, const char *id, struct err *e)
{
	struct sandbox *sb;
	uint32_t at, h = hash_of(id);

	if (registry_by_id(en, id) != NULL) {
		err_set(e, ERR_BUG, "sandbox %s exists already", id);
		return NULL;
	}
	if (en->nfree == 0 && en->n == en->cap && grow(en, e) < 0)
		return NULL;
	sb = calloc(1, sizeof(*sb));
	if (sb == NULL) {
		err_sys(e, "sandbox");
		return NULL;
	}
	if (en->nfree > 0) {
		at = en->free_index[--en->nfree];
	} else {
		at = ++en->n;
		en->gens[at] = 0;
	}
	sb->en = en;
	sb->ref = (struct sb_ref){ at, ++en->gens[at] };
	sb->init_fd = sb->kept.fd = -1;
	sb->wait_tail = &sb->waits;
	sb->net_tail = &sb->net_head;
	logs_new(sb);
	(void)snprintf(sb->r.id, sizeof(sb->r.id), "%s", id);
	sb->hash_next = en->hash[h];
	en->hash[h] = sb;
	en->v[at] = sb;
	return sb;
}

void
registry_remove(struct sandbox *sb)
{
	struct engine *en = sb->en;
	struct sandbox **p = &en->hash[hash_of(sb->r.id)];

	while (*p != sb)
		p = &(*p)->hash_next;
	*p = sb->hash_next;
	en->v[sb->ref.index] = NULL;
	en->free_index[en->nfree++] = sb->ref.index;
	registry_slot(sb, (struct spawn_ref){ 0, 0 });
	deadline_clear(&en->deadlines, &sb->deadline);
	init_stop(sb);
	pool_forget(sb);
	sampler_forget(sb);
	logs_stop(sb);
	denials_fini(sb);
	sb_policy_fini(&sb->policy);
	sb_record_fini(&sb->r);
	free(sb->cache.text);
	free(sb);
}

struct sandbox *
registry_get(struct engine *en, struct sb_ref ref)
{
	struct sandbox *sb;

	if (ref.index == 0 || ref.index > en->n)
		return NULL;
	sb = en->v[ref.index];
	return sb != NULL && sb->ref.gen == ref.gen ? sb : NULL;
}

struct sandbox *
registry_by_id(struct engine *en, const char *id)
{
	struct sandbox *sb = en->hash[hash_of(id)];

	while (sb != NULL && strcmp(sb->r.id, id) != 0)
		sb = sb->hash_next;
	return sb;
}

void
registry_slot(struct sandbox *sb, struct spawn_ref slot)
{
	struct engine *en = sb->en;
	uint32_t old = sb->r.slot.slot;

	if (old != 0 && old <= en->cf.max_sandboxes &&
	    en->by_slot[old] == sb->ref.index)
		en->by_slot[old] = 0;
	sb->r.slot = slot;
	if (slot.slot != 0 && slot.slot <= en->cf.max_sandboxes)
		en->by_slot[slot.slot] = sb->ref.index;
}

struct sandbox *
registry_by_slot(struct engine *en, struct spawn_ref slot)
{
	struct sandbox *sb;

	if (slot.slot == 0 || slot.slot > en->cf.max_sandboxes ||
	    en->by_slot[slot.slot] == 0)
		return NULL;
	sb = en->v[en->by_slot[slot.slot]];
	if (sb == NULL || sb->r.slot.incarnation != slot.incarnation)
		return NULL;
	return sb;
}

void
registry_fini(struct engine *en)
{
	for (uint32_t i = 1; i <= en->n; i++) {
		struct sandbox *sb = en->v[i];
		struct sb_wait *w;

		if (sb == NULL)
			continue;
		while ((w = sb->waits) != NULL) {
			sb->waits = w->next;
			free(w);
		}
		network_drop(sb);
		registry_remove(sb);
	}
	free(en->v);
	free(en->gens);
	free(en->free_index);
	free(en->by_slot);
}
