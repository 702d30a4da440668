/* Any file is refused with its line, or reads back as what it prints. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct conf a, b;
static int fd = -1;
static char path[64];

static int
feed(struct conf *c, const void *p, size_t n, FILE *said)
{
	if (fd < 0) {
		fd = memfd_create("conf", 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, p, n, 0) != (ssize_t)n)
		abort();
	return conf_read(c, path, said);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *first = NULL, *second = NULL, *said = NULL;
	size_t n1, n2, ns;
	FILE *f;
	int rc;

	f = open_memstream(&said, &ns);
	rc = feed(&a, data, n, f);
	(void)fclose(f);
	if ((rc == 0) != (ns == 0))
		abort(); /* a refusal without a word, or the reverse */
	free(said);
	if (rc < 0)
		return 0;
	f = open_memstream(&first, &n1);
	conf_print(&a, f);
	(void)fclose(f);
	if (feed(&b, first, n1, stderr) < 0)
		abort();
	f = open_memstream(&second, &n2);
	conf_print(&b, f);
	(void)fclose(f);
	if (n1 != n2 || memcmp(first, second, n1) != 0)
		abort();
	free(first);
	free(second);
	return 0;
}
