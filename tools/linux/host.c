/* host.c - what of the host Coppice needs on Linux. */
#include "tools/doctor_int.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/own.h"

static bool
first_line(const char *path, char *to, size_t cap)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (f == NULL)
		return false;
	ok = fgets(to, (int)cap, f) != NULL;
	(void)fclose(f);
	if (ok)
		to[strcspn(to, "\n")] = '\0';
	return ok;
}

/* Is one of the words of the file `word`? */
static bool
file_has(const char *path, const char *word)
{
	char line[512], *rest;
	FILE *f = fopen(path, "re");
	bool found = false;

	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		for (char *p = strtok_r(line, " \t\n", &rest);
		     p != NULL && !found; p = strtok_r(NULL, " \t\n", &rest))
			found = strcmp(p, word) == 0;
	(void)fclose(f);
	return found;
}

static void
check_kernel(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return;
	if (major < 6 || (major == 6 && minor < 1))
		doctor_say(BAD, "kernel", "%s; 6.1 is the oldest that will do",
		    u.release);
	else
		doctor_say(OK, "kernel", "%s", u.release);
}

static void
check_features(void)
{
	static const char *const need[] = { "overlay", "proc", "devpts" };
	char n[64] = "0";

	for (size_t i = 0; i < countof(need); i++)
		if (!file_has("/proc/filesystems", need[i]))
			doctor_say(NOTE, "kernel",
			    "file system %s is not loaded (a module may be)",
			    need[i]);
	if (!file_has("/proc/filesystems", "btrfs"))
		doctor_say(NOTE, "disk",
		    "btrfs is not loaded: without it there are "
		    "no disk limits");
	if (first_line("/proc/sys/user/max_user_namespaces", n, sizeof(n)) &&
	    strtol(n, NULL, 10) == 0)
		doctor_say(BAD, "kernel",
		    "user namespaces are off "
		    "(user.max_user_namespaces is 0)");
	if (access("/proc/sys/kernel/seccomp", F_OK) < 0)
		doctor_say(BAD, "kernel", "no seccomp filters");
}

static void
check_cgroups(void)
{
	static const char *const want[] = { "memory", "cpu", "pids" };
	const char *v2 = "/sys/fs/cgroup/cgroup.controllers";
	char path[128], missing[64] = "";

	for (size_t i = 0; i < countof(want); i++) {
		(void)snprintf(
		    path, sizeof(path), "/sys/fs/cgroup/%s", want[i]);
		if (file_has(v2, want[i]) || access(path, F_OK) == 0)
			continue;
		(void)snprintf(missing + strlen(missing),
		    sizeof(missing) - strlen(missing), " %s", want[i]);
	}
	if (*missing != '\0')
		doctor_say(BAD, "cgroups", "no controller for:%s", missing);
	else
		doctor_say(OK, "cgroups", "memory, cpu and pids (%s)",
		    access(v2, F_OK) == 0 ? "v2" : "v1");
}

static void
check_limits(void)
{
	char n[64];

	if (first_line("/proc/sys/kernel/pid_max", n, sizeof(n)) &&
	    strtol(n, NULL, 10) < 65536)
		doctor_say(NOTE, "limits",
		    "kernel.pid_max is %s: a thousand sandboxes "
		    "want more",
		    n);
	if (first_line(
		"/proc/sys/net/netfilter/nf_conntrack_max", n, sizeof(n)) &&
	    strtol(n, NULL, 10) < 65536)
		doctor_say(NOTE, "limits",
		    "nf_conntrack_max is %s: many sandboxes "
		    "share it",
		    n);
}

/* Settings of the host that let a sandbox have root of the host do something.
 */
static void
check_settings(void)
{
	char s[160];

	if (first_line("/proc/sys/kernel/core_pattern", s, sizeof(s)) &&
	    (*s == '|' || *s == '@'))
		doctor_say(NOTE, "settings",
		    "kernel.core_pattern is \"%s\": whatever crashes in a "
		    "sandbox, and a sandbox can crash at will, is handed to "
		    "that program of the host",
		    s);
	if (first_line("/proc/sys/fs/suid_dumpable", s, sizeof(s)) &&
	    strcmp(s, "1") == 0)
		doctor_say(NOTE, "settings",
		    "fs.suid_dumpable is 1: root of a sandbox may look into "
		    "its envd; set it to 0 or 2");
}

