/*
 * rulesctl - drives a `coppice-privd rules` by hand, one command a line:
 *
 *	hello | slots FIRST N | clear SLOT | prepare SLOT | state SLOT | events
 *MS apply SLOT GEN [birth] WORD...	see tests/lib/rulesclient.h apply SLOT +
 *[birth] WORD...	the next generation
 *	raw HEX [FILE]			a message, byte by byte, with a file
 *	kill				kill -9
 *	stop
 *
 * usage: rulesctl PRIVD [CONF].  One line comes back for each command: "ok
 * ..." or "error KIND SENTENCE".
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/rulesclient.h"

static struct rc rc;
static uint32_t highest = RULES_GEN_FIRST - 1;

static char *rest; /* of the line */

static const char *
next_word(void)
{
	const char *w;

	do
		w = strsep(&rest, " ");
	while (w != NULL && *w == '\0');
	return w;
}

static void
say(const struct rules_reply *r)
{
	if (r->rc < 0)
		printf("error %d %s\n", (int)r->err.kind, r->err.msg);
}

static uint32_t
number(void)
{
	const char *w = next_word();

	return w == NULL ? 0 : (uint32_t)strtoul(w, NULL, 0);
}

static void
do_hello(void)
{
	struct rules_reply r = rc_ask(&rc, RULES_HELLO, NULL, 0, -1);

	if (r.max_gen > highest)
		highest = r.max_gen;
	printf("ok max_gen=%u rebuilt=%u nslots=%u\n", r.max_gen, r.rebuilt,
	    r.nslots);
}

static void
do_apply(void)
{
	static struct rc_policy p;
	uint32_t slot = number();
	const char *g = next_word(), *w;
	struct rules_reply r;
	bool birth = false;
	uint32_t gen;

	rc_policy_clear(&p);
	gen = g != NULL && strcmp(g, "+") != 0 ? (uint32_t)strtoul(g, NULL, 0)
					       : highest + 1;
	while ((w = next_word()) != NULL)
		if (strcmp(w, "birth") == 0)
			birth = true;
		else
			rc_word(&p, w);
	r = rc_apply(&rc, slot, gen, birth, &p);
	if (r.rc == 0 && gen > highest)
		highest = gen;
	if (r.rc == 0)
		printf("ok gen=%u revoked=%u\n", gen, r.revoked);
	say(&r);
}

static void
do_state(void)
{
	struct rules_reply r = rc_state(&rc, number());

	if (r.rc == 0)
		printf("ok gen=%u ok4=%u ok6=%u passed=%llu denied=%llu"
		       " stale=%llu\n",
		    r.state.gen, r.state.nok4, r.state.nok6,
		    (unsigned long long)r.state.passed,
		    (unsigned long long)r.state.denied,
		    (unsigned long long)r.state.stale);
	say(&r);
}

/* What does not fit ends privd: its exit status is the answer. */
static void
do_raw(void)
{
	const char *hex = next_word(), *file = next_word();
	int fd = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
	unsigned char msg[256];
	size_t n = 0;
	int status = 0;

	while (hex != NULL && n < sizeof(msg) &&
	       sscanf(hex + 2 * n, "%2hhx", &msg[n]) == 1)
		n++;
	rc_raw(&rc, msg, n, fd);
	if (fd >= 0)
		(void)close(fd);
	(void)waitpid(rc.pid, &status, 0);
	printf("ok exit=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}

static void
plain(struct rules_reply r)
{
	if (r.rc == 0)
		printf("ok\n");
	say(&r);
}

int
main(int argc, char **argv)
{
	const char *conf = argc > 2 ? argv[2] : NULL, *w;
	static char line[1 << 20];

	if (argc < 2)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	rc_start(&rc, argv[1], conf);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		rest = line;
		w = next_word();
		if (w == NULL)
			continue;
		if (strcmp(w, "hello") == 0) {
			do_hello();
		} else if (strcmp(w, "slots") == 0) {
			uint32_t first = number();

			plain(rc_slots(&rc, first, number()));
		} else if (strcmp(w, "apply") == 0) {
			do_apply();
		} else if (strcmp(w, "clear") == 0) {
			plain(rc_clear(&rc, number()));
		} else if (strcmp(w, "prepare") == 0) {
			plain(rc_prepare(&rc, number()));
		} else if (strcmp(w, "state") == 0) {
			do_state();
		} else if (strcmp(w, "events") == 0) {
			rc_events(&rc, (int)number());
			printf("ok lost=%u\n", rc.nlost);
		} else if (strcmp(w, "raw") == 0) {
			do_raw();
		} else if (strcmp(w, "kill") == 0) {
			(void)kill(rc.pid, SIGKILL);
			(void)waitpid(rc.pid, NULL, 0);
			(void)close(rc.fd);
			rc_start(&rc, argv[1], conf);
			printf("ok\n");
		} else if (strcmp(w, "stop") == 0) {
			printf("ok exit=%d\n", rc_stop(&rc));
			return 0;
		} else {
			printf("error 0 unknown command\n");
		}
	}
	return rc_stop(&rc);
}
