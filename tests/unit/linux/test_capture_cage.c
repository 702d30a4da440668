/* What coppice-capture can still do once it is confined, and what kills it. */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "capture/capture_int.h"
#include "tests/t.h"

static void
do_bind(struct capture_fds f)
{
	const struct sockaddr_in a = { .sin_family = AF_INET };

	(void)bind(f.packet, (const struct sockaddr *)&a, sizeof(a));
}

static void
do_connect(struct capture_fds f)
{
	const struct sockaddr_in a = { .sin_family = AF_INET };

	(void)connect(f.packet, (const struct sockaddr *)&a, sizeof(a));
}

static void
do_socket(struct capture_fds f)
{
	(void)f;
	(void)syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
}

static void
do_open(struct capture_fds f)
{
	(void)f;
	(void)syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY, 0);
}

static void
do_exec(struct capture_fds f)
{
	(void)f;
	(void)syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void
do_fork(struct capture_fds f)
{
	(void)f;
	(void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void
do_trace(struct capture_fds f)
{
	(void)f;
	(void)syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

static void
do_kill(struct capture_fds f)
{
	(void)f;
	(void)syscall(SYS_kill, 1, 0);
}

/* A frame of its own making, into somebody's link. */
static void
do_inject(struct capture_fds f)
{
	(void)send(f.packet, "x", 1, MSG_NOSIGNAL);
}

static void
do_write(struct capture_fds f)
{
	(void)syscall(SYS_write, f.packet, "x", 1);
}

static void
do_send_to(struct capture_fds f)
{
	const struct sockaddr_in a = { .sin_family = AF_INET };

	(void)sendto(
	    f.stream, "x", 1, 0, (const struct sockaddr *)&a, sizeof(a));
}

static void
do_option(struct capture_fds f)
{
	const int on = 1;

	(void)setsockopt(f.packet, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
}

static void
do_what_it_needs(struct capture_fds f)
{
	struct pcapng_packet packet;
	struct bpf_program p;
	struct err e;

	if (filter_compile("tcp port 80 or host 1.2.3.4", 64, &p, &e) < 0 ||
	    packet_begin(f.packet, &p, &e) < 0 ||
	    packet_next(f.packet, 64, &packet, &e) != 0 ||
	    send(f.stream, "x", 1, MSG_NOSIGNAL) != 1)
		(void)syscall(SYS_exit_group, 3);
}

/* How a process ends that is confined and then does that. */
static int
end_of(void (*what)(struct capture_fds f))
{
	struct capture_fds f;
	struct err e;
	int pair[2], status = -1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	f = (struct capture_fds){ socket(AF_INET, SOCK_DGRAM, 0), pair[0] };
	pid = fork();
	if (pid == 0) {
		if (confine(f, &e) < 0)
			(void)syscall(SYS_exit_group, 2);
		what(f);
		(void)syscall(SYS_exit_group, 0);
	}
	(void)waitpid(pid, &status, 0);
	own_close(&f.packet);
	own_close(&pair[0]);
	own_close(&pair[1]);
	return status;
}

static void
cage(void)
{
	static void (*const forbidden[])(struct capture_fds) = { do_bind,
		do_connect, do_socket, do_open, do_exec, do_fork, do_trace,
		do_kill, do_inject, do_write, do_send_to, do_option };

	CHECK(end_of(do_what_it_needs) == 0);
	for (size_t i = 0; i < countof(forbidden); i++) {
		int status = end_of(forbidden[i]);

		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

int
main(void)
{
	cage();
	return t_end();
}
