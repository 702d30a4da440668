#include "pf/freebsd/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <sys/capsicum.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net/if.h>
#include <netinet/in.h>
#include <net/pfvar.h>

#include "base/own.h"

int
pf_dev_open(struct pf_dev *d, struct err *e)
{
	*d = (struct pf_dev){ .nl = { .fd = -1 } };
	d->fd = open("/dev/pf", O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return err_sys(e, "/dev/pf (is pf loaded: kldload pf?)");
	if (pf_nl_open(&d->nl, e) < 0) {
		drop_fd(&d->fd);
		return -1;
	}
	d->direct = pf_nl_can(&d->nl, PFN_ADDRULE) &&
		    pf_nl_can(&d->nl, PFN_GETRULE) &&
		    pf_nl_can(&d->nl, PFN_KILLSTATES) &&
		    pf_nl_can(&d->nl, PFN_ADD_ADDR);
	return 0;
}

void
pf_dev_close(struct pf_dev *d)
{
	drop_fd(&d->fd);
	pf_nl_close(&d->nl);
}

static int
on_running(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_attr a;
	bool *running = arg;

	(void)e;
	while (pf_attr_next(&attrs, &a))
		if (a.type == PFN_ST_RUNNING)
			*running = pf_attr_u8(&a) != 0;
	return 0;
}

int
pf_dev_running(struct pf_dev *d, bool *running, struct err *e)
{
	struct pf_ask a;
	static const char *const argv[] = { "pfctl", "-s", "Running", NULL };
	int rc;

	*running = false;
	if (!pf_nl_can(&d->nl, PFN_GET_STATUS)) {
		*running = pf_ctl(argv, NULL, 0, e) == 0;
		return 0;
	}
	pf_ask_init(&a, &d->nl);
	pf_ask_cmd(&a, PFN_GET_STATUS);
	rc = pf_ask_send(&a, on_running, running, e);
	pf_ask_fini(&a);
	return rc;
}

static int
on_limit(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_attr a;
	uint32_t *limit = arg;

	(void)e;
	while (pf_attr_next(&attrs, &a))
		if (a.type == PFN_LI_LIMIT)
			*limit = pf_attr_u32(&a);
	return 0;
}

int
pf_dev_limit(
    struct pf_dev *d, enum pfn_limit pool, uint32_t *limit, struct err *e)
{
	struct pf_ask a;
	int rc;

	*limit = 0;
	if (!pf_nl_can(&d->nl, PFN_GET_LIMIT))
		return 0;
	pf_ask_init(&a, &d->nl);
	pf_ask_cmd(&a, PFN_GET_LIMIT);
	pf_ask_u32(&a, PFN_LI_INDEX, (uint32_t)pool);
	rc = pf_ask_send(&a, on_limit, limit, e);
	pf_ask_fini(&a);
	return rc;
}

int
pf_dev_start(struct pf_dev *d, struct err *e)
{
	struct pf_ask a;
	int rc;

	pf_ask_init(&a, &d->nl);
	pf_ask_cmd(&a, PFN_START);
	rc = pf_ask_send(&a, NULL, NULL, e);
	pf_ask_fini(&a);
	if (rc < 0 && e->sys_errno == EEXIST)
		return 0;
	return rc < 0 ? err_wrap(e, "enable pf") : 0;
}

int
pf_dev_confine(struct pf_dev *d, struct err *e)
{
	static const unsigned long calls[] = { DIOCRSETADDRS, DIOCRGETADDRS,
		DIOCRGETTABLES, DIOCRGETTSTATS, DIOCRDELTABLES, DIOCRINADEFINE,
		DIOCXBEGIN, DIOCXCOMMIT, DIOCXROLLBACK };
	cap_rights_t pf, nl;

	(void)cap_rights_init(&pf, CAP_IOCTL);
	(void)cap_rights_init(&nl, CAP_SEND, CAP_RECV, CAP_EVENT);
	if (cap_rights_limit(d->fd, &pf) < 0 ||
	    cap_ioctls_limit(d->fd, calls, countof(calls)) < 0)
		return err_sys(e, "/dev/pf: rights");
	if (cap_rights_limit(d->nl.fd, &nl) < 0)
		return err_sys(e, "pf netlink socket: rights");
	return 0;
}
