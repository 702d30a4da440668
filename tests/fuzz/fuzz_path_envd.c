/* Paths, ranges, codings and names of requests. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "envd/files.h"
#include "envd/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Below home or absolute, never with an element that leads up. */
static void
check_clean(const char *in, const char *out)
{
	if (out[0] != '/')
		abort();
	if (in[0] != '/' &&
	    (strstr(out, "/../") != NULL || strstr(out, "//") != NULL))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[8192], out[PATH_MAX], to[8192];
	char base[NAME_MAX + 1], name[200];
	struct file_range r[RANGES_MAX];
	struct err e;
	int n;

	if (size == 0 || size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (path_resolve(text, "/home/user", NULL, out, &e) == 0)
		check_clean(text, out);
	(void)path_base(text, base);
	n = files_ranges(text, 1000, r);
	for (int i = 0; i < n; i++)
		if (r[i].at < 0 || r[i].n <= 0 || r[i].at + r[i].n > 1000)
			abort();
	(void)files_coding(text, size & 1);
	files_type_list = "/nothing"; /* it is long, and always the same */
	(void)files_type(text, text, size);
	files_disposition(base, name, sizeof(name));
	if (strlen(name) >= sizeof(name))
		abort();
	(void)http_decode(text, size, true, to, sizeof(to));
	(void)b64_decode(text, size, to);
	return 0;
}
