/*
 * slotattack - what root in a sandbox may try on a FreeBSD host, one attempt a
 * word: "refused" with the reason, or "DONE".  Runs inside, for hostile.sh;
 * `connect' and `listen' are the two ends of a connection for slots.sh.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/cpuset.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_types.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/in_var.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/jail.h>
#include <sys/ktrace.h>
#include <sys/linker.h>
#include <sys/mount.h>
#include <sys/procctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/rtprio.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The first process of the sandbox: the only one whose parent is outside. */
static pid_t
envd(void)
{
	static struct kinfo_proc v[4096];
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PROC };
	size_t len = sizeof(v);
	pid_t first = -1;

	if (sysctl(mib, COUNT(mib), v, &len, NULL, 0) < 0)
		return -1;
	for (size_t i = 0; i < len / sizeof(v[0]); i++)
		if (first < 0 || v[i].ki_pid < first)
			first = v[i].ki_pid;
	return first;
}

static int
if_ioctl(unsigned long what, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (r->ifr_name[0] == '\0')
		strcpy(r->ifr_name, "eth0");
	return fd < 0 ? -1 : ioctl(fd, what, r);
}

static int
link_down(void)
{
	struct ifreq r = { .ifr_flags = 0 };

	return if_ioctl(SIOCSIFFLAGS, &r);
}

static int
link_mac(void)
{
	struct ifreq r = { .ifr_addr = { .sa_len = 6, .sa_family = AF_LINK } };

	memcpy(r.ifr_addr.sa_data, "\x02\xc0\x70\x00\x00\x63", 6);
	return if_ioctl(SIOCSIFLLADDR, &r);
}

static int
link_mtu(void)
{
	struct ifreq r = { .ifr_mtu = 9000 };

	return if_ioctl(SIOCSIFMTU, &r);
}

static int
link_rename(void)
{
	char name[] = "eth9";
	struct ifreq r = { .ifr_data = name };

	return if_ioctl(SIOCSIFNAME, &r);
}

static int
link_destroy(void)
{
	struct ifreq r = { .ifr_flags = 0 };

	return if_ioctl(SIOCIFDESTROY, &r);
}

static int
link_create(void)
{
	struct ifreq r = { .ifr_name = "epair" };

	return if_ioctl(SIOCIFCREATE2, &r);
}

static int
link_reclaim(void)
{
	struct ifreq r = { .ifr_jid = 1 };

	return if_ioctl(SIOCSIFRVNET, &r);
}

static int
link_promisc(void)
{
	struct ifreq r = { .ifr_flagshigh = IFF_PPROMISC >> 16 };

	return if_ioctl(SIOCSIFFLAGS, &r);
}

