#include "ctl/sandbox/policy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/own.h"

static void
take_list(struct rules_entry *to, const struct np_list *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct np_entry *x = &from->v[i];

		to[i] = (struct rules_entry){
			.family = (uint8_t)x->prefix.family,
			.len = x->prefix.len,
			.item = x->item,
		};
		np_addr_bytes(
		    (struct np_addr){ x->prefix.addr, x->prefix.family },
		    to[i].addr);
	}
}

int
sb_policy_make(const struct np_policy *p, struct sb_policy *out, struct err *e)
{
	size_t n = p->allow.n + p->deny.n;

	*out = (struct sb_policy){
		.nallow = (uint32_t)p->allow.n,
		.ndeny = (uint32_t)p->deny.n,
		.deny_all = p->deny_all,
		.no_internet = p->no_internet,
	};
	out->v = calloc(n > 0 ? n : 1, sizeof(out->v[0]));
	if (out->v == NULL)
		return err_sys(e, "policy");
	take_list(out->v, &p->allow);
	take_list(out->v + p->allow.n, &p->deny);
	return 0;
}

void
sb_policy_fini(struct sb_policy *p)
{
	free(p->v);
	p->v = NULL;
}

static int
write_all(int fd, const char *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0)
			return err_sys(e, "policy: memory file");
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* A sealed memory file of the entries, or -1. */
static int
memory_file(const void *p, size_t n, struct err *e)
{
	autoclose int fd =
	    memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_sys(e, "policy: memory file");
	if (write_all(fd, p, n, e) < 0)
		return -1;
	if (fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return err_sys(e, "policy: seal");
	return take_fd(&fd);
}

int
sb_policy_send(struct chan *rules, const struct sb_policy *p, uint32_t slot,
    uint32_t gen, bool birth, struct chan_ask how, struct err *e)
{
	struct rules_apply m = {
		.slot = slot,
		.gen = gen,
		.birth = birth,
		.nallow = p->nallow,
		.ndeny = p->ndeny,
		.deny_all = p->deny_all,
		.no_internet = p->no_internet,
	};
	size_t bytes = ((size_t)p->nallow + p->ndeny) * sizeof(p->v[0]);

	how.type = RULES_APPLY;
	how.head = &m;
	how.head_len = sizeof(m);
	how.fd = -1;
	if (bytes <= RULES_INLINE_MAX) {
		how.tail = p->v;
		how.tail_len = bytes;
	} else {
		m.in_memfd = 1;
		how.fd = memory_file(p->v, bytes, e);
		if (how.fd < 0)
			return -1;
	}
	return chan_ask(rules, &how, e);
}
