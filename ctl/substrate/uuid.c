#include "uuid.h"

#include <stdio.h>
#include <sys/random.h>

void
uuid_text(const unsigned char b[UUID_BYTES], char to[UUID_TEXT])
{
	size_t at = 0;

	for (size_t i = 0; i < UUID_BYTES; i++)
		at += (size_t)snprintf(to + at, UUID_TEXT - at, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
}

int
uuid_random(char to[UUID_TEXT], struct err *e)
{
	unsigned char b[UUID_BYTES];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return err_sys(e, "random bytes");
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	uuid_text(b, to);
	return 0;
}

int
uuid_machine_id(char to[UUID_MACHINE_ID], struct err *e)
{
	char uuid[UUID_TEXT] = "";
	size_t n = 0;

	if (uuid_random(uuid, e) < 0)
		return -1;
	for (const char *p = uuid; *p != '\0'; p++)
		if (*p != '-')
			to[n++] = *p;
	to[n++] = '\n';
	to[n] = '\0';
	return 0;
}
