/*
 * One table, two ways: what nft/emit.c prints and nft loads lists exactly as
 * what nft/batch.c sends; and after an update, step by step, the kernel's sets
 * hold what np_reach_make() says, and nft_read_all() finds nothing odd.  In a
 * network namespace of its own; needs root.
 */
#include "t.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "nft/batch.h"
#include "nft/read.h"
#include "nft/steps.h"
#include "tests/unit/test_policy_gen.h"

enum { ROUNDS = 25, TEXT_MAX = 4 << 20, GEN = 0x101 };

static struct np_site site;

/* --- what nft says -------------------------------------------------------- */

static int
listing(struct buf *out)
{
	FILE *f = popen("nft list table inet coppice 2>&1", "re");
	char part[4096];
	size_t n;

	if (f == NULL)
		return -1;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		if (buf_add(out, part, n) < 0)
			break;
	return pclose(f) == 0 ? 0 : -1;
}

static int
load(struct buf *text)
{
	FILE *f = popen("nft -f -", "we");
	size_t n;

	if (f == NULL)
		return -1;
	n = fwrite(text->data, 1, text->len, f);
	return pclose(f) == 0 && n == text->len ? 0 : -1;
}

/* --- by netlink ----------------------------------------------------------- */

static int
send_no_table(struct nft_sock *k, struct nft_batch *b, struct err *e)
{
	nft_batch_begin(b);
	nft_put_no_table(b);
	return nft_send(k, b, e);
}

static int
send_table(struct nft_sock *k, struct nft_batch *b, const struct nft_conf *c,
    const struct nft_slot *s, struct err *e)
{
	const struct np_ok none4 = { .family = NP_V4 },
			   none6 = { .family = NP_V6 };

	nft_batch_begin(b);
	nft_put_base(b, c);
	nft_put_slot(b, c, s);
	for (size_t i = NP_BUT; i < NP_NCLASSES; i++)
		if (nft_uses(s->reach, (enum np_class)i))
			nft_put_ports(
			    b, s->slot, s->ids[i], &s->reach->ports[i], true);
	nft_put_ok(b, s->slot, &none4, &s->reach->ok4, s->ports ? s->ids : NULL,
	    &site);
	if (c->v6)
		nft_put_ok(b, s->slot, &none6, &s->reach->ok6,
		    s->ports ? s->ids : NULL, &site);
	nft_put_gen(b, s->slot, 0, s->gen);
	return nft_send(k, b, e);
}

/* As coppice-privd does it: step by step. */
static int
send_update(struct nft_sock *k, struct nft_batch *b, const struct nft_conf *c,
    struct nft_slot *s, const struct np_reach *to, struct err *e)
{
	static uint32_t newest = GEN + 1000;
	uint64_t behind = 0;
	struct nft_steps n;
	int rc = 0;

	if (nft_steps_make(s->reach, s->ids, to, ++newest, &n, e) < 0)
		return -1;
	for (int i = 0; i < 3 && rc == 0; i++) {
		nft_batch_begin(b);
		if (i == 0 && !s->ports && nft_wants_ports(to)) {
			rc = nft_read_allowed(k, s->slot, &behind, e);
			nft_put_ports_objects(b, c, s, behind);
			s->ports = true;
		}
		for (size_t x = 0; x < NFT_NIDS; x++) {
			if (i == 0 && n.comes[x] != NULL)
				nft_put_ports(
				    b, s->slot, n.ids[x], n.comes[x], true);
			if (i == 2 && n.goes[x] != NULL)
				nft_put_ports(
				    b, s->slot, n.ids[x], n.goes[x], false);
		}
		if (i < 2) {
			const struct nft_step *st = &n.step[i];
			const uint32_t *ids = s->ports ? n.ids : NULL;

			nft_put_ok(
			    b, s->slot, &st->del4, &st->add4, ids, &site);
			if (c->v6)
				nft_put_ok(b, s->slot, &st->del6, &st->add6,
				    ids, &site);
		}
		if (rc == 0)
			rc = nft_send(k, b, e);
	}
	memcpy(s->ids, n.becomes, sizeof(s->ids));
	s->reach = to;
	nft_steps_fini(&n);
	return rc;
}

