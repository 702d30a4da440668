/*
 * differential - random policies, random flows, real packets: what arrives is
 * what np_judge() says, packet by packet.
 *
 *	differential PRIVD CONF INTERNET SANDBOX WITNESS
 *
 * The last three are places (tests/lib/frame.h).  Runs on the host; starts
 * PRIVD with CONF, to which it adds an operator's ranges.  Slot 1 is the
 * sandbox, slot 2 the witness, whose packet follows each policy's, when all
 * of them have come to where they go (frames.c).  POLICIES (100) and
 * FLOWS (48, for each) may be set in the environment, and SEED repeats a run.
 * A third as many flows again are those of the policy before, with the same
 * ports: they are judged anew.
 *
 * Prints numbers, and a line for each packet that did not do as it should;
 * ends with 1 if there was any.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/frame.h"
#include "lib/rulesclient.h"
#include "unit/test_policy_gen.h"

enum {
	SANDBOX = 1,
	WITNESS = 2,
	FLOWS_MAX = 1024,
	TENANT_PACKETS = 3000, /* well below the cap on flows of one slot */
	WRONG_SHOWN = 20,
	PATIENCE_MS = 5000,
};

struct sent {
	struct np_flow flow;
	uint16_t sport;
	bool arrived, answered;
};

struct world {
	struct rc rc;
	struct np_site site;
	int sandbox, witness, internet;
	struct frame_me me, its;    /* the sandbox's and the witness's */
	uint32_t gen, token, first; /* first: the token of sent[0] */
	struct sent sent[FLOWS_MAX];
	size_t nsent;
	uint16_t sport;
	bool witness_seen;
	unsigned packets, passed, wrong, late, tenant;
};

static struct world w;
static uint8_t frame[FRAME_MAX];

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "differential: %s: %s\n", what, strerror(errno));
	exit(2);
}

static unsigned
setting(const char *name, unsigned otherwise)
{
	const char *s = getenv(name);

	return s == NULL ? otherwise : (unsigned)atoi(s);
}

/* --- policies ------------------------------------------------------------- */

/* Denied public ranges and holes in private ones, a few of each family. */
static void
operators_ranges(const char *conf)
{
	static const char *const deny[] = { "8.8.0.0/16", "11.0.0.0/9",
		"223.1.0.0/16", "2600::/20", "9.0.0.128/25" };
	static const char *const carve[] = { "172.16.0.0/12", "192.168.0.0/17",
		"100.64.0.0/10", "10.127.0.0/16", "fd12::/16" };
	uint32_t d = gen_below(5), c = gen_below(5);
	struct np_prefix p;
	struct err e;
	FILE *f = fopen(conf, "ae");

	np_site_init(&w.site);
	if (f == NULL || np_site_builtin(&w.site, &e) < 0)
		die(conf);
	fprintf(f, "site_deny = %s\nsite_allow = %s\n", deny[d], carve[c]);
	if (fclose(f) != 0)
		die(conf);
	if (np_prefix_parse(deny[d], &p) < 0 ||
	    np_site_deny(&w.site, &p, 1, &e) < 0 ||
	    np_prefix_parse(carve[c], &p) < 0 ||
	    np_site_carve(&w.site, &p, &e) < 0)
		die(e.msg);
	printf("# site_deny = %s, site_allow = %s\n", deny[d], carve[c]);
}

static void
add_entries(struct rc_policy *to, const struct np_list *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct np_entry *x = &from->v[i];
		struct rules_entry *v = &to->v[to->nallow + to->ndeny + i];

		*v = (struct rules_entry){ .family = (uint8_t)x->prefix.family,
			.len = x->prefix.len,
			.item = x->item };
		np_addr_bytes(
		    (struct np_addr){ x->prefix.addr, x->prefix.family },
		    v->addr);
	}
}

static void
apply(uint32_t slot, const struct np_policy *p, bool birth)
{
	static struct rc_policy out;
	struct rules_reply r;

	out.nallow = out.ndeny = 0;
	add_entries(&out, &p->allow);
	out.nallow = (uint32_t)p->allow.n;
	add_entries(&out, &p->deny);
	out.ndeny = (uint32_t)p->deny.n;
	out.nports = (uint32_t)p->nports;
	for (size_t i = 0; i < p->nports; i++)
		out.ports[i] = (struct rules_port){ .lo = p->ports[i].lo,
			.hi = p->ports[i].hi,
			.proto = p->ports[i].proto,
			.deny = p->ports[i].deny,
			.item = p->ports[i].item };
	out.deny_all = p->deny_all;
	out.no_internet = p->no_internet;
	r = rc_apply(&w.rc, slot, ++w.gen, birth, &out);
	if (r.rc < 0)
		die(r.err.msg);
}

