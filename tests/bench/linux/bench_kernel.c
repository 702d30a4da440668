/*
 * bench_kernel.c - what one standing tenant costs the kernel in rules.
 *
 *	bench_kernel PRIVD CONF [SLOTS]
 *
 * Makes SLOTS (1,000) slots with chains and sets, and gives each a policy of
 * ten entries, through `coppice-privd rules` as apid does; then loads the same
 * text with `nft -f`; in turns, in a network namespace of its own.  The cost is
 * the growth of what the kernel holds and cannot give back (SUnreclaim, Percpu
 * and VmallocUsed of /proc/meminfo), with neither program running.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/benchclient.h"
#include "tests/lib/rulesclient.h"

enum { ENTRIES = 10, ROUNDS = 5 };

static void
shell(const char *cmd)
{
	if (system(cmd) != 0)
		bc_die(cmd);
}

static double
held_kib(void)
{
	static const char *const names[] = {
		"SUnreclaim:", "Percpu:", "VmallocUsed:"
	};
	char line[128], name[64];
	double sum = 0, kib;
	FILE *f;

	/* What was deleted goes after grace periods; counters are per CPU. */
	sleep(1);
	shell("echo 1 >/proc/sys/vm/stat_refresh");
	f = fopen("/proc/meminfo", "r");
	if (f == NULL)
		bc_die("/proc/meminfo");
	while (fgets(line, sizeof(line), f) != NULL)
		for (int i = 0; i < 3; i++)
			if (sscanf(line, "%63s %lf", name, &kib) == 2 &&
			    strcmp(name, names[i]) == 0)
				sum += kib;
	(void)fclose(f);
	return sum;
}

static void
want(const struct rules_reply *r)
{
	if (r->rc == 0)
		return;
	fprintf(stderr, "bench_kernel: %s\n", r->err.msg);
	exit(2);
}

static void
by_privd(const char *privd, const char *conf, uint32_t slots)
{
	static struct rc_policy p;
	struct rules_reply r;
	uint32_t gen;
	struct rc c;

	memset(&p, 0, sizeof(p));
	p.deny_all = true;
	for (int i = 0; i < ENTRIES; i++) {
		char word[64];

		(void)snprintf(word, sizeof(word), "+11.0.%d.0/24", 2 * i);
		rc_word(&p, word);
	}
	rc_start(&c, privd, conf);
	r = rc_ask(&c, RULES_HELLO, NULL, 0, -1);
	gen = r.max_gen + 1;
	r = rc_slots(&c, 1, slots);
	want(&r);
	for (uint32_t i = 1; i <= slots; i++) {
		r = rc_apply(&c, i, gen++, true, &p);
		want(&r);
	}
	if (rc_stop(&c) != 0)
		bc_die("privd");
}

int
main(int argc, char **argv)
{
	char file[] = "/tmp/bench_kernel.XXXXXX", list[64], load[64];
	struct samples ours = { 0 }, peer = { 0 };
	uint32_t slots = argc > 3 ? (uint32_t)atoi(argv[3]) : 1000;
	int fd;

	if (argc < 3 || argc > 4 || slots == 0) {
		fprintf(stderr, "usage: bench_kernel PRIVD CONF [SLOTS]\n");
		return 2;
	}
	fd = mkstemp(file);
	if (fd < 0 || unshare(CLONE_NEWNET) < 0)
		bc_die("a namespace");
	(void)close(fd);
	(void)snprintf(
	    list, sizeof(list), "nft -s list table inet coppice >%s", file);
	(void)snprintf(load, sizeof(load), "nft -f %s", file);
	shell("ip link set lo up");

	/* The first round fills caches, and is not counted. */
	for (int i = 0; i <= ROUNDS; i++) {
		double before = held_kib(), with[2];

		by_privd(argv[1], argv[2], slots);
		with[0] = held_kib() - before;
		shell(list);
		shell("nft delete table inet coppice");

		before = held_kib();
		shell(load);
		with[1] = held_kib() - before;
		shell("nft delete table inet coppice");
		if (i == 0)
			continue;
		samples_add(&ours, with[0] / slots);
		samples_add(&peer, with[1] / slots);
	}
	(void)unlink(file);
	bc_report(&(struct bc_row){ "kernel_kib_per_tenant", "KiB", &ours,
	    &peer, "the same text loaded with nft -f", -1 });
	return 0;
}
