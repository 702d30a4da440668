#include "../drop.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/securebits.h>

static bool
kept(unsigned cap, const unsigned *keep, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (keep[i] == cap)
			return true;
	return false;
}

/* Ask the kernel, not our own notes. */
static int
prove(const unsigned *keep, size_t n, struct err *e)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];
	uint64_t eff, per, inh;

	if (syscall(SYS_capget, &h, d) < 0)
		return err_sys(e, "capget");
	eff = d[0].effective | (uint64_t)d[1].effective << 32;
	per = d[0].permitted | (uint64_t)d[1].permitted << 32;
	inh = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	for (unsigned c = 0; c < 64; c++) {
		bool want = kept(c, keep, n), last = false;
		int bound = prctl(PR_CAPBSET_READ, c, 0, 0, 0);
		int ambient =
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0);

		last = bound < 0; /* the kernel has no more of them */
		if (!want && ((eff | per | inh) >> c & 1 ||
				 (!last && (bound != 0 || ambient != 0))))
			return err_set(
			    e, ERR_SYS, "capability %u is still ours", c);
		if (want && !(eff >> c & per >> c & 1))
			return err_set(e, ERR_SYS, "capability %u is lost", c);
	}
	return 0;
}

int
priv_drop(const unsigned *keep, size_t n, struct err *e)
{
	int rc;

	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n; i++)
		if (capng_update(CAPNG_ADD,
			CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			keep[i]) < 0)
			return err_set(e, ERR_SYS, "capability %u", keep[i]);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, "ambient capabilities");
	/* The bounding set first: that takes SETPCAP, which goes with it. */
	rc = capng_apply(CAPNG_SELECT_BOUNDS);
	if (rc == 0)
		rc = capng_apply(CAPNG_SELECT_CAPS);
	if (rc < 0)
		return err_set(
		    e, ERR_SYS, "capabilities cannot be dropped: %d", rc);
	return prove(keep, n, e);
}
