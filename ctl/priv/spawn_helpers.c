#include "spawn_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/own.h"
#include "io/log.h"

static struct helper *
free_place(struct spawn *sp)
{
	for (size_t i = 0; i < countof(sp->helpers); i++)
		if (sp->helpers[i].pid == 0)
			return &sp->helpers[i];
	return NULL;
}

int
helper_room(struct spawn *sp, struct err *e)
{
	if (free_place(sp) == NULL)
		return err_set(e, ERR_BUSY, "%d helpers are at work already",
		    SPAWN_HELPERS);
	return 0;
}

void
helper_add(struct spawn *sp, pid_t pid, int kind, struct spawn_ref ref)
{
	struct helper *h = free_place(sp);

	if (h == NULL) { /* helper_room() was not asked */
		log_error("spawn.helpers full pid=%d", (int)pid);
		return;
	}
	h->pid = pid;
	h->kind = kind;
	h->ref = ref;
}

void
helpers_end(struct spawn *sp, int kind)
{
	for (size_t i = 0; i < countof(sp->helpers); i++)
		if (sp->helpers[i].pid > 0 && (int)sp->helpers[i].kind == kind)
			(void)kill(sp->helpers[i].pid, SIGKILL);
}

/* The files of a frozen sandbox are whole: worth keeping over a restart. */
static void
synced(struct spawn *sp, struct spawn_ref ref)
{
	struct err e;
	struct slot *sl = slot_of(sp, ref, &e);

	if (sl == NULL || !sl->frozen)
		return;
	sl->marked = true;
	if (sub_keep(sp->sub, sl->id, true, &e) < 0)
		log_warn("sandbox.keep sbx=%s err=\"%s\"", sl->id, e.msg);
}

static void
helper_ended(struct spawn *sp, const struct helper *h, int status)
{
	if (status != 0)
		log_warn("spawn.helper kind=%d slot=%u status=%d", h->kind,
		    h->ref.slot, status);
	switch (h->kind) {
	case HELPER_MAKE:
		break; /* its answer was read already, or its end seen */
	case HELPER_CLEAN:
		sp->cleaning = false;
		scraps_go(sp);
		break;
	case HELPER_SYNC:
		if (status == 0)
			synced(sp, h->ref);
		break;
	case HELPER_CAPTURE:
		break; /* its reader has seen the end */
	}
}

void
helpers_reap(struct spawn *sp)
{
	for (size_t i = 0; i < countof(sp->helpers); i++) {
		struct helper *h = &sp->helpers[i];
		struct helper was = *h;
		int status;

		if (h->pid == 0 || waitpid(h->pid, &status, WNOHANG) != h->pid)
			continue;
		h->pid = 0;
		helper_ended(sp, &was, status);
	}
	spawn_look_idle(sp);
}

void
scrap_add(struct spawn *sp, struct spawn_ref ref, const char *id)
{
	struct scrap *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		/* The next start finds it. */
		log_warn("sandbox.clean slot=%u err=\"no memory\"", ref.slot);
		return;
	}
	s->what.ref = ref;
	memcpy(s->what.id, id, strnlen(id, sizeof(s->what.id) - 1));
	*sp->scraps_end = s;
	sp->scraps_end = &s->next;
	scraps_go(sp);
}

static size_t
take_scraps(struct spawn *sp, struct sub_scrap out[SPAWN_SCRAPS_MAX])
{
	size_t n = 0;

	while (n < SPAWN_SCRAPS_MAX && sp->scraps != NULL) {
		struct scrap *s = sp->scraps;

		out[n++] = s->what;
		sp->scraps = s->next;
		free(s);
	}
	if (sp->scraps == NULL)
		sp->scraps_end = &sp->scraps;
	return n;
}

void
scraps_go(struct spawn *sp)
{
	static struct sub_scrap batch[SPAWN_SCRAPS_MAX];
	struct err e;
	pid_t pid;
	size_t n;

	if (sp->cleaning || sp->scraps == NULL || helper_room(sp, &e) < 0)
		return;
	n = take_scraps(sp, batch);
	if (sub_clean(sp->sub, batch, n, &pid, &e) < 0) {
		log_warn("sandbox.clean n=%zu err=\"%s\"", n, e.msg);
		return;
	}
	sp->cleaning = true;
	helper_add(sp, pid, HELPER_CLEAN, (struct spawn_ref){ 0 });
}
