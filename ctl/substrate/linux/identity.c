#include "sub_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/substrate/uuid.h"

/* The files that say who a sandbox is, written before anybody is in it. */

static int
write_file(int etc, const char *name, const char *text, struct err *e)
{
	autoclose int fd = openat(etc, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	const size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		return err_sys(e, "etc/%s", name);
	return 0;
}

static int
open_etc(const struct disk *d, const char *name, struct err *e)
{
	autoclose int dir = disk_dir(d, name, e);
	int etc;

	if (dir < 0)
		return -1;
	etc = openat(
	    dir, "upper/etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (etc < 0)
		return err_sys(e, "etc");
	return etc;
}

int
identity_prepare(const struct substrate *s, const char *name, struct err *e)
{
	/* Slot 0 has no sandbox: its second address is the resolver's. */
	const struct np_addr at = { s->cf.net4.addr + 1, NP_V4 };
	char resolv[NP_ADDR_TEXT + 16], machine[UUID_MACHINE_ID],
	    dns[NP_ADDR_TEXT];
	autoclose int etc = open_etc(&s->disk, name, e);

	if (etc < 0 || uuid_machine_id(machine, e) < 0)
		return -1;
	(void)snprintf(
	    resolv, sizeof(resolv), "nameserver %s\n", np_addr_text(at, dns));
	if (write_file(etc, "resolv.conf", resolv, e) < 0)
		return -1;
	return write_file(etc, "machine-id", machine, e);
}

int
identity_write(const struct substrate *s, const char *id, struct err *e)
{
	char name[SPAWN_ID_MAX + 2], hosts[256];
	autoclose int etc = open_etc(&s->disk, id, e);

	if (etc < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "%s\n", id);
	(void)snprintf(hosts, sizeof(hosts),
	    "127.0.0.1\tlocalhost\n"
	    "127.0.1.1\t%s\n"
	    "::1\tlocalhost ip6-localhost ip6-loopback\n",
	    id);
	if (write_file(etc, "hostname", name, e) < 0)
		return -1;
	return write_file(etc, "hosts", hosts, e);
}