static void
check_programs(void)
{
	static const char *const need[] = { "/usr/bin/mmdebstrap",
		"/usr/sbin/nft" };

	for (size_t i = 0; i < countof(need); i++)
		if (access(need[i], X_OK) < 0)
			doctor_say(NOTE, "programs",
			    "%s is missing: tools/setup", need[i]);
}

/* --- other people's rules
 * -------------------------------------------------------*/

static const char *
get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

static bool
concerns_us(const json_t *o)
{
	const char *family = get(o, "family");

	if (strcmp(get(o, "table"), "coppice") == 0)
		return false;
	return strcmp(family, "inet") == 0 || strcmp(family, "ip") == 0 ||
	       strcmp(family, "ip6") == 0;
}

/*
 * A base chain of somebody else that drops by default sees our packets too,
 * and a verdict of ours does not keep it from dropping them.
 */
static void
look_at_chain(const json_t *chain, bool *clean)
{
	const char *hook = get(chain, "hook");

	if (!concerns_us(chain) || strcmp(get(chain, "policy"), "drop") != 0)
		return;
	if (strcmp(hook, "forward") != 0 && strcmp(hook, "prerouting") != 0 &&
	    strcmp(hook, "postrouting") != 0 && strcmp(hook, "input") != 0)
		return;
	*clean = false;
	doctor_say(strcmp(hook, "input") == 0 ? NOTE : BAD, "firewall",
	    "chain %s %s %s drops by default at hook %s: accept interfaces "
	    "cop* there, or sandboxes are cut off",
	    get(chain, "family"), get(chain, "table"), get(chain, "name"),
	    hook);
}

/* A rule without any match that ends in drop or reject is a policy as well. */
static void
look_at_rule(const json_t *rule, bool *clean)
{
	const json_t *expr = json_object_get(rule, "expr"), *e;
	bool drops = false;
	size_t i;

	if (!concerns_us(rule))
		return;
	json_array_foreach (expr, i, e) {
		if (json_object_get(e, "drop") != NULL ||
		    json_object_get(e, "reject") != NULL)
			drops = true;
		else if (json_object_get(e, "counter") == NULL &&
			 json_object_get(e, "comment") == NULL)
			return;
	}
	if (!drops)
		return;
	*clean = false;
	doctor_say(NOTE, "firewall",
	    "chain %s %s %s ends with a rule that drops everything: if "
	    "forwarded packets reach it, sandboxes are cut off",
	    get(rule, "family"), get(rule, "table"), get(rule, "chain"));
}

static json_t *
ruleset(void)
{
	/* NOLINTNEXTLINE(cert-env33-c): nothing in it is anybody's input */
	FILE *p = popen("nft -j list ruleset 2>/dev/null", "re");
	json_t *root;

	if (p == NULL)
		return NULL;
	root = json_loadf(p, 0, NULL);
	if (pclose(p) != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static void
check_firewall(void)
{
	json_t *root = ruleset(), *o, *item;
	bool clean = true, ours = false;
	size_t i;

	if (root == NULL) {
		doctor_say(NOTE, "firewall",
		    "`nft -j list ruleset' gives nothing; "
		    "foreign rules were not looked at");
		return;
	}
	json_array_foreach (json_object_get(root, "nftables"), i, item) {
		o = json_object_get(item, "table");
		if (o != NULL && strcmp(get(o, "name"), "coppice") == 0)
			ours = true;
		o = json_object_get(item, "chain");
		if (o != NULL)
			look_at_chain(o, &clean);
		o = json_object_get(item, "rule");
		if (o != NULL)
			look_at_rule(o, &clean);
	}
	json_decref(root);
	if (clean)
		doctor_say(OK, "firewall",
		    "no foreign chain drops what sandboxes "
		    "send");
	doctor_say(ours ? OK : NOTE, "rules",
	    ours ? "table inet coppice is loaded"
		 : "table inet coppice is not "
		   "loaded: coppiced is not "
		   "running");
}

void
doctor_host(void)
{
	check_kernel();
	check_features();
	check_cgroups();
	check_limits();
	check_settings();
	check_programs();
	check_firewall();
}
