/*
 * capture.c - a bpf(4) descriptor on one sandbox's link, and the process that
 * reads it.
 *
 * It is on the host's end, cop<n>: what a sandbox sends is seen there before
 * any rule, what it gets after them all.
 */
#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/bpf.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/procctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "link/addr.h"

enum { BUFFER_BYTES = 512 * 1024 };

/*
 * The buffer must be chosen before the link is.  Until coppice-capture puts a
 * filter of its own there, and locks it, nothing passes this one.  Packets
 * come as struct bpf_xhdr, with nanoseconds since 1970.
 */
static int
packet_descriptor(const char *ifname, struct err *e)
{
	struct bpf_insn nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct bpf_program drop = { 1, &nothing };
	unsigned bytes = BUFFER_BYTES, stamp = BPF_T_NANOTIME, on = 1;
	autoclose int fd = open("/dev/bpf", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct ifreq r;

	if (fd < 0)
		return err_sys(e, "/dev/bpf");
	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", ifname);
	if (ioctl(fd, BIOCSBLEN, &bytes) < 0 ||
	    ioctl(fd, BIOCSTSTAMP, &stamp) < 0 ||
	    ioctl(fd, BIOCSETFNR, &drop) < 0)
		return err_sys(e, "bpf: options");
	if (ioctl(fd, BIOCSETIF, &r) < 0)
		return err_sys(e, "bpf: link %s", ifname);
	if (ioctl(fd, BIOCIMMEDIATE, &on) < 0)
		return err_sys(e, "bpf: options");
	return take_fd(&fd);
}

/* From root to its user, with no way back. */
static int
become(const struct substrate *s)
{
	const uid_t uid = s->capture_uid;
	const gid_t gid = s->capture_gid;
	int none = PROC_NO_NEW_PRIVS_ENABLE;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 ||
	    procctl(P_PID, 0, PROC_NO_NEW_PRIVS_CTL, &none) < 0)
		return -1;
	return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? -1 : 0;
}

struct capture_args {
	char level[16], ifname[LINK_NAME_MAX], id[SPAWN_ID_MAX], fds[64];
};

static _Noreturn void
become_capture(
    const struct substrate *s, struct capture_args *a, int packet, int stream)
{
	char name[] = "coppice-capture", option[] = "-l";
	char *const argv[] = { name, option, a->level, a->ifname, a->id, NULL };
	char *const envp[] = { a->fds, NULL };

	/* The signal of our parent's end outlives this exec. */
	if (fcntl(packet, F_SETFD, 0) < 0 || fcntl(stream, F_SETFD, 0) < 0 ||
	    become(s) < 0)
		_exit(126);
	(void)fexecve(s->capture, argv, envp);
	_exit(127);
}

static int
may_capture(const struct substrate *s, struct err *e)
{
	if (s->capture_uid == 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "there is no user _coppice_cap for captures: make it, and "
		    "start coppiced again");
	if (s->capture < 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "coppice-capture is not installed beside coppice-privd");
	return 0;
}

int
sub_capture(struct substrate *s, const struct sub_unit *u, const char *id,
    int *stream, pid_t *helper, struct err *e)
{
	struct capture_args a;
	autoclose int packet = -1;
	struct link_addr addr;
	int pair[2], keep[3];

	if (may_capture(s, e) < 0)
		return -1;
	link_addr(u->ref.slot, &s->cf.net4, NULL, &addr);
	packet = packet_descriptor(addr.name, e);
	if (packet < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) < 0)
		return err_sys(e, "stream of a capture");
	(void)snprintf(a.level, sizeof(a.level), "%s", s->cf.log_level);
	(void)snprintf(a.ifname, sizeof(a.ifname), "%s", addr.name);
	(void)snprintf(a.id, sizeof(a.id), "%s", id);
	(void)snprintf(a.fds, sizeof(a.fds), "COPPICE_FDS=packet=%d,stream=%d",
	    packet, pair[1]);
	keep[0] = packet;
	keep[1] = pair[1];
	keep[2] = s->capture;
	*helper = helper_fork(keep, countof(keep), e);
	if (*helper == 0)
		become_capture(s, &a, packet, pair[1]);
	own_close(&pair[1]);
	if (*helper < 0) {
		own_close(&pair[0]);
		return -1;
	}
	*stream = pair[0];
	return 0;
}
