#include "roots.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"

/* The files that say who a sandbox is, written before anybody is in it. */

/* The template's own is replaced, whatever it is: nothing is written through
 * a link. */
static int
write_file(int etc, const char *name, const char *text, struct err *e)
{
	const size_t len = strlen(text);
	autoclose int fd = -1;

	if (unlinkat(etc, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "etc/%s", name);
	fd = openat(etc, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len ||
	    fchmod(fd, 0644) < 0)
		return err_sys(e, "etc/%s", name);
	return 0;
}

static int
open_etc(const struct disk *d, const char *id, struct err *e)
{
	autoclose int root = disk_root_dir(d, id, e);
	int etc;

	if (root < 0)
		return -1;
	if (mkdirat(root, "etc", 0755) < 0 && errno != EEXIST)
		return err_sys(e, "etc");
	etc = openat(
	    root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return etc >= 0 ? etc : err_sys(e, "etc");
}

static int
write_linux(int etc, const char *id, struct err *e)
{
	char name[SPAWN_ID_MAX + 2], machine[UUID_MACHINE_ID];

	(void)snprintf(name, sizeof(name), "%s\n", id);
	if (uuid_machine_id(machine, e) < 0 ||
	    write_file(etc, "machine-id", machine, e) < 0)
		return -1;
	return write_file(etc, "hostname", name, e);
}

int
root_identity(
    const struct disk *d, const char *id, const struct conf *cf, struct err *e)
{
	/* Slot 0 has no sandbox: its second address is the resolver's. */
	const struct np_addr at = { cf->net4.addr + 1, NP_V4 };
	char resolv[NP_ADDR_TEXT + 16], hosts[256], dns[NP_ADDR_TEXT];
	autoclose int etc = open_etc(d, id, e);
	enum root_abi abi = ROOT_FREEBSD;

	if (etc < 0 || root_abi(d, id, &abi, e) < 0)
		return -1;
	(void)snprintf(
	    resolv, sizeof(resolv), "nameserver %s\n", np_addr_text(at, dns));
	(void)snprintf(hosts, sizeof(hosts),
	    "127.0.0.1\tlocalhost %s\n"
	    "::1\tlocalhost ip6-localhost ip6-loopback\n",
	    id);
	if (write_file(etc, "resolv.conf", resolv, e) < 0 ||
	    write_file(etc, "hosts", hosts, e) < 0)
		return -1;
	return abi == ROOT_LINUX ? write_linux(etc, id, e) : 0;
}

uint32_t
root_hostid(const char uuid[UUID_TEXT])
{
	return (uint32_t)strtoul(uuid, NULL, 16); /* up to the first dash */
}
