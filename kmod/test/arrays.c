#include "arrays.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct a_file *
a_file_new(size_t len)
{
	struct a_file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		abort();
	f->refs = 1;
	f->len = len;
	return f;
}

void
a_file_drop(struct a_file *f)
{
	if (f != NULL && --f->refs == 0)
		free(f);
}

static bool
bad_request(const struct vm_memseg_fd *q, size_t page)
{
	return q->version != 1 || q->flags != 0 || q->spare[0] != 0 ||
	       q->spare[1] != 0 || q->spare[2] != 0 || q->spare[3] != 0 ||
	       q->segid < 0 || q->segid > 7 || q->len == 0 ||
	       q->len % page != 0 || q->off % page != 0;
}

int
a_alloc_fd(struct a_machine *m, const struct vm_memseg_fd *want,
    struct a_file *file, size_t page)
{
	struct a_seg *seg;

	if (bad_request(want, page))
		return EINVAL;
	seg = &m->segs[want->segid];
	if (seg->len != 0)
		return EEXIST;
	if (file == NULL)
		return EBADF;
	if (file->writers > 0)
		return ETXTBSY;
	if (want->off + want->len > file->len)
		return EINVAL;
	file->refs++;
	file->machines++;
	seg->len = want->len;
	seg->file = file;
	seg->off = want->off;
	for (int i = 0; i < A_PAGES; i++)
		seg->pages[i].own = false;
	return 0;
}

int
a_alloc(struct a_machine *m, int segid, size_t len, size_t page)
{
	struct a_seg *seg;

	if (segid < 0 || len == 0 || len % page != 0)
		return EINVAL;
	seg = &m->segs[segid];
	if (seg->len != 0)
		return seg->len == len ? EEXIST : EINVAL;
	seg->len = len;
	seg->file = NULL;
	for (int i = 0; i < A_PAGES; i++) {
		seg->pages[i].own = true;
		memset(seg->pages[i].bytes, 0, sizeof(seg->pages[i].bytes));
	}
	return 0;
}

int
a_map(struct a_machine *m, const struct a_map *want, bool wired, size_t page)
{
	const struct a_seg *seg;

	if (want->segid < 0 || want->segid >= A_SEGS)
		return EINVAL;
	seg = &m->segs[want->segid];
	if (seg->len == 0)
		return EINVAL;
	if (wired && seg->file != NULL)
		return EOPNOTSUPP;
	if (want->len == 0 || want->segoff + want->len > seg->len ||
	    want->gpa % page + want->segoff % page + want->len % page != 0)
		return EINVAL;
	if (m->nguest == A_MAPS)
		return ENOSPC;
	for (unsigned i = 0; i < m->nguest; i++)
		if (m->guest[i].gpa < want->gpa + want->len &&
		    want->gpa < m->guest[i].gpa + m->guest[i].len)
			return ENOMEM;
	m->guest[m->nguest++] = *want;
	return 0;
}

int
a_unmap(struct a_machine *m, uint64_t gpa, size_t len)
{
	for (unsigned i = 0; i < m->nguest; i++) {
		if (m->guest[i].gpa != gpa || m->guest[i].len != len)
			continue;
		m->guest[i] = m->guest[--m->nguest];
		return 0;
	}
	return EINVAL;
}

/* The page at GPA, and whose it is. */
static struct a_page *
page_at(struct a_machine *m, bool host, uint64_t gpa, size_t page,
    struct a_seg **seg, size_t *index)
{
	const struct a_map *maps = host ? m->host : m->guest;
	unsigned n = host ? m->nhost : m->nguest;

	for (unsigned i = 0; i < n; i++) {
		if (gpa < maps[i].gpa || gpa >= maps[i].gpa + maps[i].len)
			continue;
		*seg = &m->segs[maps[i].segid];
		*index = (gpa - maps[i].gpa + maps[i].segoff) / page;
		return &(*seg)->pages[*index];
	}
	return NULL;
}

static void
copy_file_page(
    const struct a_seg *seg, size_t index, unsigned char *to, size_t page)
{
	memcpy(to, seg->file->bytes + seg->off + index * page, page);
}

static bool
one_byte(struct a_machine *m, bool host, bool write, uint64_t gpa,
    unsigned char *b, size_t page)
{
	struct a_seg *seg;
	size_t index;
	struct a_page *p = page_at(m, host, gpa, page, &seg, &index);

	if (p == NULL)
		return false;
	if (write && !p->own) {
		copy_file_page(seg, index, p->bytes, page);
		p->own = true;
	}
	if (write)
		p->bytes[gpa % page] = *b;
	else if (p->own)
		*b = p->bytes[gpa % page];
	else
		*b = seg->file
			 ->bytes[seg->off + index * page + (size_t)gpa % page];
	return true;
}

int
a_access(struct a_machine *m, bool host, bool write, uint64_t gpa,
    unsigned char *buf, size_t n, size_t page)
{
	if (host && !m->host_open) {
		memcpy(m->host, m->guest, sizeof(m->host));
		m->nhost = m->nguest;
		m->host_open = true;
	}
	for (size_t i = 0; i < n; i++)
		if (!one_byte(m, host, write, gpa + i, &buf[i], page))
			return EFAULT;
	return 0;
}

void
a_reset(struct a_machine *m)
{
	for (int i = 0; i < A_SEGS; i++) {
		struct a_seg *seg = &m->segs[i];

		if (seg->file != NULL)
			seg->file->machines--;
		a_file_drop(seg->file);
		seg->file = NULL;
		seg->len = 0;
	}
	m->nguest = m->nhost = 0;
	m->host_open = false;
}