/* A random one, in force for the sandbox. */
static void
next_policy(struct gen_made *m, bool birth)
{
	struct gen_lists l;
	struct err e;

	gen_lists(&l);
	if (gen_make(&l, &w.site, m, &e) < 0)
		die(e.msg);
	apply(SANDBOX, &m->policy, birth);
}

/* --- flows ---------------------------------------------------------------- */

static bool
within(struct np_addr a, const char *prefix)
{
	struct np_prefix p;

	return np_prefix_parse(prefix, &p) == 0 && np_prefix_has(&p, a);
}

/* The host's own network: its addresses are refused, whatever the policy. */
static bool
is_uplink(struct np_addr a)
{
	return within(a, "192.0.2.0/30") || within(a, "2001:db8:2::/64");
}

static struct np_flow
random_flow(const struct np_ir *ir)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct np_flow f = { .port = gen_port() };
	uint32_t kind = gen_below(3);

	do
		f.to = gen_to(ir);
	while (is_uplink(f.to));
	if (kind < 2) {
		f.proto = protos[kind];
		return f;
	}
	f.port = 0;
	f.proto = f.to.family == NP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return f;
}

static void
describe(const struct np_flow *f, uint16_t sport, char to[160])
{
	char addr[NP_ADDR_TEXT];
	const char *ip = f->to.family == NP_V4 ? "ip" : "ip6";

	np_addr_text(f->to, addr);
	if (f->port != 0)
		(void)snprintf(to, 160, "%s dst=%s %s sport=%u dport=%u data",
		    ip, addr, f->proto == IPPROTO_TCP ? "tcp" : "udp", sport,
		    f->port);
	else
		(void)snprintf(to, 160, "%s dst=%s icmp%s rest=%u data", ip,
		    addr, f->to.family == NP_V4 ? "" : "6",
		    (uint32_t)sport << 16);
}

static void
send_text(int fd, const struct frame_me *me, const char *text, uint32_t token)
{
	char word[FRAME_TOKEN];
	size_t n = frame_build(me, frame_token(token, word), text, frame);

	frame_send(fd, frame, n, text);
}

static void
send_flow(struct np_flow flow, uint16_t sport)
{
	struct sent *s = &w.sent[w.nsent++];
	char text[160];

	*s = (struct sent){ .flow = flow, .sport = sport };
	describe(&flow, sport, text);
	send_text(w.sandbox, &w.me, text, w.token++);
}

/* New ones, and every third of those before. */
static void
send_flows(const struct np_ir *ir, size_t n, bool again)
{
	static struct sent before[FLOWS_MAX];
	size_t nbefore = again ? w.nsent : 0;

	memcpy(before, w.sent, nbefore * sizeof(before[0]));
	w.nsent = 0;
	w.first = w.token;
	for (size_t i = 0; i < n; i++) {
		w.sport =
		    w.sport < 1024 || w.sport == 65535 ? 1024 : w.sport + 1;
		send_flow(random_flow(ir), w.sport);
	}
	for (size_t i = 0; i < nbefore && w.nsent < n + n / 3; i += 3)
		send_flow(before[i].flow, before[i].sport);
}

/* --- what arrives --------------------------------------------------------- */

/* The token in a packet, or 0. */
static uint32_t
token_in(const uint8_t *p, size_t n)
{
	char word[FRAME_TOKEN] = "";
	unsigned v;

	for (size_t i = 0; i + FRAME_TOKEN - 1 <= n; i++) {
		if (p[i] != '<' || p[i + FRAME_TOKEN - 2] != '>')
			continue;
		memcpy(word, p + i, FRAME_TOKEN - 1);
		if (sscanf(word, "<%8x>", &v) == 1)
			return v;
	}
	return 0;
}

static bool
is_echo_reply(const uint8_t *f)
{
	return f[12] == 8 ? f[23] == IPPROTO_ICMP && f[34] == 0
			  : f[20] == IPPROTO_ICMPV6 && f[54] == 129;
}

static void
heard(void *arg, const uint8_t *f, size_t n, bool incoming)
{
	bool internet = *(const bool *)arg;
	uint32_t t = n < 60 ? 0 : token_in(f + 14, n - 14);

	if (internet && t != 0 && t == w.token)
		w.witness_seen = true;
	/* After it has been counted as one that did not come. */
	if (incoming && t != 0 && t < w.first && (internet || is_echo_reply(f)))
		w.late++;
	if (t < w.first || t >= w.first + w.nsent)
		return;
	if (internet)
		w.sent[t - w.first].arrived = true;
	else if (is_echo_reply(f))
		w.sent[t - w.first].answered = true;
}

static void
take(int fd, bool internet)
{
	frame_take(fd, heard, &internet);
}

