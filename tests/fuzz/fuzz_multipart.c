/* Multipart bodies mean the same, whole or in pieces of any size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "envd/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct multipart m;
	struct buf text;
	int rc;
};

static int
on_part(
    struct multipart *m, const char *name, const char *filename, struct err *e)
{
	struct seen *s = (struct seen *)(void *)m;

	(void)e;
	return buf_printf(&s->text, "<%s|%s>", name != NULL ? name : "",
	    filename != NULL ? filename : "");
}

static int
on_data(struct multipart *m, const char *p, size_t n, struct err *e)
{
	struct seen *s = (struct seen *)(void *)m;

	(void)e;
	return buf_add(&s->text, p, n);
}

static int
on_part_end(struct multipart *m, struct err *e)
{
	struct seen *s = (struct seen *)(void *)m;

	(void)e;
	return buf_puts(&s->text, "</>");
}

static void
feed(struct seen *s, const char *p, size_t n, size_t step)
{
	struct err e;

	memset(s, 0, sizeof(*s));
	s->m.on_part = on_part;
	s->m.on_data = on_data;
	s->m.on_part_end = on_part_end;
	buf_init(&s->text, 1 << 22);
	(void)multipart_init(&s->m, "multipart/form-data; boundary=b");
	for (size_t i = 0; i < n && s->rc == 0; i += step)
		s->rc = multipart_feed(
		    &s->m, p + i, n - i < step ? n - i : step, &e);
	if (s->rc == 0)
		s->rc = multipart_end(&s->m, &e);
	multipart_fini(&s->m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, parts;
	char param[64];

	if (size < 1)
		return 0;
	feed(&whole, (const char *)data + 1, size - 1, size);
	feed(&parts, (const char *)data + 1, size - 1, data[0] % 64 + 1u);
	if (whole.rc != parts.rc)
		abort();
	if (whole.rc == 0 &&
	    (whole.text.len != parts.text.len ||
		(whole.text.len > 0 && memcmp(whole.text.data, parts.text.data,
					   whole.text.len) != 0)))
		abort();
	if (size < 4096) {
		char header[4096];

		memcpy(header, data + 1, size - 1);
		header[size - 1] = '\0';
		(void)multipart_param(header, "b", param, sizeof(param));
	}
	buf_fini(&whole.text);
	buf_fini(&parts.text);
	return 0;
}
