/* A line of a kernel of ours: what a client is told of it is ASCII and JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "code/event.h"
#include "code/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* No byte to spare for the sanitizer to miss. */
	char *copy = malloc(size > 0 ? size : 1);
	struct jv v;
	struct buf b;
	struct msg m;

	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	buf_init(&b, 1 << 20);
	if (msg_from_line(copy, size, &m) == 0 && event_put(&b, &m) == 0 &&
	    b.len > 0) {
		for (size_t i = 0; i + 1 < b.len; i++)
			if ((unsigned char)b.data[i] < 0x20 ||
			    (unsigned char)b.data[i] > 0x7e)
				abort();
		if (b.data[b.len - 1] != '\n' ||
		    jv_parse(b.data, b.len, &v, NULL) < 0 ||
		    jv_type(v) != JV_OBJECT)
			abort();
	}
	buf_fini(&b);
	free(copy);
	return 0;
}
