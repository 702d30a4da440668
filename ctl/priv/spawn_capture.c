/* spawn_capture.c - starting coppice-capture, so many times and no more. */
#include "spawn_int.h"

#include <signal.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

static bool
is_of(const struct helper *h, struct spawn_ref ref)
{
	return h->ref.slot == ref.slot && h->ref.incarnation == ref.incarnation;
}

struct tally {
	unsigned all, own;
};

static struct tally
tally(const struct spawn *sp, struct spawn_ref ref)
{
	struct tally t = { 0, 0 };

	for (size_t i = 0; i < countof(sp->helpers); i++) {
		const struct helper *h = &sp->helpers[i];

		if (h->pid == 0 || h->kind != HELPER_CAPTURE)
			continue;
		t.all++;
		t.own += is_of(h, ref);
	}
	return t;
}

static bool
too_many(struct tally t)
{
	return t.own >= SPAWN_CAPTURES_EACH || t.all >= SPAWN_CAPTURES;
}

static int
capture_room(struct spawn *sp, const struct slot *sl, struct err *e)
{
	struct tally t = tally(sp, sl->ref);

	/* One may have ended whose SIGCHLD waits for its turn. */
	if (too_many(t)) {
		helpers_reap(sp);
		t = tally(sp, sl->ref);
	}
	if (t.own >= SPAWN_CAPTURES_EACH)
		return err_set(e, ERR_LIMIT,
		    "%d captures of sandbox %s are running already, which is "
		    "all that one sandbox may have",
		    SPAWN_CAPTURES_EACH, sl->id);
	if (t.all >= SPAWN_CAPTURES)
		return err_set(e, ERR_LIMIT,
		    "%d captures are running already, which is all that this "
		    "host may have",
		    SPAWN_CAPTURES);
	if (sp->stopping)
		return err_set(e, ERR_BUSY, "privd is ending");
	return helper_room(sp, e);
}

void
op_capture(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_ref ref;
	struct slot *sl;
	struct err e;
	int stream;
	pid_t pid;

	(void)keep;
	memcpy(&ref, body, sizeof(ref));
	sl = slot_of(sp, ref, &e);
	if (sl == NULL || capture_room(sp, sl, &e) < 0 ||
	    sub_capture(sp->sub, &sl->unit, sl->id, &stream, &pid, &e) < 0) {
		spawn_reply(sp, &sp->apid, SPAWN_CAPTURE, seq, &e, NULL, 0);
		return;
	}
	helper_add(sp, pid, HELPER_CAPTURE, ref);
	log_info("sandbox.capture sbx=%s slot=%u pid=%ld", sl->id, ref.slot,
	    (long)pid);
	spawn_reply(sp, &sp->apid, SPAWN_CAPTURE, seq, NULL, &stream, 1);
}

void
captures_end(struct spawn *sp, struct spawn_ref ref)
{
	/* Ours until they are reaped: the numbers mean nobody else. */
	for (size_t i = 0; i < countof(sp->helpers); i++) {
		const struct helper *h = &sp->helpers[i];

		if (h->pid != 0 && h->kind == HELPER_CAPTURE && is_of(h, ref))
			(void)kill(h->pid, SIGTERM);
	}
}