static bool
same_ranges(const struct np_ok *a, const struct np_ok *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = a->v[i].range.lo == b->v[i].range.lo &&
		       a->v[i].range.hi == b->v[i].range.hi &&
		       a->v[i].class == b->v[i].class;
	return same;
}

/* What is read back is what was compiled, id by id and port by port. */
static bool
holds(struct nft_sock *k, const struct nft_conf *c, const struct nft_slot *s,
    struct err *e)
{
	const struct np_reach *want = s->reach;
	uint32_t ids[NP_NCLASSES];
	struct np_reach got;
	bool odd, same;

	if (nft_read_reach(k, s->slot, c->v6, s->ports, &got, ids, &odd, e) < 0)
		return false;
	same = !odd && same_ranges(&got.ok4, &want->ok4) &&
	       same_ranges(&got.ok6, &want->ok6);
	for (size_t i = NP_BUT; same && i < NP_NCLASSES; i++)
		if (ids[i] != 0)
			same = ids[i] == s->ids[i] &&
			       np_ports_same(&got.ports[i], &want->ports[i]);
	np_reach_fini(&got);
	return same;
}

/* --- rounds --------------------------------------------------------------- */

static void
show_first_difference(const char *a, const char *b)
{
	size_t i = 0, line = 0;

	for (; a[i] != '\0' && a[i] == b[i]; i++)
		if (a[i] == '\n')
			line = i + 1;
	printf("# text:  %.*s\n# batch: %.*s\n", (int)strcspn(a + line, "\n"),
	    a + line, (int)strcspn(b + line, "\n"), b + line);
}

static void
strip_comments(struct buf *b)
{
	char *from = b->data, *to = b->data, *end = b->data + b->len;
	static const char word[] = " comment \"";

	while (from < end) {
		char *close;

		if ((size_t)(end - from) > sizeof(word) &&
		    memcmp(from, word, sizeof(word) - 1) == 0 &&
		    (close = memchr(from + sizeof(word), '"',
			 (size_t)(end - from) - sizeof(word))) != NULL) {
			from = close + 1;
			continue;
		}
		*to++ = *from++;
	}
	b->len = (size_t)(to - b->data);
}

static void
compare(struct nft_sock *k, struct nft_batch *nl, const struct nft_conf *c,
    const struct nft_slot *s, struct err *e)
{
	struct buf text, by_text, by_batch;

	buf_init(&text, TEXT_MAX);
	buf_init(&by_text, TEXT_MAX);
	buf_init(&by_batch, TEXT_MAX);
	CHECK(nft_emit(&text, c, s, 1, &site, e) == 0);
	CHECK(load(&text) == 0);
	CHECK(listing(&by_text) == 0);
	CHECK(send_no_table(k, nl, e) == 0);
	CHECK(send_table(k, nl, c, s, e) == 0);
	CHECK(listing(&by_batch) == 0);
	CHECK(by_text.len > 1000);
	CHECK(strcmp(buf_str(&by_text), buf_str(&by_batch)) == 0);
	if (t_failed > 0)
		show_first_difference(buf_str(&by_text), buf_str(&by_batch));
	buf_fini(&text);
	buf_fini(&by_text);
	buf_fini(&by_batch);
}

/* None, one, two or all, of any size. */
static void
some_caps(struct nft_conf *c)
{
	c->max_flows = 1 + gen_below(65535);
	c->cap_slots = 1 + gen_below(16383);
	if (gen_below(2) == 0)
		c->max_pps = 100 + gen_below(10000000 - 99);
	if (gen_below(2) == 0)
		c->max_egress_mbit = 1 + gen_below(100000);
	if (gen_below(2) == 0)
		c->max_ingress_mbit = 128 * (1 + gen_below(781));
}

