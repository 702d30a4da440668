/* The parts of the namespace driver that need no privilege. */
#include "ctl/substrate/linux/sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/substrate/linux/files.h"
#include "tests/t.h"

static void
small_files(void)
{
	char dir[] = "/tmp/coptest-files-XXXXXX", text[8];
	uint64_t n;
	int fd;

	CHECK(mkdtemp(dir) != NULL);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(file_put(fd, "a", "x") < 0 && errno == ENOENT);
	own_close(&(int){ openat(fd, "a", O_CREAT | O_WRONLY, 0600) });
	CHECK(file_put(fd, "a", "42\n") == 0);
	CHECK(file_number(fd, "a", &n) == 0 && n == 42);
	CHECK(file_put(fd, "a", "low 1\nlower 2\nkey 77\nkey2 3\n") == 0);
	CHECK(file_keyed(fd, "a", "key", &n) == 0 && n == 77);
	CHECK(file_keyed(fd, "a", "low", &n) == 0 && n == 1);
	CHECK(file_keyed(fd, "a", "ey", &n) < 0);
	CHECK(file_number(fd, "a", &n) < 0 && errno == EINVAL);
	CHECK(file_get(fd, "a", text, sizeof(text)) == 7);
	CHECK(strcmp(text, "low 1\nl") == 0); /* cut, and terminated */
	CHECK(symlinkat("a", fd, "link") == 0);
	CHECK(file_get(fd, "link", text, sizeof(text)) < 0);
	(void)unlinkat(fd, "link", 0);
	(void)unlinkat(fd, "a", 0);
	(void)rmdir(dir);
	drop_fd(&fd);
}

static void
processors_rotate(void)
{
	static struct substrate s;
	cpu_set_t got;

	s.ncpus = 4;
	for (int i = 0; i < 4; i++)
		CPU_SET(i * 2, &s.cpus); /* 0 2 4 6 */
	sub_cpus(&s, 1, 1, &got);
	CHECK(CPU_COUNT(&got) == 1 && CPU_ISSET(2, &got));
	sub_cpus(&s, 3, 2, &got);
	CHECK(CPU_COUNT(&got) == 2 && CPU_ISSET(6, &got) && CPU_ISSET(0, &got));
	sub_cpus(&s, 7, 4, &got);
	CHECK(CPU_EQUAL(&got, &s.cpus));
	sub_cpus(&s, 7, 100, &got);
	CHECK(CPU_EQUAL(&got, &s.cpus));
	/* What a parked init is pinned to, it may keep. */
	for (uint32_t slot = 0; slot < 8; slot++)
		for (uint32_t n = 1; n < 6; n++) {
			cpu_set_t pin, both;

			sub_cpus(&s, slot, 1, &pin);
			sub_cpus(&s, slot, n, &got);
			CPU_AND(&both, &pin, &got);
			CHECK(CPU_EQUAL(&both, &pin));
		}
}

static void
ids_are_random(void)
{
	char a[UUID_TEXT], b[UUID_TEXT];
	struct err e;

	CHECK(uuid_random(a, &e) == 0 && uuid_random(b, &e) == 0);
	CHECK(strlen(a) == 36 && a[14] == '4' && strchr("89ab", a[19]) != NULL);
	CHECK(strcmp(a, b) != 0);
}

static int
errno_of(long rc)
{
	return rc < 0 ? errno : 0;
}

/* In a child: the filters, loaded with no_new_privs, without root. */
static int
under_filter(const struct sock_fprog f[FILTER_N])
{
	struct err e;
	int bad = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    filter_install(&f[FILTER_PARKED], &e) < 0 ||
	    filter_install(&f[FILTER_STARTED], &e) < 0)
		return 100;
	bad += errno_of(syscall(SYS_mount, 0, 0, 0, 0, 0)) != EPERM;
	bad += errno_of(syscall(SYS_setns, -1, 0)) != EPERM;
	bad += errno_of(syscall(SYS_clone3, 0, 0)) != ENOSYS;
	bad += errno_of(syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0)) !=
	       EPERM;
	bad += errno_of(syscall(SYS_bpf, 0, 0, 0)) != EPERM;
	bad += errno_of(socket(AF_PACKET, SOCK_RAW, 0)) != EAFNOSUPPORT;
	/* The kernel looks at the low half of the register. */
	bad += errno_of(syscall(SYS_socket, 17 | 1ll << 40, SOCK_RAW, 0)) !=
	       EAFNOSUPPORT;
	bad += errno_of(socket(AF_NETLINK, SOCK_RAW, 12)) != EPROTONOSUPPORT;
	bad += errno_of(socket(AF_INET, SOCK_STREAM, 0)) != 0;
	bad += errno_of(socket(AF_UNIX, SOCK_STREAM, 0)) != 0;
	bad += errno_of(socket(AF_NETLINK, SOCK_RAW, 0)) != 0;
	bad += errno_of(syscall(SYS_getpid)) != 0;
	return bad;
}

static void
calls_are_refused(void)
{
	struct sock_fprog f[FILTER_N] = { 0 };
	struct err e;
	int status;
	pid_t pid;

	CHECK(filter_build(f, &e) == 0);
	pid = fork();
	if (pid == 0)
		_exit(under_filter(f));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	filter_free(f);
}

int
main(void)
{
	small_files();
	processors_rotate();
	ids_are_random();
	calls_are_refused();
	return t_end();
}
