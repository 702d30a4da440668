/* host.c - what of the host Coppice needs on FreeBSD. */
#include "tools/doctor_int.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/linker.h>
#include <sys/module.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/sysctl.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/own.h"
#include "io/place.h"

enum {
	RULESET = 4, /* devfsrules_jail of /etc/defaults/devfs.rules */
	SOCKBUF_MIN = 2 * 1024 * 1024,
	FILES_MIN = 65536,
	REQUEST_MIN = 65535,
};

/* -1 if there is no such number. */
static long long
number(const char *name)
{
	union {
		int i;
		long l;
	} v = { 0 };
	size_t n = sizeof(v);

	if (sysctlbyname(name, &v, &n, NULL, 0) < 0)
		return -1;
	return n == sizeof(v.i) ? v.i : v.l;
}

static bool
loaded(const char *module)
{
	return modfind(module) >= 0 || kldfind(module) >= 0;
}

static void
check_kernel(void)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	if (strtol(u.release, NULL, 10) < 14)
		doctor_say(BAD, "kernel", "%s; 14.0 is the oldest that will do",
		    u.release);
	else
		doctor_say(OK, "kernel", "%s", u.release);
	if (number("kern.features.vimage") != 1)
		doctor_say(BAD, "kernel",
		    "it has no VIMAGE: jails cannot have "
		    "a network of their own");
	if (number("security.jail.jailed") == 1)
		doctor_say(BAD, "kernel",
		    "this is a jail; Coppice runs on "
		    "the host");
	if (number("kern.securelevel") >= 3)
		doctor_say(BAD, "kernel",
		    "kern.securelevel is %lld: from 3 on no rule of pf can be "
		    "changed",
		    number("kern.securelevel"));
}

static void
check_racct(void)
{
	if (number("kern.racct.enable") == 1)
		doctor_say(OK, "limits",
		    "racct is on: memory, processes and "
		    "CPU of a sandbox are limited");
	else
		doctor_say(BAD, "limits",
		    "racct is off, so that no sandbox has a limit: "
		    "kern.racct.enable=1 belongs into /boot/loader.conf, and "
		    "takes a reboot");
}

static void
check_modules(void)
{
	static const struct {
		const char *name;
		enum verdict without;
		const char *why;
	} want[] = {
		{ "pf", BAD, "the rules of sandboxes" },
		{ "pflog", NOTE, "the log of what was denied" },
		{ "if_epair", BAD, "the links of sandboxes" },
		{ "zfs", NOTE, "clones of templates, and limits of disks" },
		{ "fdescfs", NOTE, "/dev/fd in sandboxes" },
		{ "linux64", NOTE, "templates of Linux" },
	};

	for (size_t i = 0; i < countof(want); i++)
		if (!loaded(want[i].name))
			doctor_say(want[i].without, "modules",
			    "%s is not loaded: it is for %s", want[i].name,
			    want[i].why);
}

static void
check_forwarding(void)
{
	if (number("net.inet.ip.forwarding") != 1)
		doctor_say(BAD, "network",
		    "net.inet.ip.forwarding is not 1: no sandbox reaches "
		    "anything (gateway_enable=YES in rc.conf)");
	else
		doctor_say(OK, "network", "IPv4 is forwarded%s",
		    number("net.inet6.ip6.forwarding") == 1 ? ", and IPv6"
							    : "");
}

static void
check_limits(void)
{
	long long n;

	n = number("kern.ipc.maxsockbuf");
	if (n >= 0 && n < SOCKBUF_MIN)
		doctor_say(NOTE, "limits",
		    "kern.ipc.maxsockbuf is %lld: channels between our "
		    "processes would like %d",
		    n, SOCKBUF_MIN);
	n = number("kern.maxfilesperproc");
	if (n >= 0 && n < FILES_MIN)
		doctor_say(NOTE, "limits",
		    "kern.maxfilesperproc is %lld: many sandboxes want more",
		    n);
	n = number("net.pf.request_maxcount");
	if (n >= 0 && n < REQUEST_MIN)
		doctor_say(NOTE, "limits",
		    "net.pf.request_maxcount is %lld: a policy of so many "
		    "ranges is the largest",
		    n);
}

/* --- what other programs say
 * ---------------------------------------------------*/

/* Up to cap bytes of what a command prints; false if it fails. */
static bool
output(const char *command, char *to, size_t cap)
{
	/* NOLINTNEXTLINE(cert-env33-c): nothing in it is anybody's input */
	FILE *p = popen(command, "re");
	size_t n;

	if (p == NULL)
		return false;
	n = fread(to, 1, cap - 1, p);
	to[n] = '\0';
	return pclose(p) == 0;
}

