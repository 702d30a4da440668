/*
 * slotprobe - stands for envd where the jail driver is tested by itself: each
 * connection says one command, and hears what its shell prints.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FD_LISTEN = 3, FD_BOOT = 4, LINE_MAX_LEN = 8192 };

/* What a sandbox is told first, where a test can see it. */
static void
keep_boot(void)
{
	char text[1024];
	ssize_t n = read(FD_BOOT, text, sizeof(text));
	int fd = open("/boot-record", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (n > 0 && fd >= 0)
		n = write(fd, text, (size_t)n);
	if (fd >= 0)
		(void)close(fd);
	(void)close(FD_BOOT);
}

static _Noreturn void
serve(int conn)
{
	int enable = PROC_TRACE_CTL_ENABLE;
	char line[LINE_MAX_LEN];
	size_t n = 0;

	while (n + 1 < sizeof(line) && read(conn, line + n, 1) == 1 &&
	       line[n] != '\n')
		n++;
	line[n] = '\0';
	(void)procctl(P_PID, 0, PROC_TRACE_CTL, &enable);
	(void)dup2(conn, 1);
	(void)dup2(conn, 2);
	closefrom(3);
	(void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

static void
reap(int signo)
{
	(void)signo;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int
main(void)
{
	int disable = PROC_TRACE_CTL_DISABLE;

	(void)procctl(P_PID, 0, PROC_TRACE_CTL, &disable);
	(void)procctl(P_PID, 0, PROC_REAP_ACQUIRE, NULL);
	(void)signal(SIGCHLD, reap);
	keep_boot();
	for (;;) {
		int conn = accept(FD_LISTEN, NULL, NULL);

		if (conn >= 0 && fork() == 0)
			serve(conn);
		if (conn >= 0)
			(void)close(conn);
	}
}
