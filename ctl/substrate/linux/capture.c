/*
 * capture.c - a packet socket on one sandbox's link, and the process that
 * reads it.
 *
 * The socket is on the host's end, cop<n>: what a sandbox sends is seen there
 * before any rule, what it gets after them all.
 */
#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "link/addr.h"

enum { BUFFER_BYTES = 1024 * 1024 };

void
capture_prepare(struct substrate *s)
{
	const struct passwd *pw = getpwnam("_coppice_cap");

	if (pw == NULL)
		return;
	s->capture_uid = pw->pw_uid;
	s->capture_gid = pw->pw_gid;
}

/*
 * A packet socket without a protocol receives nothing, and one with this
 * filter nothing either: when it is bound it has never seen another link, and
 * it sees its own from the moment on that coppice-capture puts a filter of
 * its own there.
 */
static int
packet_socket(const char *ifname, struct err *e)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog drop = { 1, &nothing };
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	const int on = 1, bytes = BUFFER_BYTES;
	autoclose int fd =
	    socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, "packet socket");
	/* 0 would be every interface there is. */
	if (at.sll_ifindex <= 0)
		return err_sys(e, "link %s", ifname);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof(drop)) <
		0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) <
		0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0)
		return err_sys(e, "packet socket: options");
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return err_sys(e, "packet socket: bind to %s", ifname);
	return take_fd(&fd);
}

/* From root to its user, with no way back; what privd has in its bounding
 * set is of no use to a user without capabilities who gets none. */
static int
become(const struct substrate *s)
{
	const uid_t uid = s->capture_uid;
	const gid_t gid = s->capture_gid;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? -1 : 0;
}

struct capture_args {
	char level[16], ifname[LINK_NAME_MAX], id[SPAWN_ID_MAX], fds[64];
	pid_t parent;
};

static _Noreturn void
become_capture(
    const struct substrate *s, struct capture_args *a, int packet, int stream)
{
	char name[] = "coppice-capture", option[] = "-l";
	char *const argv[] = { name, option, a->level, a->ifname, a->id, NULL };
	char *const envp[] = { a->fds, NULL };

	if (fcntl(packet, F_SETFD, 0) < 0 || fcntl(stream, F_SETFD, 0) < 0 ||
	    become(s) < 0)
		_exit(126);
	/* A change of user forgets it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != a->parent)
		_exit(126);
	(void)execve(ROOT_CAPTURE, argv, envp);
	_exit(127);
}

static int
may_capture(const struct substrate *s, struct err *e)
{
	if (s->capture_uid == 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "there is no user _coppice_cap for captures: run "
		    "tools/setup and start coppiced again");
	if (access(ROOT_CAPTURE, F_OK) < 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "coppice-capture is not installed beside coppice-privd");
	return 0;
}

int
sub_capture(struct substrate *s, const struct sub_unit *u, const char *id,
    int *stream, pid_t *helper, struct err *e)
{
	struct capture_args a = { .parent = getpid() };
	autoclose int packet = -1;
	struct link_addr addr;
	int pair[2], keep[2];

	if (may_capture(s, e) < 0)
		return -1;
	link_addr(u->ref.slot, &s->cf.net4, NULL, &addr);
	packet = packet_socket(addr.name, e);
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