static long
ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
wait_for_witness(void)
{
	long end = ms_now() + PATIENCE_MS;

	frame_drain();
	w.witness_seen = false;
	send_text(
	    w.witness, &w.its, "ip dst=1.1.1.1 udp sport=999 data", w.token);
	while (!w.witness_seen && ms_now() < end) {
		struct pollfd p = { w.internet, POLLIN, 0 };

		(void)poll(&p, 1, 100);
		take(w.internet, true);
	}
	if (!w.witness_seen)
		die("the witness is lost");
	take(w.internet, true);
	take(w.sandbox, false);
	w.token++;
}

/* --- comparing ------------------------------------------------------------ */

static void
wrong(const struct np_ir *ir, const struct sent *s, const char *what)
{
	char text[160], why[NP_ORIGIN_TEXT];

	if (w.wrong++ >= WRONG_SHOWN)
		return;
	describe(&s->flow, s->sport, text);
	printf("# generation %u: %s: %s; by %s\n", w.gen, text, what,
	    np_origin_text(np_judge(ir, &s->flow)->origin, &w.site, why));
}

static void
compare(const struct np_ir *ir)
{
	for (size_t i = 0; i < w.nsent; i++) {
		const struct sent *s = &w.sent[i];
		bool may = np_judge(ir, &s->flow)->verdict == NP_PASS;

		w.packets++;
		w.passed += may;
		if (s->arrived != may)
			wrong(ir, s, may ? "did not arrive" : "arrived");
		else if (s->flow.port == 0 && s->answered != may)
			wrong(ir, s, may ? "was not answered" : "was answered");
	}
}

/* A new tenant now and then: flows of one are limited, and those of the last
 * are nobody's. */
static bool
new_tenant(void)
{
	if (w.tenant > 0 && w.packets - w.tenant < TENANT_PACKETS)
		return false;
	if (w.tenant > 0 && rc_clear(&w.rc, SANDBOX).rc < 0)
		die("clear");
	w.tenant = w.packets > 0 ? w.packets : 1;
	return true;
}

static void
run(unsigned policies, size_t flows)
{
	for (unsigned i = 0; i < policies; i++) {
		struct gen_made m;
		bool birth = new_tenant();

		next_policy(&m, birth);
		send_flows(&m.ir, flows, !birth);
		wait_for_witness();
		compare(&m.ir);
		gen_unmake(&m);
	}
	frame_drain();
	w.first = w.token;
	take(w.internet, true);
	take(w.sandbox, false);
	printf("# seed %llu: %u policies, %u packets, %u of them allowed, %u"
	       " wrong, %u late\n",
	    (unsigned long long)gen_seed, policies, w.packets, w.passed,
	    w.wrong, w.late);
}

static void
ends_of(struct frame_me *me, unsigned slot)
{
	const uint8_t mac[6] = { 2, 0xc0, 0x70, 0, 0, (uint8_t)slot };
	const uint8_t via[6] = { 2, 0xc0, 0x71, 0, 0, (uint8_t)slot };

	memcpy(me->mac, mac, sizeof(mac));
	memcpy(me->via, via, sizeof(via));
	(void)snprintf(me->s4, sizeof(me->s4), "10.78.0.%u", 2 * slot + 1);
	(void)snprintf(me->s6, sizeof(me->s6), "fd77::%x", 2 * slot + 1);
}

int
main(int argc, char **argv)
{
	unsigned policies = setting("POLICIES", 100);
	unsigned flows = setting("FLOWS", 48);
	struct np_policy open;
	struct rules_reply r;

	if (argc != 6 || flows * 4 / 3 >= FLOWS_MAX)
		die("usage: see the top of differential.c");
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	gen_start((uint64_t)time(NULL));
	operators_ranges(argv[2]);
	rc_start(&w.rc, argv[1], argv[2]);
	r = rc_ask(&w.rc, RULES_HELLO, NULL, 0, -1);
	w.gen = r.max_gen;
	if (rc_slots(&w.rc, SANDBOX, 2).rc < 0)
		die("slots");
	np_policy_init(&open);
	apply(WITNESS, &open, true);
	frame_one_cpu();
	ends_of(&w.me, SANDBOX);
	ends_of(&w.its, WITNESS);
	w.internet = frame_socket(atoi(argv[3]), "in0");
	w.sandbox = frame_socket(atoi(argv[4]), "eth0");
	w.witness = frame_socket(atoi(argv[5]), "eth0");
	w.token = 1;
	run(policies, flows);
	np_site_fini(&w.site);
	(void)rc_stop(&w.rc);
	return w.wrong != 0 || w.late != 0 || w.passed == 0 ||
	       w.passed == w.packets;
}
