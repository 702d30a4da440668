/*
 * pflog.c - what egressd reads denied packets from: pflog0, through a bpf(4)
 * descriptor that is locked, so that who gets it can read and nothing else.
 */
#include "rules_bsd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <sys/capsicum.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <net/bpf.h>
#include <net/if.h>

#include "base/own.h"
#include "io/log.h"

enum {
	BUFFER = 32 * 1024, /* twice: more than that at once is dropped */
	COPY_BYTES = 256,   /* pf's header, and the packet's */
	/* struct pfloghdr: what net/if_pflog.h has had since it was made */
	ACTION_AT = 2,
	IFNAME_AT = 4,
	DROPPED = 1,
};

/* "cop" and a digit */
static struct bpf_insn program[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ACTION_AT),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DROPPED, 0, 5),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IFNAME_AT),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x636f7030, 0, 3),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 0x636f7039, 2, 0),
	BPF_STMT(BPF_RET | BPF_K, COPY_BYTES),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static int
set_up(int fd, struct err *e)
{
	struct bpf_program p = { countof(program), program };
	u_int room = BUFFER, on = 1;
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, "pflog0", sizeof("pflog0"));
	if (ioctl(fd, BIOCSBLEN, &room) < 0 || ioctl(fd, BIOCSETIF, &ifr) < 0)
		return err_sys(e, "pflog0 (kldload pflog; ifconfig pflog0 up)");
	if (ioctl(fd, BIOCSETF, &p) < 0 || ioctl(fd, BIOCIMMEDIATE, &on) < 0 ||
	    ioctl(fd, BIOCLOCK) < 0)
		return err_sys(e, "bpf");
	return 0;
}

static int
confine(int fd, struct err *e)
{
	static const unsigned long calls[] = { BIOCGBLEN, BIOCGSTATS, FIONBIO,
		FIONREAD };
	cap_rights_t r;

	(void)cap_rights_init(
	    &r, CAP_READ, CAP_EVENT, CAP_FSTAT, CAP_FCNTL, CAP_IOCTL);
	if (cap_rights_limit(fd, &r) < 0 ||
	    cap_ioctls_limit(fd, calls, countof(calls)) < 0)
		return err_sys(e, "bpf: rights");
	return 0;
}

int
rules_kernel_log(struct rules *r)
{
	autoclose int fd = open("/dev/bpf", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct err e;

	(void)r;
	if (fd < 0)
		err_sys(&e, "/dev/bpf");
	if (fd >= 0 && set_up(fd, &e) == 0 && confine(fd, &e) == 0)
		return take_fd(&fd);
	log_warn("rules.denials off err=\"%s\"", e.msg);
	return -1;
}
