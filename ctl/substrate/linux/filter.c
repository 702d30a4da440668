#include "sub_int.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"

/* Of a kernel that the headers of Debian 12 do not know; the same everywhere.
 */
enum { NR_OPEN_TREE_ATTR = 467 };

/* What ioprio_set() calls them; no header of the libc does. */
enum { IOPRIO_PROCESS = 1, IOPRIO_PGRP, IOPRIO_USER };

/*
 * Refused whatever the rights: what a sandbox needs for nothing, and what a
 * hole in the kernel would be reached through.  Names that a libseccomp does
 * not know are given by number.
 */
static const int refused[] = {
	/* code and tracing in the kernel */
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(syslog),
	SCMP_SYS(acct),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(fanotify_init),
	/* keys are not divided by namespaces */
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	/* namespaces, and ways around paths */
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(quotactl),
	__NR_quotactl_fd,
	/* the machine */
	SCMP_SYS(reboot),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(vhangup),
	SCMP_SYS(nfsservctl),
	/* other processes' memory, across what ptrace would check */
	SCMP_SYS(process_madvise),
	SCMP_SYS(move_pages),
	SCMP_SYS(migrate_pages),
};

/* Refused once the root stands. */
static const int mounts[] = {
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	NR_OPEN_TREE_ATTR,
};

static const uint64_t namespaces[] = {
	CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
	CLONE_NEWPID, CLONE_NEWNET,
	0x80, /* CLONE_NEWTIME; in clone() it is part of the exit signal */
};

/*
 * Protocols that live in modules: asking for a socket is enough for the host
 * to load one, and each is code that few have looked at.
 */
static const uint32_t protocols[] = { IPPROTO_DCCP, 115 /* L2TP */,
	IPPROTO_SCTP, IPPROTO_UDPLITE, 256 /* SMC */ };

static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

static int
add(scmp_filter_ctx f, int why, int call, const struct scmp_arg_cmp *arg,
    int *rc)
{
	if (*rc == 0)
		*rc = seccomp_rule_add_array(f, SCMP_ACT_ERRNO((uint32_t)why),
		    call, arg == NULL ? 0 : 1, arg);
	return *rc;
}

static uint32_t
top_bits(unsigned n)
{
	return n == 0 ? 0 : ~0u << (32 - n);
}

/*
 * Refuses every family below the prefix `at` of n bits but those we allow.
 * The kernel takes the low half of the register: so do the masks.
 */
static void
refuse_families(scmp_filter_ctx f, uint32_t at, unsigned n, int *rc)
{
	size_t inside = 0;

	for (size_t i = 0; i < countof(families); i++)
		inside += (families[i] & top_bits(n)) == at;
	if (inside == 0)
		(void)add(f, EAFNOSUPPORT, SCMP_SYS(socket),
		    &SCMP_A0(SCMP_CMP_MASKED_EQ, top_bits(n), at), rc);
	if (inside == 0 || n == 32)
		return;
	refuse_families(f, at, n + 1, rc);
	refuse_families(f, at | 1u << (31 - n), n + 1, rc);
}

/*
 * Of netlink, the one that shows addresses and routes.  sudo and PAM take this
 * errno, and no other, for a kernel without auditing.
 */
static void
refuse_netlink(scmp_filter_ctx f, int *rc)
{
	for (unsigned bit = 0; bit < 32 && *rc == 0; bit++)
		*rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPROTONOSUPPORT),
		    SCMP_SYS(socket), 2,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffu, AF_NETLINK),
		    SCMP_A2(SCMP_CMP_MASKED_EQ, 1u << bit, 1u << bit));
}

static void
refuse_protocols(scmp_filter_ctx f, int *rc)
{
	static const uint32_t inet[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < countof(inet); i++)
		for (size_t k = 0; k < countof(protocols) && *rc == 0; k++)
			*rc = seccomp_rule_add(f,
			    SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket),
			    2, SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, inet[i]),
			    SCMP_A2(SCMP_CMP_MASKED_EQ, ~0u, protocols[k]));
}

/* Pairs are made of local sockets; a family's own code runs before it says no.
 */
static void
refuse_pairs(scmp_filter_ctx f, int *rc)
{
	(void)add(f, EAFNOSUPPORT, SCMP_SYS(socketpair),
	    &SCMP_A0(SCMP_CMP_MASKED_EQ, AF_UNIX, 0), rc);
	for (unsigned bit = 1; bit < 32; bit++)
		(void)add(f, EAFNOSUPPORT, SCMP_SYS(socketpair),
		    &SCMP_A0(SCMP_CMP_MASKED_EQ, 1u << bit, 1u << bit), rc);
}