static int
link_address(void)
{
	struct sockaddr_in a = { .sin_len = sizeof(a),
		.sin_family = AF_INET,
		.sin_addr = { htonl(0x0a4e00c9) } };
	struct ifaliasreq r = { .ifra_name = "eth0" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memcpy(&r.ifra_addr, &a, sizeof(a));
	return fd < 0 ? -1 : ioctl(fd, SIOCAIFADDR, &r);
}

static int
route_say(int type)
{
	struct {
		struct rt_msghdr h;
		struct sockaddr_in dst, gw, mask;
	} m;
	int fd = socket(PF_ROUTE, SOCK_RAW, 0);

	memset(&m, 0, sizeof(m));
	m.h.rtm_msglen = sizeof(m);
	m.h.rtm_version = RTM_VERSION;
	m.h.rtm_type = (unsigned char)type;
	m.h.rtm_flags = RTF_UP | RTF_GATEWAY | RTF_STATIC;
	m.h.rtm_addrs = RTA_DST | RTA_GATEWAY | RTA_NETMASK;
	m.dst.sin_len = m.gw.sin_len = m.mask.sin_len = sizeof(m.dst);
	m.dst.sin_family = m.gw.sin_family = m.mask.sin_family = AF_INET;
	m.gw.sin_addr.s_addr = htonl(0x7f000001);
	if (type == RTM_ADD)
		m.dst.sin_addr.s_addr = htonl(0x01020300);
	m.mask.sin_addr.s_addr = type == RTM_ADD ? htonl(0xffffff00) : 0;
	return fd < 0 || write(fd, &m, sizeof(m)) < 0 ? -1 : 0;
}

static int
route_add(void)
{
	return route_say(RTM_ADD);
}

static int
route_delete(void)
{
	return route_say(RTM_DELETE);
}

static int
divert(void)
{
	return socket(44 /* PF_DIVERT */, SOCK_RAW, 0);
}

static int
opens(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	(void)close(fd);
	return 0;
}

static int
dev_pf(void)
{
	return opens("/dev/pf");
}

static int
dev_bpf(void)
{
	return opens("/dev/bpf");
}

static int
dev_mem(void)
{
	return opens("/dev/mem");
}

static int
dev_kmem(void)
{
	return opens("/dev/kmem");
}

static int
dev_io(void)
{
	return opens("/dev/io");
}

static int
dev_disk(void)
{
	return opens("/dev/vtbd0");
}

static int
node(void)
{
	(void)unlink("/tmp/node");
	return mknod("/tmp/node", S_IFCHR | 0600, makedev(0, 0x10)) < 0
		   ? -1
		   : opens("/tmp/node");
}

static int
mounts(const char *type, const char *what, const char *from)
{
	char *v[] = { strdup("fstype"), strdup(type), strdup("fspath"),
		strdup("/mnt"), strdup(what), strdup(from) };
	struct iovec iov[COUNT(v)];

	(void)mkdir("/mnt", 0700);
	for (size_t i = 0; i < COUNT(v); i++)
		iov[i] = (struct iovec){ v[i], strlen(v[i]) + 1 };
	return nmount(iov, COUNT(iov), 0);
}

static int
mount_devfs(void)
{
	return mounts("devfs", "from", "devfs");
}

static int
mount_tmpfs(void)
{
	return mounts("tmpfs", "from", "tmpfs");
}

static int
mount_nullfs(void)
{
	return mounts("nullfs", "target", "/etc");
}

static int
unmount_dev(void)
{
	return unmount("/dev", MNT_FORCE);
}

static int
module_load(void)
{
	return kldload("if_bridge");
}

static int
module_unload(void)
{
	int id = kldfind("if_epair.ko");

	return kldunload(id > 0 ? id : 1);
}

static int
jail_make(void)
{
	char name[] = "name", n[] = "inner", path[] = "path", p[] = "/",
	     persist[] = "persist";
	struct iovec v[] = { { name, sizeof(name) }, { n, sizeof(n) },
		{ path, sizeof(path) }, { p, sizeof(p) },
		{ persist, sizeof(persist) }, { NULL, 0 } };

	return jail_set(v, COUNT(v), JAIL_CREATE);
}

/* Its own, the slot's, and everybody else's. */
static int
each_jail(int (*fn)(int jid))
{
	for (int jid = 0; jid < 4096; jid++)
		if (fn(jid) == 0)
			return 0;
	return -1;
}

static int
jail_enter(void)
{
	return each_jail(jail_attach);
}

static int
jail_end(void)
{
	return each_jail(jail_remove);
}

static int
jail_look(void)
{
	char last[] = "lastjid";
	int zero = 0;
	struct iovec v[] = { { last, sizeof(last) }, { &zero, sizeof(zero) } };

	return jail_get(v, COUNT(v), 0) > 0 ? 0 : -1;
}

static int
jail_loosen(void)
{
	char key[] = "jid", allow[] = "allow.mount";
	int zero = 0;
	struct iovec v[] = { { key, sizeof(key) }, { &zero, sizeof(zero) },
		{ allow, sizeof(allow) }, { NULL, 0 } };

	return jail_set(v, COUNT(v), JAIL_UPDATE);
}

static int
envd_trace(void)
{
	return ptrace(PT_ATTACH, envd(), 0, 0);
}

static int
envd_ktrace(void)
{
	int fd = open("/tmp/ktrace", O_WRONLY | O_CREAT, 0600);

	(void)close(fd);
	return ktrace("/tmp/ktrace", KTROP_SET, KTRFAC_SYSCALL, envd());
}

static int
envd_asks(int what)
{
	static char buf[1 << 16];
	int mib[] = { CTL_KERN, KERN_PROC, what, envd() };
	size_t len = sizeof(buf);

	return sysctl(mib, COUNT(mib), buf, &len, NULL, 0);
}

static int
envd_files(void)
{
	return envd_asks(KERN_PROC_FILEDESC);
}

static int
envd_memory(void)
{
	return envd_asks(KERN_PROC_VMMAP);
}

static int
envd_env(void)
{
	return envd_asks(KERN_PROC_ENV);
}

/* Its name may be told, as it is on the host; it leads nowhere. */
static int
envd_program(void)
{
	char path[PATH_MAX];
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, envd() };
	size_t len = sizeof(path);

	return sysctl(mib, COUNT(mib), path, &len, NULL, 0) < 0 ? -1
								: opens(path);
}