/* The same table, whether a slot got its sets for ports late or early. */
static void
compare_late(struct nft_sock *k, struct nft_batch *nl, const struct nft_conf *c,
    const struct nft_slot *s, struct err *e)
{
	struct buf text, by_text, by_batch;

	buf_init(&text, TEXT_MAX);
	buf_init(&by_text, TEXT_MAX);
	buf_init(&by_batch, TEXT_MAX);
	CHECK(listing(&by_batch) == 0);
	CHECK(send_no_table(k, nl, e) == 0);
	CHECK(nft_emit(&text, c, s, 1, &site, e) == 0);
	CHECK(load(&text) == 0);
	CHECK(listing(&by_text) == 0);
	/* What stayed has the origins of the policy before: see delta.c. */
	strip_comments(&by_text);
	strip_comments(&by_batch);
	CHECK(strcmp(buf_str(&by_text), buf_str(&by_batch)) == 0);
	if (t_failed > 0)
		show_first_difference(buf_str(&by_text), buf_str(&by_batch));
	buf_fini(&text);
	buf_fini(&by_text);
	buf_fini(&by_batch);
}

struct checking {
	struct nft_found f;
	const struct nft_slot *s;
	bool slot, ports;
};

static void
on_slot(struct nft_found *f, uint32_t slot, uint32_t birth)
{
	struct checking *c = container_of(f, struct checking, f);

	c->slot = slot == c->s->slot && birth == c->s->birth;
}

static void
on_ports(struct nft_found *f, uint32_t slot)
{
	(void)slot;
	container_of(f, struct checking, f)->ports = true;
}

static void
on_gen(struct nft_found *f, uint32_t slot, uint32_t gen)
{
	(void)f;
	(void)slot;
	(void)gen;
}

static void
want_slot(struct nft_found *f, uint32_t slot, struct nft_slot *out)
{
	(void)f;
	nft_slot_default(slot, out);
}

static int
verified(struct nft_sock *k, const struct nft_conf *c, const struct nft_slot *s,
    struct err *e)
{
	struct checking x = { .f = { .on_slot = on_slot,
				  .on_ports = on_ports,
				  .on_gen = on_gen,
				  .want_slot = want_slot },
		.s = s };
	int rc = nft_read_all(k, c, &x.f, e);

	if (rc == 0)
		CHECK(x.slot && x.ports == s->ports);
	return rc;
}

/* A slot with sets for ports, but not all, or not all rules, is refused. */
static void
tampered(struct nft_sock *k, const struct nft_conf *c, const struct nft_slot *s,
    struct err *e)
{
	char cmd[128];

	CHECK(verified(k, c, s, e) == 0);
	(void)snprintf(cmd, sizeof(cmd),
	    gen_below(2) ? "nft add set inet coppice sb%u_%s "
			   "'{ type mark; }'"
			 : "nft insert rule inet coppice sb%u "
			   "meta priority none accept comment %s",
	    s->slot, s->ports ? "more" : "rest");
	CHECK(system(cmd) == 0);
	CHECK(verified(k, c, s, e) == 1);
}

/*
 * A batch that the kernel refuses, half way through: nothing of it is there,
 * and the next one is none the worse; of this slot or of another.
 */
