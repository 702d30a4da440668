#include "capture/capture_int.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"

#define ALLOW SCMP_ACT_ALLOW

/* Memory, time, waiting, and the end. */
static const int plain[] = {
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(alarm),
	SCMP_SYS(setitimer),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int
allow_plain(scmp_filter_ctx f)
{
	for (size_t i = 0; i < countof(plain); i++)
		if (seccomp_rule_add(f, ALLOW, plain[i], 0) < 0)
			return -1;
	return 0;
}

/* What is mapped is never code. */
static int
allow_memory(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp data =
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

	if (seccomp_rule_add(f, ALLOW, SCMP_SYS(mmap), 1, data) < 0 ||
	    seccomp_rule_add(f, ALLOW, SCMP_SYS(mprotect), 1, data) < 0)
		return -1;
	return 0;
}

/* From the packet socket it reads, and never writes there. */
static int
allow_packets(scmp_filter_ctx f, int fd)
{
	const struct scmp_arg_cmp it = SCMP_A0_32(SCMP_CMP_EQ, (unsigned)fd, 0);

	if (seccomp_rule_add(f, ALLOW, SCMP_SYS(recvmsg), 1, it) < 0 ||
	    seccomp_rule_add(f, ALLOW, SCMP_SYS(getsockopt), 3, it,
		SCMP_A1_32(SCMP_CMP_EQ, SOL_PACKET, 0),
		SCMP_A2_32(SCMP_CMP_EQ, PACKET_STATISTICS, 0)) < 0 ||
	    seccomp_rule_add(f, ALLOW, SCMP_SYS(setsockopt), 3, it,
		SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET, 0),
		SCMP_A2_32(SCMP_CMP_EQ, SO_ATTACH_FILTER, 0)) < 0 ||
	    seccomp_rule_add(f, ALLOW, SCMP_SYS(setsockopt), 3, it,
		SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET, 0),
		SCMP_A2_32(SCMP_CMP_EQ, SO_LOCK_FILTER, 0)) < 0)
		return -1;
	return 0;
}

static int
allow_stream(scmp_filter_ctx f, int fd)
{
	const struct scmp_arg_cmp it = SCMP_A0_32(SCMP_CMP_EQ, (unsigned)fd, 0);
	const struct scmp_arg_cmp log =
	    SCMP_A0_32(SCMP_CMP_EQ, STDERR_FILENO, 0);

	/* send(2) is sendto(2) to nobody in particular. */
	if (seccomp_rule_add(f, ALLOW, SCMP_SYS(read), 1, it) < 0 ||
	    seccomp_rule_add(f, ALLOW, SCMP_SYS(sendto), 2, it,
		SCMP_A4(SCMP_CMP_EQ, 0, 0)) < 0 ||
	    seccomp_rule_add(f, ALLOW, SCMP_SYS(write), 1, log) < 0)
		return -1;
	return 0;
}

int
confine(struct capture_fds fds, struct err *e)
{
	scmp_filter_ctx f;
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "confine");
	f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (f == NULL)
		return err_set(e, ERR_SYS, "seccomp: no memory");
	rc = allow_plain(f) < 0 || allow_memory(f) < 0 ||
		     allow_packets(f, fds.packet) < 0 ||
		     allow_stream(f, fds.stream) < 0
		 ? -EINVAL
		 : seccomp_load(f);
	seccomp_release(f);
	if (rc == 0)
		return 0;
	errno = -rc;
	return err_sys(e, "seccomp");
}