static void
check_devfs(void)
{
	char text[4096], command[64];

	(void)snprintf(command, sizeof(command),
	    "/sbin/devfs rule -s %d show 2>/dev/null", RULESET);
	if (!output(command, text, sizeof(text)) || text[0] == '\0')
		doctor_say(BAD, "devfs",
		    "rule set %d is empty, and a sandbox would see every "
		    "device: service devfs restart, with "
		    "devfs_load_rulesets=YES in rc.conf",
		    RULESET);
	else
		doctor_say(OK, "devfs", "rule set %d hides devices", RULESET);
}

static void
check_hooks(void)
{
	/* Without a name that the host chooses: the first of each kind. */
	static const char *const nat[] = { "rdr-anchor \"coppice/*\"" };
	static const char *const filter[] = {
		"label \"coppice:host\"",
		"label \"coppice:stray\"",
		"anchor \"coppice/*\" in on coppice",
		"label \"coppice:closed\"",
		"label \"coppice:inbound\"",
	};
	char text[65536];
	bool all = true;

	if (!output("/sbin/pfctl -s nat 2>/dev/null", text, sizeof(text))) {
		doctor_say(NOTE, "pf",
		    "pfctl says nothing; the rules were "
		    "not looked at");
		return;
	}
	for (size_t i = 0; i < countof(nat); i++)
		if (strstr(text, nat[i]) == NULL) {
			doctor_say(BAD, "pf", "pf.conf lacks: %s", nat[i]);
			all = false;
		}
	if (!output("/sbin/pfctl -s rules 2>/dev/null", text, sizeof(text)))
		return;
	for (size_t i = 0; i < countof(filter); i++)
		if (strstr(text, filter[i]) == NULL) {
			doctor_say(BAD, "pf", "pf.conf lacks the line with: %s",
			    filter[i]);
			all = false;
		}
	if (all)
		doctor_say(OK, "pf", "the lines for Coppice are loaded");
	else
		doctor_say(NOTE, "pf",
		    "`netpolicy compile --pf-root' prints "
		    "the lines; docs/freebsd.md");
}

/* "NAME hard limit N", as pfctl prints it. */
static long long
pf_limit(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	at = at == NULL ? NULL : strstr(at, "hard limit");
	return at == NULL ? -1 : strtoll(at + strlen("hard limit"), NULL, 10);
}

static void
check_pf_limits(void)
{
	static const struct {
		const char *name;
		long long least;
	} want[] = {
		{ "states", 100000 },
		{ "table-entries", 400000 },
		{ "anchors", 1024 },
	};
	char text[4096];

	if (!output("/sbin/pfctl -s memory 2>/dev/null", text, sizeof(text)))
		return;
	for (size_t i = 0; i < countof(want); i++) {
		long long n = pf_limit(text, want[i].name);

		if (n > 0 && n < want[i].least)
			doctor_say(NOTE, "pf",
			    "limit %s is %lld: many sandboxes share it",
			    want[i].name, n);
	}
}

static void
check_pf(void)
{
	char text[4096];

	if (!loaded("pf"))
		return;
	if (!output("/sbin/pfctl -s info 2>/dev/null", text, sizeof(text))) {
		doctor_say(NOTE, "pf", "pfctl says nothing");
		return;
	}
	if (strstr(text, "Status: Enabled") == NULL)
		doctor_say(BAD, "pf",
		    "it is not enabled, so that every "
		    "sandbox reaches everything: "
		    "service pf start");
	else
		doctor_say(OK, "pf", "it is enabled");
	check_hooks();
	check_pf_limits();
}

static void
check_files(void)
{
	struct statfs s;

	if (statfs(place_state, &s) < 0 && statfs("/var/db", &s) < 0)
		return;
	if (strcmp(s.f_fstypename, "zfs") == 0)
		doctor_say(OK, "files", "%s lies on ZFS (%s)", place_state,
		    s.f_mntfromname);
	else
		doctor_say(NOTE, "files",
		    "%s lies on %s: templates are copied, and no disk has a "
		    "limit; set zfs_dataset, or make it a dataset",
		    place_state, s.f_fstypename);
}

void
doctor_host(void)
{
	check_kernel();
	check_racct();
	check_modules();
	check_forwarding();
	check_limits();
	check_devfs();
	check_pf();
	check_files();
}
