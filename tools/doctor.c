/* doctor.c - what has to be so for Coppice to run well, and what of it is not.
 */
#include "tools/doctor_int.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/own.h"
#include "io/place.h"
#include "tools/coppice_int.h"

static int nbad;

void
doctor_say(enum verdict v, const char *what, const char *fmt, ...)
{
	static const char *const word[] = { "ok  ", "note", "BAD " };
	va_list ap;

	nbad += v == BAD;
	printf("%s  %-12s ", word[v], what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void
check_users(void)
{
	static const char *const users[] = { "_coppice", "_coppice_px",
		"_coppice_eg", "_coppice_cap" };
	bool all = true;

	for (size_t i = 0; i < countof(users); i++)
		if (getpwnam(users[i]) == NULL) {
			doctor_say(BAD, "users", "there is no user %s: run %s",
			    users[i], place_setup);
			all = false;
		}
	if (all)
		doctor_say(OK, "users",
		    "_coppice, _coppice_px, _coppice_eg, _coppice_cap");
}

static void
check_disk(void)
{
	const char *dir = place_state;
	char path[256];
	struct statvfs s;

	if (statvfs(access(dir, F_OK) == 0 ? dir : "/var", &s) < 0)
		return;
	doctor_say((unsigned long long)s.f_bavail * s.f_frsize < 8ull << 30
		       ? NOTE
		       : OK,
	    "disk", "%llu MiB free for %s",
	    (unsigned long long)s.f_bavail * s.f_frsize >> 20, dir);
	(void)snprintf(path, sizeof(path),
	    "%s/templates/coppicebase000000000/rootfs", dir);
	if (access(path, F_OK) < 0)
		doctor_say(NOTE, "template",
		    "no base template yet: the first start "
		    "of coppiced builds it");
}

static void
check_api(void)
{
	json_t *body;
	long status = api_call("GET", "/health", &body, NULL);

	json_decref(body);
	if (status == 200)
		doctor_say(OK, "api", "%s answers", api_url());
	else
		doctor_say(NOTE, "api",
		    "%s does not answer: is coppiced running?", api_url());
}

int
doctor(void)
{
	if (geteuid() != 0)
		doctor_say(
		    NOTE, "user", "not root: some things cannot be seen");
	check_users();
	doctor_host();
	check_disk();
	check_api();
	return nbad > 0;
}
