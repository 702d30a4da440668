/* The system's own, before libpcap's of the same names. */
#include <sys/types.h>

#include <net/bpf.h>

#include "capture/capture_int.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <string.h>
#include <sys/capsicum.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "capture/freebsd/link.h"

enum { MAC_BYTES = 6 };

static struct {
	bool known;
	uint8_t bytes[MAC_BYTES];
} mac;

const uint8_t *
link_mac(void)
{
	return mac.known ? mac.bytes : NULL;
}

/* The interface is asked for by name: that goes with the next line. */
static void
find_mac(int packet)
{
	struct ifaddrs *all = NULL;
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	if (ioctl(packet, BIOCGETIF, &r) < 0 || getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a != NULL && !mac.known;
	     a = a->ifa_next) {
		struct sockaddr_dl dl;

		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_LINK ||
		    strcmp(a->ifa_name, r.ifr_name) != 0)
			continue;
		memcpy(&dl, a->ifa_addr, sizeof(dl));
		if (dl.sdl_alen != MAC_BYTES)
			continue;
		memcpy(mac.bytes, LLADDR(&dl), MAC_BYTES);
		mac.known = true;
	}
	freeifaddrs(all);
}

/*
 * In capability mode no name is looked up any more, of a file, an address or a
 * process; what is left are three descriptors, each for what it is for.
 */
int
confine(struct capture_fds fds, struct err *e)
{
	static const cap_ioctl_t allowed[] = { BIOCGBLEN, BIOCSTSTAMP,
		BIOCIMMEDIATE, BIOCSETF, BIOCLOCK, BIOCGSTATS };
	cap_rights_t stream, packet, log;

	find_mac(fds.packet);
	cap_rights_init(&stream, CAP_READ, CAP_WRITE, CAP_EVENT);
	cap_rights_init(&packet, CAP_READ, CAP_IOCTL, CAP_EVENT);
	cap_rights_init(&log, CAP_WRITE);
	if (cap_rights_limit(fds.stream, &stream) < 0 ||
	    cap_rights_limit(fds.packet, &packet) < 0 ||
	    cap_ioctls_limit(fds.packet, allowed, countof(allowed)) < 0 ||
	    cap_rights_limit(STDERR_FILENO, &log) < 0 || cap_enter() < 0)
		return err_sys(e, "capability mode");
	return 0;
}