static int
envd_traceable(void)
{
	int on = PROC_TRACE_CTL_ENABLE;

	return procctl(P_PID, envd(), PROC_TRACE_CTL, &on);
}

static int
host_kill(void)
{
	const pid_t last = envd();

	for (pid_t pid = 1; pid < last; pid++)
		if (kill(pid, 0) == 0)
			return 0;
	return -1;
}

static int
sysctl_set(const char *name, int value)
{
	return sysctlbyname(name, NULL, NULL, &value, sizeof(value));
}

static int
sysctl_forward(void)
{
	return sysctl_set("net.inet.ip.forwarding", 1);
}

static int
sysctl_ports(void)
{
	return sysctl_set("net.inet.ip.portrange.reservedhigh", 1023);
}

static int
sysctl_host(void)
{
	return sysctl_set("kern.maxprocperuid", 10);
}

static int
sysctl_drop(void)
{
	char ends[256] = "";

	return sysctlbyname(
	    "net.inet.tcp.drop", NULL, NULL, ends, sizeof(ends));
}

static int
clock_set(void)
{
	struct timeval t = { 1, 0 };

	return settimeofday(&t, NULL);
}

static int
machine_halt(void)
{
	return reboot(RB_HALT);
}

static int
priority(void)
{
	struct rtprio p = { RTP_PRIO_REALTIME, 0 };

	return rtprio(RTP_SET, 0, &p);
}

/* One that the jail does not have. */
static int
processors(void)
{
	cpuset_t all;

	CPU_FILL(&all);
	return cpuset_setaffinity(
	    CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, sizeof(all), &all);
}

static int
handles(void)
{
	fhandle_t fh;

	return getfh("/", &fh);
}

/* Up from where a second chroot does not reach: is that above our root? */
static int
climbs(ino_t root)
{
	struct stat top;

	for (int i = 0; i < 64; i++)
		(void)chdir("..");
	if (stat(".", &top) < 0)
		return -1;
	errno = EPERM;
	return top.st_ino == root ? -1 : 0;
}

static int
chroot_climb(void)
{
	struct stat root;

	if (stat("/", &root) < 0 || chdir("/") < 0)
		return -1;
	(void)mkdir("/tmp/cell", 0700);
	return chroot("/tmp/cell") < 0 ? -1 : climbs(root.st_ino);
}

/* With a directory that stayed open from before. */
static int
chroot_open(void)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY);
	struct stat root;

	if (dir < 0 || fstat(dir, &root) < 0)
		return -1;
	(void)mkdir("/tmp/cell", 0700);
	if (chroot("/tmp/cell") < 0 || fchdir(dir) < 0)
		return -1;
	return climbs(root.st_ino);
}

