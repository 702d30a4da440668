#include "io/place.h"

#include <string.h>
#include <sys/sysctl.h>
#include <sys/types.h>

const char place_conf[] = "/usr/local/etc/coppiced.conf";
const char place_state[] = "/var/db/coppice";
const char place_setup[] = "tools/freebsd/install.sh";

/*
 * The kernel finds the path by its name cache, which forgets: a name that was
 * not looked up for long has to be found in its directory again, and a program
 * that was replaced has none.
 */
int
place_self(char *to, size_t cap, struct err *e)
{
	const int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1 };
	char *slash;

	if (sysctl(mib, 4, to, &cap, NULL, 0) < 0)
		return err_sys(e, "the path of this program");
	slash = strrchr(to, '/');
	if (slash == NULL)
		return err_set(e, ERR_SYS, "\"%s\" is no path", to);
	*slash = '\0';
	return 0;
}
