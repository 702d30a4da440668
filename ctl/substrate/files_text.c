#include "files_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

bool
disk_id_ok(const char id[SPAWN_ID_MAX])
{
	const size_t n = strnlen(id, SPAWN_ID_MAX);

	if (n == 0 || n == SPAWN_ID_MAX)
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

/* --- whose files these are ------------------------------------------------ */

int
disk_meta_print(const struct disk_meta *m, char to[DISK_META_TEXT])
{
	return snprintf(to, DISK_META_TEXT,
	    "id %s\ntemplate %s\nslot %u\nincarnation %u\nboot %s\n"
	    "limit %llu\nkeep %d\n",
	    m->id, m->template_id, m->ref.slot, m->ref.incarnation, m->boot_id,
	    (unsigned long long)m->limit, m->keep);
}

static void
meta_line(struct disk_meta *m, const char *key, const char *value)
{
	const struct {
		const char *key;
		char *to;
		size_t room;
	} texts[] = {
		{ "id", m->id, sizeof(m->id) },
		{ "template", m->template_id, sizeof(m->template_id) },
		{ "boot", m->boot_id, sizeof(m->boot_id) },
	};
	const unsigned long long n = strtoull(value, NULL, 10);

	for (size_t i = 0; i < countof(texts); i++)
		if (strcmp(key, texts[i].key) == 0)
			(void)snprintf(texts[i].to, texts[i].room, "%s", value);
	if (strcmp(key, "slot") == 0)
		m->ref.slot = (uint32_t)n;
	else if (strcmp(key, "incarnation") == 0)
		m->ref.incarnation = (uint32_t)n;
	else if (strcmp(key, "limit") == 0)
		m->limit = n;
	else if (strcmp(key, "keep") == 0)
		m->keep = n != 0;
}

int
disk_meta_parse(struct disk_meta *m, char *text, const char *id, struct err *e)
{
	char *save, *line;

	memset(m, 0, sizeof(*m));
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');

		if (value == NULL)
			continue;
		*value++ = '\0';
		meta_line(m, line, value);
	}
	if (strcmp(m->id, id) != 0 || !disk_id_ok(m->id))
		return err_set(
		    e, ERR_SYS, "files of %s: meta names \"%s\"", id, m->id);
	return 0;
}

/* --- what a template stands on -------------------------------------------- */

static bool
is_layer(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");

	return n > 0 && n < SPAWN_TEMPLATE_MAX && s[n] == '\0';
}

/* The same directory twice is refused by an overlay, which names neither. */
static int
check_line(const struct layer_names *l, const char *id, struct err *e)
{
	if (!is_layer(id))
		return err_set(e, ERR_SYS,
		    "template %s: layers: line %zu is not of [a-z0-9]",
		    l->name[0], l->n);
	if (l->n == LAYERS_MAX)
		return err_set(e, ERR_SYS,
		    "template %s: layers: more than %d below it", l->name[0],
		    LAYERS_MAX - 1);
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->name[i], id) == 0)
			return err_set(e, ERR_SYS,
			    "template %s: layers: %s is in it twice",
			    l->name[0], id);
	return 0;
}

int
layer_names_parse(
    struct layer_names *l, const char *id, char *text, struct err *e)
{
	char *line, *rest = text;

	*l = (struct layer_names){ .name = { id }, .n = 1 };
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0' && rest == NULL)
			break;
		if (check_line(l, line, e) < 0)
			return -1;
		l->name[l->n++] = line;
	}
	return 0;
}