/* What came with us from outside: a directory would be a way out. */
static int
descriptors(void)
{
	struct stat st;

	for (int fd = 0; fd < 4096; fd++)
		if (fstat(fd, &st) == 0 &&
		    (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
			return 0;
	errno = EBADF;
	return -1;
}

static const struct {
	const char *name;
	int (*run)(void);
} attacks[] = {
	{ "link.down", link_down },
	{ "link.mac", link_mac },
	{ "link.mtu", link_mtu },
	{ "link.rename", link_rename },
	{ "link.destroy", link_destroy },
	{ "link.create", link_create },
	{ "link.reclaim", link_reclaim },
	{ "link.promisc", link_promisc },
	{ "link.address", link_address },
	{ "route.add", route_add },
	{ "route.delete", route_delete },
	{ "net.divert", divert },
	{ "dev.pf", dev_pf },
	{ "dev.bpf", dev_bpf },
	{ "dev.mem", dev_mem },
	{ "dev.kmem", dev_kmem },
	{ "dev.io", dev_io },
	{ "dev.disk", dev_disk },
	{ "dev.node", node },
	{ "mount.devfs", mount_devfs },
	{ "mount.tmpfs", mount_tmpfs },
	{ "mount.nullfs", mount_nullfs },
	{ "mount.undev", unmount_dev },
	{ "module.load", module_load },
	{ "module.unload", module_unload },
	{ "jail.make", jail_make },
	{ "jail.enter", jail_enter },
	{ "jail.end", jail_end },
	{ "jail.look", jail_look },
	{ "jail.loosen", jail_loosen },
	{ "envd.trace", envd_trace },
	{ "envd.ktrace", envd_ktrace },
	{ "envd.files", envd_files },
	{ "envd.memory", envd_memory },
	{ "envd.env", envd_env },
	{ "envd.program", envd_program },
	{ "envd.traceable", envd_traceable },
	{ "host.kill", host_kill },
	{ "host.sysctl", sysctl_host },
	{ "host.clock", clock_set },
	{ "host.halt", machine_halt },
	{ "host.priority", priority },
	{ "host.processors", processors },
	{ "host.handles", handles },
	{ "sysctl.forward", sysctl_forward },
	{ "sysctl.ports", sysctl_ports },
	{ "sysctl.drop", sysctl_drop },
	{ "root.climb", chroot_climb },
	{ "root.open", chroot_open },
	{ "root.descriptors", descriptors },
};

/* Each in a process of its own: some would change what the next one is. */
static void
attempt(size_t i)
{
	pid_t pid = fork();

	if (pid != 0) {
		(void)waitpid(pid, NULL, 0);
		return;
	}
	errno = 0;
	if (attacks[i].run() >= 0)
		printf("%s DONE\n", attacks[i].name);
	else
		printf("%s refused: %s\n", attacks[i].name, strerror(errno));
	(void)fflush(stdout);
	_exit(0);
}

/* --- two ends ---------------------------------------------------------------
 */

static struct sockaddr_in
address(char **argv)
{
	struct sockaddr_in a = { .sin_len = sizeof(a),
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[3])) };

	(void)inet_pton(AF_INET, argv[2], &a.sin_addr);
	return a;
}

static int
connect_to(char **argv)
{
	struct sockaddr_in a = address(argv);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		printf("connect: %s\n", strerror(errno));
		return 1;
	}
	puts("connected");
	(void)fflush(stdout);
	printf("read: %zd %s\n", read(fd, &c, 1), strerror(errno));
	return 0;
}

static int
listen_at(char **argv)
{
	struct sockaddr_in a = address(argv);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 16) < 0) {
		printf("listen: %s\n", strerror(errno));
		return 1;
	}
	puts("listening");
	(void)fflush(stdout);
	while (accept(fd, NULL, NULL) >= 0)
		;
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "connect") == 0)
		return connect_to(argv);
	if (argc == 4 && strcmp(argv[1], "listen") == 0)
		return listen_at(argv);
	if (argc != 2) {
		(void)fputs("usage: slotattack names | NAME | connect ADDRESS "
			    "PORT | listen ADDRESS PORT\n",
		    stderr);
		return 2;
	}
	for (size_t i = 0; i < COUNT(attacks); i++)
		if (strcmp(argv[1], "names") == 0)
			puts(attacks[i].name);
		else if (strcmp(argv[1], attacks[i].name) == 0)
			attempt(i);
	return 0;
}
