#include "io/place.h"

#include <string.h>
#include <unistd.h>

const char place_conf[] = "/etc/coppice/coppiced.conf";
const char place_state[] = "/var/lib/coppice";
const char place_setup[] = "tools/setup";

int
place_self(char *to, size_t cap, struct err *e)
{
	ssize_t n = readlink("/proc/self/exe", to, cap);
	char *slash;

	if (n < 0)
		return err_sys(e, "/proc/self/exe");
	if ((size_t)n >= cap)
		return err_set(
		    e, ERR_SYS, "the path of this program is too long");
	to[n] = '\0';
	slash = strrchr(to, '/');
	if (slash == NULL)
		return err_set(e, ERR_SYS, "\"%s\" is no path", to);
	*slash = '\0';
	return 0;
}
