#include "model.h"

#include <errno.h>
#include <string.h>

void
model_init(struct model *m, struct texts *t)
{
	*m = (struct model){ .texts = t };
}

void
model_fini(struct model *m)
{
	for (int i = 0; i < MEMSEG_MAX; i++)
		memseg_free(&m->segs[i], m->texts);
}

int
model_alloc_fd(struct model *m, const struct vm_memseg_fd *want)
{
	return memseg_alloc_fd(m->segs, want, m->texts);
}

int
model_alloc(struct model *m, int segid, size_t len)
{
	return memseg_alloc(m->segs, segid, len);
}

int
model_seg_len(const struct model *m, int segid, size_t *len)
{
	if (segid < 0 || segid >= MEMSEG_MAX)
		return EINVAL;
	*len = m->segs[segid].len;
	return 0;
}

/* Whether that part of the segment can stand at that address. */
static int
check_map(const struct model *m, const struct model_map *want, bool wired)
{
	const struct memseg *seg;

	if (want->segid < 0 || want->segid >= MEMSEG_MAX)
		return EINVAL;
	seg = &m->segs[want->segid];
	if (seg->base == NULL)
		return EINVAL;
	if (wired && seg->file != NULL)
		return EOPNOTSUPP;
	if (want->gpa + want->len < want->gpa)
		return EINVAL;
	if (want->len == 0 || want->segoff >= seg->len ||
	    want->len > seg->len - want->segoff)
		return EINVAL;
	if ((want->gpa | want->segoff | want->len) % memseg_page() != 0)
		return EINVAL;
	return 0;
}

static bool
overlap(const struct model_map *a, const struct model_map *b)
{
	return a->gpa < b->gpa + b->len && b->gpa < a->gpa + a->len;
}

int
model_map(struct model *m, uint64_t gpa, int segid, uint64_t segoff, size_t len,
    bool wired)
{
	struct model_map want = { gpa, len, segoff, segid }, *free = NULL;
	int error = check_map(m, &want, wired);

	if (error != 0)
		return error;
	for (int i = MODEL_MAPS - 1; i >= 0; i--)
		if (m->guest.maps[i].len == 0)
			free = &m->guest.maps[i];
	if (free == NULL)
		return ENOSPC;
	if (gpa + len > MODEL_GPA_END)
		return ENOMEM;
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->guest.maps[i].len > 0 &&
		    overlap(&m->guest.maps[i], &want))
			return ENOMEM;
	*free = want;
	return 0;
}

int
model_unmap(struct model *m, uint64_t gpa, size_t len)
{
	for (int i = 0; i < MODEL_MAPS; i++) {
		struct model_map *map = &m->guest.maps[i];

		if (map->len == 0 || map->gpa != gpa || map->len != len)
			continue;
		*map = (struct model_map){ .len = 0 };
		return 0;
	}
	return EINVAL;
}

void
model_host_open(struct model *m)
{
	m->host = m->guest;
}

/* Where GPA is, and how many bytes follow there; NULL: nowhere. */
static unsigned char *
find(const struct model *m, const struct model_view *v, uint64_t gpa, size_t *n)
{
	for (int i = 0; i < MODEL_MAPS; i++) {
		const struct model_map *map = &v->maps[i];

		if (gpa < map->gpa || gpa - map->gpa >= map->len)
			continue;
		*n = map->len - (gpa - map->gpa);
		return m->segs[map->segid].base + map->segoff +
		       (gpa - map->gpa);
	}
	return NULL;
}

int
model_read(const struct model *m, const struct model_view *v, uint64_t gpa,
    void *buf, size_t n)
{
	unsigned char *to = buf;

	while (n > 0) {
		size_t some;
		const unsigned char *from = find(m, v, gpa, &some);

		if (from == NULL)
			return EFAULT;
		some = some < n ? some : n;
		memcpy(to, from, some);
		to += some;
		gpa += some;
		n -= some;
	}
	return 0;
}

int
model_write(struct model *m, const struct model_view *v, uint64_t gpa,
    const void *buf, size_t n)
{
	const unsigned char *from = buf;

	while (n > 0) {
		size_t some;
		unsigned char *to = find(m, v, gpa, &some);

		if (to == NULL)
			return EFAULT;
		some = some < n ? some : n;
		memcpy(to, from, some);
		from += some;
		gpa += some;
		n -= some;
	}
	return 0;
}
