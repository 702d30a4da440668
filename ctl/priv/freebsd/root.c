/* root.c - do the operator's rules call ours, and by which interface? */
#include "rules_bsd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/sysctl.h>

#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>

#include "base/own.h"
#include "io/log.h"

enum { MISSING_MAX = 16 * 1024 };

/* --- the interface that leads out ----------------------------------------- */

static bool
is_default(const struct rt_msghdr *h)
{
	const struct sockaddr_in *to = (const void *)(h + 1);

	return (h->rtm_flags & (RTF_UP | RTF_GATEWAY)) ==
		   (RTF_UP | RTF_GATEWAY) &&
	       to->sin_family == AF_INET && to->sin_addr.s_addr == 0;
}

/* The first default route's; "" where there is none. */
static void
find_uplink(char to[PFM_IF])
{
	int mib[] = { CTL_NET, PF_ROUTE, 0, AF_INET, NET_RT_DUMP, 0 };
	autofree char *v = NULL;
	char name[IF_NAMESIZE];
	size_t n = 0;

	to[0] = '\0';
	if (sysctl(mib, countof(mib), NULL, &n, NULL, 0) < 0)
		return;
	n += n / 4 + 1024;
	v = malloc(n);
	if (v == NULL || sysctl(mib, countof(mib), v, &n, NULL, 0) < 0)
		return;
	for (size_t at = 0; at + sizeof(struct rt_msghdr) <= n;) {
		const struct rt_msghdr *h = (const void *)(v + at);

		if (h->rtm_msglen < sizeof(*h))
			return;
		if (is_default(h) && if_indextoname(h->rtm_index, name)) {
			memcpy(to, name, sizeof(name));
			return;
		}
		at += h->rtm_msglen;
	}
}

/* --- the check ------------------------------------------------------------ */

static void
name_uplink(struct rules_kernel *k, const struct pf_found *root)
{
	pf_root_uplink(root, k->uplink);
	if (k->uplink[0] == '\0')
		find_uplink(k->uplink);
	if (k->uplink[0] == '\0')
		memcpy(k->uplink, "vtnet0", sizeof("vtnet0"));
	k->c.uplink = k->uplink;
}

static void
say_missing(struct buf *b)
{
	const char *text = buf_str(b);
	char *copy = text == NULL ? NULL : strdup(text), *at = copy;

	for (char *line; (line = strsep(&at, "\n")) != NULL;)
		if (line[0] != '\0')
			log_error("rules.root missing: %s", line);
	free(copy);
}

static int
complain(
    const struct rules_kernel *k, int n, struct buf *missing, struct err *e)
{
	const char *first = buf_str(missing);

	say_missing(missing);
	err_set(e, ERR_CONFLICT,
	    "pf.conf lacks %d of our lines, or has them in another order; "
	    "`netpolicy compile --pf-root --uplink %s` prints them. The "
	    "first: %.*s",
	    n, k->uplink, first == NULL ? 0 : (int)strcspn(first, "\n"),
	    first == NULL ? "" : first);
	return 1;
}

int
bsd_root_check(struct rules_kernel *k, struct err *e)
{
	struct pf_found root;
	struct buf missing;
	uint32_t before;
	int n;

	if (!k->d.direct) {
		/* Rules cannot be read: pf.conf is taken at its word. */
		name_uplink(k, &(struct pf_found){ .odd = false });
		return 0;
	}
	if (pf_read(&k->d, "", &root, e) < 0)
		return -1;
	name_uplink(k, &root);
	buf_init(&missing, MISSING_MAX);
	n = pf_root_missing(&root, &k->c, &missing, &before, e);
	pf_found_fini(&root);
	if (n == 0 && before > 0)
		log_warn("rules.root before=%u: quick rules of others stand "
			 "before ours, and may decide about sandboxes",
		    before);
	if (n > 0)
		n = complain(k, n, &missing, e);
	buf_fini(&missing);
	return n;
}
