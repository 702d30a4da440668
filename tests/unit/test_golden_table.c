/*
 * One table, two ways: what nft/emit.c prints and nft loads lists exactly as
 * what nft/batch.c sends; and after an update by np_delta() the kernel's sets
 * hold what np_flatten() says.  In a network namespace of its own; needs root.
 */
#include "t.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "nft/batch.h"
#include "nft/read.h"
#include "test_policy_gen.h"

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
	nft_put_ok(b, s->slot, &none4, &s->reach->ok4, &site);
	if (c->v6)
		nft_put_ok(b, s->slot, &none6, &s->reach->ok6, &site);
	nft_put_gen(b, s->slot, 0, s->gen);
	return nft_send(k, b, e);
}

static int
send_update(struct nft_sock *k, struct nft_batch *b, uint32_t slot,
    const struct np_ok *from, const struct np_ok *to, struct err *e)
{
	struct np_ok del = { .family = to->family },
		     add = { .family = to->family };
	int rc;

	if (np_delta(from, to, &del, &add, e) < 0)
		return -1;
	nft_batch_begin(b);
	nft_put_ok(b, slot, &del, &add, &site);
	rc = nft_send(k, b, e);
	np_ok_fini(&del);
	np_ok_fini(&add);
	return rc;
}

static bool
holds(
    struct nft_sock *k, uint32_t slot, const struct np_ok *want, struct err *e)
{
	struct np_ok got = { .family = want->family };
	bool same = nft_read_ok(k, slot, want->family, &got, e) == 0 &&
		    got.n == want->n;

	for (size_t i = 0; same && i < got.n; i++)
		same = got.v[i].range.lo == want->v[i].range.lo &&
		       got.v[i].range.hi == want->v[i].range.hi;
	np_ok_fini(&got);
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

static void
one_round(struct nft_sock *k, struct nft_batch *nl, struct err *e)
{
	struct gen_made a = { 0 }, b = { 0 };
	struct gen_lists la, lb;
	struct nft_conf conf;
	struct nft_slot slot;

	gen_lists(&la);
	gen_lists(&lb);
	la.nports = lb.nports = 0;
	CHECK(gen_site(&site, e) == 0);
	CHECK(gen_make(&la, &site, &a, e) == 0);
	CHECK(gen_make(&lb, &site, &b, e) == 0);
	nft_conf_default(&conf);
	conf.v6 = gen_below(4) != 0;
	some_caps(&conf);
	nft_slot_default(1 + gen_below(16383), &slot);
	slot.gen = slot.birth = GEN + gen_below(1000);
	slot.reach = &a.reach;
	compare(k, nl, &conf, &slot, e);
	CHECK(holds(k, slot.slot, &a.reach.ok4, e));
	CHECK(
	    send_update(k, nl, slot.slot, &a.reach.ok4, &b.reach.ok4, e) == 0);
	CHECK(holds(k, slot.slot, &b.reach.ok4, e));
	if (conf.v6) {
		CHECK(send_update(k, nl, slot.slot, &a.reach.ok6, &b.reach.ok6,
			  e) == 0);
		CHECK(holds(k, slot.slot, &b.reach.ok6, e));
	}
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
