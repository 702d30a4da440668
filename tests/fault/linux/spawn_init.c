/*
 * spawn_init.c - stands in for envd where only the substrate is tested: takes
 * one shell command a connection and answers with its output.  `boot` alone
 * answers with the boot record; a leading `@UID ` runs the rest as that user.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTEN_FD = 3, BOOT_FD = 4, OOM_FD = 7 };

static char boot[1024];

static void
read_boot(void)
{
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(boot) - 1 &&
	       (n = read(BOOT_FD, boot + have, sizeof(boot) - 1 - have)) > 0)
		have += (size_t)n;
	(void)close(BOOT_FD);
}

static void
run(int conn, char *line)
{
	if (strcmp(line, "boot") == 0) {
		(void)dprintf(conn, "%s", boot);
		_exit(0);
	}
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(conn, fd);
	(void)close(conn);
	(void)close(LISTEN_FD);
	(void)setsid();
	if (*line == '@') {
		unsigned id = (unsigned)strtoul(line + 1, &line, 10);

		if (setgid(id) < 0 || setuid(id) < 0)
			_exit(126);
	}
	(void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

static void
serve(int conn)
{
	char line[4096];
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(line) - 1 &&
	       (n = read(conn, line + have, sizeof(line) - 1 - have)) > 0)
		have += (size_t)n;
	line[have] = '\0';
	run(conn, line);
}

int
main(void)
{
	/* Reaped by the kernel. */
	(void)signal(SIGCHLD, SIG_IGN);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	read_boot();
	(void)close(OOM_FD); /* envd's own; no command of its gets it */
	for (;;) {
		int conn = accept(LISTEN_FD, NULL, NULL);

		if (conn < 0)
			continue;
		if (fork() == 0) {
			(void)signal(SIGCHLD, SIG_DFL);
			serve(conn);
		}
		(void)close(conn);
	}
}