static void
refused(struct nft_sock *k, struct nft_batch *nl, const struct nft_conf *c,
    const struct nft_slot *s, struct err *e)
{
	struct np_ok_range nowhere = { .range = { 1, 1 } };
	const struct np_ok bad = { &nowhere, 1, 1, NP_V4 };
	const struct np_ok none = { .family = NP_V4 };
	struct nft_slot other;

	nft_slot_default(s->slot == 1 ? 2 : 1, &other);
	nft_batch_begin(nl);
	nft_put_ok_flush(nl, s->slot, NP_V4, s->ports);
	nft_put_slot(nl, c, &other);
	nft_put_ok(nl, s->slot, &bad, &none, NULL, &site);
	CHECK(nft_send(k, nl, e) == -1 && e->sys_errno == ENOENT);
	CHECK(holds(k, c, s, e));
	nft_batch_begin(nl);
	nft_put_slot(nl, c, &other);
	CHECK(nft_send(k, nl, e) == 0);
	CHECK(holds(k, c, s, e));
	/* The same once more is refused for what is there already. */
	nft_batch_begin(nl);
	nft_put_slot(nl, c, &other);
	nft_put_gen(nl, s->slot, s->gen, s->gen + 1);
	CHECK(nft_send(k, nl, e) == -1 && e->sys_errno == EEXIST);
	nft_batch_begin(nl);
	nft_put_gen(nl, s->slot, s->gen, s->gen + 1);
	nft_put_gen(nl, s->slot, s->gen + 1, s->gen);
	CHECK(nft_send(k, nl, e) == 0);
}

static void
one_round(struct nft_sock *k, struct nft_batch *nl, struct err *e)
{
	struct gen_made a = { 0 }, b = { 0 };
	struct gen_lists la, lb;
	struct nft_conf conf;
	struct nft_slot slot;

	gen_lists(&la);
	gen_lists(&lb);
	if (gen_below(3) == 0) {
		memcpy(lb.ports, la.ports, sizeof(lb.ports));
		lb.nports = la.nports;
	}
	CHECK(gen_site(&site, e) == 0);
	CHECK(gen_make(&la, &site, &a, e) == 0);
	CHECK(gen_make(&lb, &site, &b, e) == 0);
	nft_conf_default(&conf);
	conf.v6 = gen_below(4) != 0;
	some_caps(&conf);
	if (!conf.v6) /* as np_reach_make() would without */
		a.reach.ok6.n = b.reach.ok6.n = 0;
	nft_slot_default(1 + gen_below(16383), &slot);
	slot.gen = slot.birth = GEN + gen_below(1000);
	slot.reach = &a.reach;
	slot.ports = nft_wants_ports(&a.reach) || gen_below(8) == 0;
	for (size_t i = NP_BUT; i < NP_NCLASSES; i++)
		if (nft_uses(&a.reach, (enum np_class)i))
			slot.ids[i] = nft_class_id(slot.gen, (enum np_class)i);
	compare(k, nl, &conf, &slot, e);
	CHECK(holds(k, &conf, &slot, e));
	CHECK(send_update(k, nl, &conf, &slot, &b.reach, e) == 0);
	CHECK(holds(k, &conf, &slot, e));
	refused(k, nl, &conf, &slot, e);
	tampered(k, &conf, &slot, e);
	CHECK(send_no_table(k, nl, e) == 0);
	CHECK(send_table(k, nl, &conf, &slot, e) == 0);
	CHECK(send_update(k, nl, &conf, &slot, &a.reach, e) == 0);
	compare_late(k, nl, &conf, &slot, e);
	CHECK(send_no_table(k, nl, e) == 0);
	gen_unmake(&a);
	gen_unmake(&b);
	np_site_fini(&site);
}

int
main(void)
{
	struct err e = { 0 };
	struct nft_batch nl;
	struct nft_sock k;
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		printf("no network namespace: %s\n", strerror(errno));
		return 77;
	}
	if (system("command -v nft >/dev/null") != 0) {
		printf("no nft\n");
		return 77;
	}
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	CHECK(fd >= 0);
	CHECK(nft_sock_init(&k, fd, &e) == 0);
	nft_batch_init(&nl, 16 << 20);
	gen_start(5);
	for (int round = 0; round < ROUNDS && t_failed == 0; round++) {
		one_round(&k, &nl, &e);
		if (t_failed > 0)
			printf("# SEED=%llu round %d: %s\n",
			    (unsigned long long)gen_seed, round, e.msg);
	}
	nft_batch_fini(&nl);
	nft_sock_fini(&k);
	return t_end();
}
