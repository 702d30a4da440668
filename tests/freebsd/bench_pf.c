/*
 * bench_pf.c - what one change of a policy costs in pf: through our driver (a
 * table replaced, revoked states killed twice), as a whole anchor loaded by the
 * driver, and by `pfctl -a ANCHOR -f -` with the same rules, one after the
 *other in the same loop.
 *
 *	bench_pf ANCHORS STATES RUNS [ADDRESS]
 *
 * pf is enabled and has a root rule set.  STATES are made by datagrams to
 * ADDRESS, which some rule must pass and keep; as many as there are by then are
 * told.  Prints the lines of build/bench.json; times are of each run's own.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include "base/clock.h"
#include "base/own.h"
#include "pf/freebsd/apply.h"
#include "pf/freebsd/dev.h"
#include "policy.h"

enum { TEXT_MAX = 1 << 20, ENTRIES = 100, RUNS_MAX = 10000 };

static struct pf_dev dev;
static struct pf_conf conf;
static struct np_site site;
static struct np_reach wide, narrow; /* one of ENTRIES apart */

static void __attribute__((noreturn)) die(const struct err *e)
{
	fprintf(stderr, "bench_pf: %s\n", e->msg);
	exit(1);
}

/* Denies everything but n single networks. */
static void
make_reach(uint32_t n, struct np_reach *out)
{
	struct np_policy p;
	struct np_ir ir = { 0 };
	struct err e;

	np_policy_init(&p);
	p.deny_all = true;
	p.allow.v = calloc(n, sizeof(*p.allow.v));
	p.allow.n = p.allow.cap = n;
	for (uint32_t i = 0; i < n; i++)
		p.allow.v[i] = (struct np_entry){
			.prefix = { 0x08000000 + ((np_u128)i << 12), NP_V4,
			    24 },
			.item = i
		};
	if (np_lower(&p, &site, &ir, &e) < 0 ||
	    np_reach_make(&ir, true, out, &e) < 0)
		die(&e);
	np_ir_fini(&ir);
	np_policy_fini(&p);
}

/* --- what is measured ----------------------------------------------------- */

static void
text_of(uint32_t slot, const struct np_reach *r, struct buf *b)
{
	struct pf_slot s;
	struct err e;

	pf_slot_default(slot, &s);
	s.reach = r;
	buf_init(b, TEXT_MAX);
	if (pf_emit_anchor(b, &conf, &s, &site, &e) < 0)
		die(&e);
}

static double
change(uint32_t slot, const struct np_reach *from, const struct np_reach *to)
{
	struct mono t0 = mono_now();
	struct pf_applied done;
	struct pf_plan p;
	struct pf_slot s;
	struct err e;
	double us;

	pf_slot_default(slot, &s);
	if (pf_plan_make(&conf, &s, from, to, &site, &p, &e) < 0 ||
	    pf_apply(&dev, &conf, &p, &done, &e) < 0)
		die(&e);
	us = (double)(mono_now().ns - t0.ns) / 1000;
	pf_plan_fini(&p);
	return us;
}

static double
load(uint32_t slot, const struct np_reach *r)
{
	char anchor[PF_ANCHOR_NAME];
	struct mono t0 = mono_now();
	struct buf b;
	struct err e;

	text_of(slot, r, &b);
	if (pf_load(&dev, pf_anchor_name(slot, anchor), b.data, b.len,
		conf.freebsd, &e) < 0)
		die(&e);
	buf_fini(&b);
	return (double)(mono_now().ns - t0.ns) / 1000;
}

static double
by_pfctl(uint32_t slot, const struct np_reach *r)
{
	char anchor[PF_ANCHOR_NAME];
	const char *const argv[] = { "pfctl", "-q", "-a",
		pf_anchor_name(slot, anchor), "-f", "-", NULL };
	struct mono t0 = mono_now();
	struct buf b;
	struct err e;

	text_of(slot, r, &b);
	if (pf_ctl(argv, b.data, b.len, &e) < 0)
		die(&e);
	buf_fini(&b);
	return (double)(mono_now().ns - t0.ns) / 1000;
}

/* --- states around -------------------------------------------------------- */

static void
make_states(uint32_t n, const char *address)
{
	struct sockaddr_in to = { .sin_len = sizeof(to),
		.sin_family = AF_INET,
		.sin_port = htons(9) };

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		exit(2);
	for (uint32_t i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		(void)sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
		(void)close(fd);
	}
}

static int
count_one(void *arg, const struct pf_state *s, struct err *e)
{
	uint32_t *n = arg;

	(void)s;
	(void)e;
	++*n;
	return 0;
}

static uint32_t
count_states(void)
{
	const struct np_prefix all = { 0, NP_V4, 0 };
	uint32_t n = 0;
	struct err e;

	if (pf_states_of(&dev.nl, &all, count_one, &n, &e) < 0)
		die(&e);
	return n;
}

/* --- the run -------------------------------------------------------------- */

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
print(const char *what, uint32_t anchors, uint32_t states, double *v, size_t n,
    double peer)
{
	qsort(v, n, sizeof(*v), by_value);
	printf("{\"name\": \"pf_%s_%u_anchors_us\", \"value\": %.1f, \"unit\": "
	       "\"us\", \"n\": %zu, \"p99\": %.1f, \"states\": %u",
	    what, anchors, v[n / 2], n, v[n * 99 / 100], states);
	if (peer > 0)
		printf(", \"peer\": %.1f, \"peer_is\": \"pfctl -a ANCHOR -f -, "
		       "same rules\", \"ratio\": %.4f",
		    peer, v[n / 2] / peer);
	printf("}\n");
}

int
main(int argc, char **argv)
{
	static double put[RUNS_MAX], open[RUNS_MAX], whole[RUNS_MAX],
	    ctl[RUNS_MAX];
	uint32_t anchors, wanted, states;
	size_t runs;
	struct err e;

	if (argc < 4)
		return 2;
	anchors = (uint32_t)atoi(argv[1]);
	wanted = (uint32_t)atoi(argv[2]);
	runs = (size_t)atoi(argv[3]);
	if (anchors < 1 || runs < 1 || runs > RUNS_MAX)
		return 2;
	pf_conf_default(&conf);
	np_site_init(&site);
	if (np_site_builtin(&site, &e) < 0 || pf_dev_open(&dev, &e) < 0)
		die(&e);
	make_reach(ENTRIES, &wide);
	make_reach(ENTRIES - 1, &narrow);
	for (uint32_t i = 1; i <= anchors; i++)
		(void)load(i, &wide);
	if (argc > 4)
		make_states(wanted, argv[4]);
	states = count_states();
	for (size_t i = 0; i < runs; i++) {
		uint32_t slot = 1 + arc4random_uniform(anchors);

		put[i] = change(slot, &wide, &narrow);
		open[i] = change(slot, &narrow, &wide);
		whole[i] = load(slot, &wide);
		ctl[i] = by_pfctl(slot, &wide);
	}
	print("pfctl", anchors, states, ctl, runs, 0);
	print("put", anchors, states, put, runs, ctl[runs / 2]);
	print("put_opens", anchors, states, open, runs, ctl[runs / 2]);
	print("load", anchors, states, whole, runs, ctl[runs / 2]);
	pf_dev_close(&dev);
	return 0;
}
