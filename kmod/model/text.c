#include "text.h"

#include <errno.h>
#include <stdlib.h>

static struct text *
find(struct texts *t, const struct stat *file)
{
	struct text *f = t->first;

	while (f != NULL && (f->dev != file->st_dev || f->ino != file->st_ino))
		f = f->next;
	return f;
}

static struct text *
find_or_add(struct texts *t, const struct stat *file)
{
	struct text *f = find(t, file);

	if (f != NULL)
		return f;
	f = malloc(sizeof(*f));
	if (f == NULL)
		return NULL;
	*f = (struct text){ t->first, file->st_dev, file->st_ino, 0, 0 };
	t->first = f;
	return f;
}

/* What nobody uses any more may get the number of another file. */
static void
forget_unused(struct texts *t, struct text *f)
{
	struct text **at = &t->first;

	if (f->holders > 0 || f->writers > 0)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f);
}

int
text_hold(struct texts *t, const struct stat *file, struct text **held)
{
	struct text *f = find_or_add(t, file);

	if (f == NULL)
		return ENOMEM;
	if (f->writers > 0)
		return ETXTBSY;
	f->holders++;
	*held = f;
	return 0;
}

void
text_release(struct texts *t, struct text *held)
{
	held->holders--;
	forget_unused(t, held);
}

int
text_write(struct texts *t, const struct stat *file)
{
	struct text *f = find_or_add(t, file);

	if (f == NULL)
		return ENOMEM;
	if (f->holders > 0)
		return ETXTBSY;
	f->writers++;
	return 0;
}

void
text_written(struct texts *t, const struct stat *file)
{
	struct text *f = find(t, file);

	if (f == NULL || f->writers == 0)
		return;
	f->writers--;
	forget_unused(t, f);
}
