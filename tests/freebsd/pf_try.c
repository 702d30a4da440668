/*
 * pf_try.c - the pf driver by hand, for scripts: one subcommand a run.
 *
 *	pf_try load|load-pfctl ANCHOR FILE	the anchor's text, as emitted
 *	pf_try verify ANCHOR FILE		says each difference; exit 1
 *	pf_try reach SLOT			what an anchor means, whole or
 *not pf_try set ANCHOR TABLE CIDR...
 *	pf_try show ANCHOR			rules as they are read
 *	pf_try states ADDR
 *	pf_try kill-addr ADDR
 *	pf_try root UPLINK			lines that the root lacks; exit
 *1
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pf/freebsd/apply.h"
#include "pf/freebsd/dev.h"
#include "pf/freebsd/verify.h"

enum { FILE_MAX = 16 * 1024 * 1024 };

static struct pf_dev dev;

static int
fail(const struct err *e)
{
	fprintf(stderr, "pf_try: %s\n", e->msg);
	return 2;
}

static char *
slurp(const char *path, size_t *n)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *v = malloc(FILE_MAX);

	if (f == NULL || v == NULL) {
		perror(path);
		exit(2);
	}
	*n = fread(v, 1, FILE_MAX, f);
	return v;
}

static int
cmd_load(int argc, char **argv, bool direct)
{
	struct err e;
	size_t n;
	char *text;

	if (argc != 2)
		return 2;
	text = slurp(argv[1], &n);
	dev.direct = dev.direct && direct;
	return pf_load(&dev, argv[0], text, n, 15, &e) < 0 ? fail(&e) : 0;
}

static void
say(struct pf_differences *d, const char *sentence)
{
	(void)d;
	printf("%s\n", sentence);
}

static int
cmd_verify(int argc, char **argv)
{
	struct pf_differences d = { .say = say, .max = 20 };
	struct err e;
	size_t n;
	int rc;

	if (argc != 2)
		return 2;
	rc = pf_verify(&dev, argv[0], slurp(argv[1], &n), n, 15, &d, &e);
	if (rc < 0)
		return fail(&e);
	printf("%d differences\n", rc);
	return rc > 0;
}

static void
show_rules(const char *what, const struct pfm_rules *v, const uint64_t *packets)
{
	char text[PFM_RULE_TEXT];

	for (size_t i = 0; i < v->n; i++) {
		printf("%s %s", what, pfm_rule_text(&v->v[i], text));
		if (packets != NULL)
			printf(" # %llu", (unsigned long long)packets[i]);
		printf("\n");
	}
}

static int
cmd_show(int argc, char **argv)
{
	struct pf_found f;
	struct err e;

	if (argc != 1)
		return 2;
	if (pf_read(&dev, argv[0], &f, &e) < 0)
		return fail(&e);
	if (f.odd)
		printf("odd: %s\n", f.why);
	show_rules("nat:", &f.rs.nat, NULL);
	show_rules("rdr:", &f.rs.rdr, NULL);
	show_rules("filter:", &f.rs.filter, f.packets);
	for (size_t i = 0; i < f.rs.ntables; i++)
		printf(
		    "table <%s> %zu\n", f.rs.tables[i].name, f.rs.tables[i].n);
	pf_found_fini(&f);
	return 0;
}

static int
cmd_reach(int argc, char **argv)
{
	char anchor[PF_ANCHOR_NAME];
	struct np_reach reach;
	struct pf_found f;
	struct pf_conf c;
	struct pf_slot s;
	struct err e;
	bool whole;

	if (argc != 1)
		return 2;
	pf_conf_default(&c);
	pf_slot_default((uint32_t)atoi(argv[0]), &s);
	if (pf_read(&dev, pf_anchor_name(s.slot, anchor), &f, &e) < 0 ||
	    pf_reach_of(&c, &s, &f, &reach, &whole, &e) < 0)
		return fail(&e);
	printf("whole=%d v4=%zu v6=%zu but=%zu only=%zu\n", whole, reach.ok4.n,
	    reach.ok6.n, reach.ports[NP_BUT].n, reach.ports[NP_ONLY].n);
	np_reach_fini(&reach);
	pf_found_fini(&f);
	return !whole;
}

static int
cmd_set(int argc, char **argv)
{
	struct np_prefix v[256];
	struct err e;
	size_t n = 0;

	if (argc < 2)
		return 2;
	for (int i = 2; i < argc && n < 256; i++)
		if (np_prefix_parse(argv[i], &v[n++]) < 0)
			return 2;
	return pf_table_set(&dev, argv[0], argv[1], v, n, &e) < 0 ? fail(&e)
								  : 0;
}

static int
on_state(void *arg, const struct pf_state *s, struct err *e)
{
	char a[NP_ADDR_TEXT], b[NP_ADDR_TEXT], c[NP_ADDR_TEXT], d[NP_ADDR_TEXT];

	(void)arg;
	(void)e;
	printf("%s %s proto %u wire %s:%u %s:%u stack %s:%u %s:%u tcp %u:%u "
	       "packets %llu:%llu expire %u\n",
	    s->ifname, s->dir == PFM_IN ? "in" : "out", s->proto,
	    np_addr_text(s->wire.addr[0], a), s->wire.port[0],
	    np_addr_text(s->wire.addr[1], b), s->wire.port[1],
	    np_addr_text(s->stack.addr[0], c), s->stack.port[0],
	    np_addr_text(s->stack.addr[1], d), s->stack.port[1], s->src_state,
	    s->dst_state, (unsigned long long)s->packets[0],
	    (unsigned long long)s->packets[1], s->expire_s);
	return 0;
}

static int
cmd_states(int argc, char **argv)
{
	struct np_prefix p;
	struct err e;

	if (argc != 1 || np_prefix_parse(argv[0], &p) < 0)
		return 2;
	return pf_states_of(&dev.nl, &p, on_state, NULL, &e) < 0 ? fail(&e) : 0;
}

static int
cmd_kill_addr(int argc, char **argv)
{
	uint32_t killed = 0;
	struct np_addr a;
	struct err e;

	if (argc != 1 || np_addr_parse(argv[0], &a) < 0)
		return 2;
	if (pf_kill_addrs(&dev, &a, 1, &killed, &e) < 0)
		return fail(&e);
	printf("killed %u\n", killed);
	return 0;
}

static int
cmd_root(int argc, char **argv)
{
	struct pf_found root;
	struct buf missing;
	struct pf_conf c;
	uint32_t before;
	struct err e;
	int n;

	if (argc != 1)
		return 2;
	pf_conf_default(&c);
	c.uplink = argv[0];
	buf_init(&missing, FILE_MAX);
	if (pf_read(&dev, "", &root, &e) < 0)
		return fail(&e);
	n = pf_root_missing(&root, &c, &missing, &before, &e);
	if (n < 0)
		return fail(&e);
	printf("%.*smissing %d before %u\n", (int)missing.len,
	    missing.len > 0 ? missing.data : "", n, before);
	return n > 0;
}

static int
run(const char *cmd, int argc, char **argv)
{
	if (strcmp(cmd, "load") == 0)
		return cmd_load(argc, argv, true);
	if (strcmp(cmd, "load-pfctl") == 0)
		return cmd_load(argc, argv, false);
	if (strcmp(cmd, "verify") == 0)
		return cmd_verify(argc, argv);
	if (strcmp(cmd, "show") == 0)
		return cmd_show(argc, argv);
	if (strcmp(cmd, "reach") == 0)
		return cmd_reach(argc, argv);
	if (strcmp(cmd, "set") == 0)
		return cmd_set(argc, argv);
	if (strcmp(cmd, "states") == 0)
		return cmd_states(argc, argv);
	if (strcmp(cmd, "kill-addr") == 0)
		return cmd_kill_addr(argc, argv);
	if (strcmp(cmd, "root") == 0)
		return cmd_root(argc, argv);
	return 2;
}

int
main(int argc, char **argv)
{
	struct err e;
	bool running = false;
	int rc;

	if (argc < 2)
		return 2;
	if (pf_dev_open(&dev, &e) < 0 || pf_dev_running(&dev, &running, &e) < 0)
		return fail(&e);
	if (!running)
		fprintf(stderr, "pf_try: pf is not enabled\n");
	rc = run(argv[1], argc - 2, argv + 2);
	pf_dev_close(&dev);
	return rc;
}