/*
 * Whoever has its uid may lower the limits and the priority of another process
 * for good, envd's among them: not of process 1, and not of groups or of all
 * processes of a user.
 */
static void
refuse_init(scmp_filter_ctx f, int *rc)
{
	static const int by_pid[] = { SCMP_SYS(sched_setaffinity),
		SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam),
		SCMP_SYS(sched_setattr) };
	const struct scmp_arg_cmp one = SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, 1);

	for (size_t i = 0; i < countof(by_pid); i++)
		(void)add(f, EPERM, by_pid[i], &one, rc);
	if (*rc == 0)
		*rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(prlimit64), 2, one, SCMP_A2(SCMP_CMP_NE, 0, 0));
	if (*rc == 0)
		*rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(setpriority), 2,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, PRIO_PROCESS),
		    SCMP_A1(SCMP_CMP_MASKED_EQ, ~0u, 1));
	if (*rc == 0)
		*rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(ioprio_set), 2,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, IOPRIO_PROCESS),
		    SCMP_A1(SCMP_CMP_MASKED_EQ, ~0u, 1));
	for (int which = PRIO_PGRP; which <= PRIO_USER; which++)
		(void)add(f, EPERM, SCMP_SYS(setpriority),
		    &SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, which), rc);
	for (int which = IOPRIO_PGRP; which <= IOPRIO_USER; which++)
		(void)add(f, EPERM, SCMP_SYS(ioprio_set),
		    &SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, which), rc);
}

static int
rules_started(scmp_filter_ctx f)
{
	int rc = 0;

	for (size_t i = 0; i < countof(mounts); i++)
		(void)add(f, EPERM, mounts[i], NULL, &rc);
	return rc;
}

static int
rules_parked(scmp_filter_ctx f)
{
	int rc = 0;

	for (size_t i = 0; i < countof(refused); i++)
		(void)add(f, EPERM, refused[i], NULL, &rc);
	for (size_t i = 0; i + 1 < countof(namespaces); i++)
		(void)add(f, EPERM, SCMP_SYS(clone),
		    &SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]),
		    &rc);
	/* Its flags lie in memory: libc falls back to clone. */
	if (rc == 0)
		rc = seccomp_rule_add(
		    f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	refuse_families(f, 0, 0, &rc);
	refuse_pairs(f, &rc);
	refuse_protocols(f, &rc);
	refuse_netlink(f, &rc);
	refuse_init(f, &rc);
	return rc;
}

/* libseccomp of Debian 12 writes to a file and to nothing else. */
static int export(scmp_filter_ctx f, struct sock_fprog *out, struct err *e)
{
	autoclose int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	void *code;

	if (fd < 0 || seccomp_export_bpf(f, fd) < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "export system call filter");
	code = malloc((size_t)st.st_size);
	if (code == NULL)
		return err_sys(e, "system call filter");
	if (pread(fd, code, (size_t)st.st_size, 0) != st.st_size) {
		free(code);
		return err_sys(e, "read system call filter");
	}
	out->filter = code;
	out->len =
	    (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	return 0;
}

static int
build(int (*rules)(scmp_filter_ctx f), struct sock_fprog *out, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	if (f == NULL)
		return err_set(e, ERR_SYS, "seccomp_init");
	/* A tree: four times faster to load and to run than a list. */
	rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = seccomp_attr_set(
		    f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	if (rc == 0)
		rc = rules(f);
	if (rc != 0)
		(void)err_set(e, ERR_SYS, "system call filter: error %d", -rc);
	else
		rc = export(f, out, e);
	seccomp_release(f);
	return rc == 0 ? 0 : -1;
}

int
filter_build(struct sock_fprog out[FILTER_N], struct err *e)
{
	if (build(rules_parked, &out[FILTER_PARKED], e) < 0)
		return -1;
	return build(rules_started, &out[FILTER_STARTED], e);
}

void
filter_free(struct sock_fprog f[FILTER_N])
{
	for (int i = 0; i < FILTER_N; i++) {
		free(f[i].filter);
		f[i].filter = NULL;
	}
}

int
filter_install(const struct sock_fprog *f, struct err *e)
{
	/* Without no_new_privs, or sudo would do nothing inside. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, f) < 0)
		return err_sys(e, "install system call filter");
	return 0;
}
