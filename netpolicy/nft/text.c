#include "nft/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

/* Of one table; the largest real one has 16,383 slots of 8 things each. */
enum { THINGS_MAX = 256 * 1024, PARTS_MAX = 4 * 1024 * 1024 };

struct parser {
	struct nft_text *t;
	char *at;
	size_t line, parts;
};

static int
bad(const struct parser *p, struct err *e, const char *what)
{
	err_set(e, ERR_INVALID, "%s", what);
	return err_at(e, "line %zu", p->line);
}

static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r\n");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
		n--;
	s[n] = '\0';
	return s;
}

/* The next line, without blanks around it; NULL at the end. */
static char *
next_line(struct parser *p)
{
	char *line = p->at, *end;

	if (*line == '\0')
		return NULL;
	p->line++;
	end = strchr(line, '\n');
	if (end == NULL) {
		p->at = line + strlen(line);
	} else {
		*end = '\0';
		p->at = end + 1;
	}
	return trim(line);
}

/* Without a handle behind it, as `nft -a` shows. */
static void
cut_handle(char *line)
{
	char *h = strstr(line, "# handle ");

	/* Not in a comment's quotes: a handle is the last thing of a line. */
	if (h != NULL && strchr(h, '"') == NULL) {
		*h = '\0';
		(void)trim(line);
	}
}

static int
grow(struct parser *p, void *list, size_t n, size_t *cap, size_t size,
    struct err *e)
{
	void **v = list;
	size_t more = *cap == 0 ? 8 : *cap * 2;
	void *new;

	if (++p->parts > PARTS_MAX)
		return bad(p, e, "more than can be in a table");
	if (n < *cap)
		return 0;
	new = realloc(*v, more * size);
	if (new == NULL)
		return err_sys(e, "table");
	*v = new;
	*cap = more;
	return 0;
}

/* --- rules ------------------------------------------------------------------
 */

/* Takes len bytes out of the text at s. */
static void
cut(char *s, size_t len)
{
	memmove(s, s + len, strlen(s + len) + 1);
}

static void
take_counter(char *line, struct nft_text_rule *r)
{
	char *c = strstr(line, "counter packets ");
	unsigned long long packets, bytes;
	int len = 0;

	if (c == NULL || sscanf(c, "counter packets %llu bytes %llu%n",
			     &packets, &bytes, &len) != 2)
		return;
	r->packets = packets;
	r->bytes = bytes;
	cut(c + strlen("counter"), (size_t)len - strlen("counter"));
}

/* 65536 bytes are 64 kbytes to nft, and 1 mbytes what it can say so. */
static void
largest_unit(char *line)
{
	for (char *s = strstr(line, " bytes"); s != NULL;
	     s = strstr(s + 1, " bytes")) {
		static const char *const units[] = { "bytes", "kbytes",
			"mbytes" };
		char *from = s, text[48];
		unsigned long long n;
		size_t u = 0, len;

		while (from > line && isdigit((unsigned char)from[-1]))
			from--;
		if (from == s || s - from > 18)
			continue;
		n = strtoull(from, NULL, 10);
		while (n > 0 && n % 1024 == 0 && u + 1 < countof(units)) {
			n /= 1024;
			u++;
		}
		if (u == 0)
			continue;
		len = (size_t)snprintf(
		    text, sizeof(text), "%llu %s", n, units[u]);
		memcpy(from, text, len);
		cut(from + len, (size_t)(s + strlen(" bytes") - from) - len);
		s = from;
	}
}

/* What nft leaves out when it lists: it follows from the rule. */
static void
cut_l3proto(char *line)
{
	static const char *const words[] = { "ct l3proto ipv4 ",
		"ct l3proto ipv6 " };

	for (size_t i = 0; i < countof(words); i++) {
		char *s = strstr(line, words[i]);

		if (s != NULL)
			cut(s, strlen(words[i]));
	}
}

static int
add_rule(struct parser *p, struct nft_text_thing *x, char *line, struct err *e)
{
	struct nft_text_rule r = { .text = line, .comment = "" };
	const char *c;

	cut_handle(line);
	take_counter(line, &r);
	cut_l3proto(line);
	largest_unit(line);
	c = strstr(line, " comment \"");
	if (c != NULL) {
		r.comment = c + strlen(" comment \"");
		r.comment_len = strcspn(r.comment, "\"");
	}
	if (grow(p, &x->rules, x->nrules, &x->rules_cap, sizeof(*x->rules), e) <
	    0)
		return -1;
	x->rules[x->nrules++] = r;
	return 0;
}

/* --- elements ---------------------------------------------------------------
 */

/* Quotes around all of it go. */
static char *
unquote(char *s)
{
	size_t n = strlen(s);

	if (n >= 2 && s[0] == '"' && strchr(s + 1, '"') == s + n - 1) {
		s[n - 1] = '\0';
		return s + 1;
	}
	return s;
}

static int
add_elem(struct parser *p, struct nft_text_thing *x, char *text, struct err *e)
{
	struct nft_text_elem el = { NULL, NULL, NULL };
	char *comment, *end;

	text = trim(text);
	comment = strstr(text, " comment \"");
	if (comment != NULL) {
		*comment = '\0';
		comment += strlen(" comment \"");
		end = strchr(comment, '"');
		if (end == NULL)
			return bad(p, e, "a comment without an end");
		*end = '\0';
		el.comment = comment;
		end = strstr(end + 1, ": ");
	} else {
		end = strstr(text, " : ");
	}
	if (end != NULL) {
		el.value = unquote(trim(end + (*end == ' ' ? 3 : 2)));
		*end = '\0';
	}
	el.key = unquote(trim(text));
	if (*el.key == '\0')
		return bad(p, e, "an element without a key");
	if (grow(p, &x->elems, x->nelems, &x->elems_cap, sizeof(*x->elems), e) <
	    0)
		return -1;
	x->elems[x->nelems++] = el;
	return 0;
}

/* From behind the `{` to the `}` that closes it, over lines. */
static int
take_elements(
    struct parser *p, struct nft_text_thing *x, char *s, struct err *e)
{
	char *from = s;
	bool quoted = false;

	for (;; s++) {
		const char c = *s;

		if (c == '\0')
			return bad(p, e, "elements without an end");
		p->line += c == '\n';
		if (c == '"')
			quoted = !quoted;
		if (quoted || (c != ',' && c != '}'))
			continue;
		*s = '\0';
		if (add_elem(p, x, from, e) < 0)
			return -1;
		from = s + 1;
		if (c == '}')
			break;
	}
	p->at = s + 1;
	(void)next_line(p);
	return 0;
}

/* --- the table --------------------------------------------------------------
 */

/* "set NAME {": the words; false: no such line. */
static bool
take_head(char *line, const char **kind, const char **name)
{
	size_t n;
	char *space;

	cut_handle(line);
	n = strlen(line);
	if (n < 2 || line[n - 1] != '{')
		return false;
	line[n - 1] = '\0';
	(void)trim(line);
	space = strchr(line, ' ');
	*kind = line;
	*name = "";
	if (space != NULL) {
		*space = '\0';
		*name = trim(space + 1);
	}
	return true;
}

static int
take_thing(struct parser *p, struct nft_text_thing *x, struct err *e)
{
	static const char elements[] = "elements = {";

	for (;;) {
		/* Elements are read from here: their lines are not lines. */
		char *start = p->at + strspn(p->at, " \t"), *line;

		if (strncmp(start, elements, sizeof(elements) - 1) == 0) {
			if (take_elements(
				p, x, start + sizeof(elements) - 1, e) < 0)
				return -1;
			continue;
		}
		line = next_line(p);
		if (line == NULL)
			return bad(p, e, "a set or chain without an end");
		if (strcmp(line, "}") == 0)
			return 0;
		if (*line != '\0' && add_rule(p, x, line, e) < 0)
			return -1;
	}
}

static int
take_table(struct parser *p, struct err *e)
{
	struct nft_text *t = p->t;
	char *line;

	while ((line = next_line(p)) != NULL) {
		struct nft_text_thing x = { .kind = "line", .name = line };

		if (strcmp(line, "}") == 0)
			return 0;
		if (*line == '\0')
			continue;
		if (t->n == THINGS_MAX)
			return bad(p, e, "more than can be in a table");
		if (take_head(line, &x.kind, &x.name) &&
		    take_thing(p, &x, e) < 0) {
			free(x.elems);
			free(x.rules);
			return -1;
		}
		if (grow(p, &t->v, t->n, &t->cap, sizeof(*t->v), e) < 0) {
			free(x.elems);
			free(x.rules);
			return -1;
		}
		t->v[t->n++] = x;
	}
	return bad(p, e, "the table has no end");
}

void
nft_text_fini(struct nft_text *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].elems);
		free(t->v[i].rules);
	}
	free(t->v);
	free(t->by_name);
	free(t->data);
	*t = (struct nft_text){ 0 };
}

/* Ours is plain ASCII; what is not goes to no terminal. */
static void
clean(char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 &&
			strchr("\n\t\r", *s) == NULL) ||
		    (unsigned char)*s >= 0x7f)
			*s = '?';
}

static int
parse(struct nft_text *t, struct err *e)
{
	static const char head[] = "table inet coppice {";
	struct parser p = { .t = t, .at = t->data };
	char *line;

	if (t->data[strspn(t->data, " \t\r\n")] == '{')
		return err_set(e, ERR_INVALID,
		    "this is JSON: have nft print the table without -j");
	while ((line = next_line(&p)) != NULL) {
		cut_handle(line);
		if (strcmp(line, head) == 0)
			return take_table(&p, e);
	}
	return err_set(e, ERR_INVALID, "there is no table inet coppice in it");
}

static int
by_name(const void *a, const void *b)
{
	const struct nft_text_thing *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int
sort_names(struct nft_text *t, struct err *e)
{
	t->by_name = calloc(t->n + 1, sizeof(*t->by_name));
	if (t->by_name == NULL)
		return err_sys(e, "table");
	for (size_t i = 0; i < t->n; i++)
		t->by_name[i] = &t->v[i];
	if (t->n > 0)
		qsort(t->by_name, t->n, sizeof(*t->by_name), by_name);
	return 0;
}

int
nft_text_parse(
    const char *text, size_t len, struct nft_text *out, struct err *e)
{
	struct nft_text t = { .data = malloc(len + 1) };

	*out = (struct nft_text){ 0 };
	if (t.data == NULL)
		return err_sys(e, "table");
	if (len > 0)
		memcpy(t.data, text, len);
	t.data[len] = '\0';
	if (strlen(t.data) != len) {
		nft_text_fini(&t);
		return err_set(e, ERR_INVALID, "a zero byte in the text");
	}
	clean(t.data);
	if (parse(&t, e) < 0 || sort_names(&t, e) < 0) {
		nft_text_fini(&t);
		return -1;
	}
	*out = t;
	return 0;
}

const struct nft_text_thing *
nft_text_find(const struct nft_text *t, const char *name)
{
	const struct nft_text_thing key = { .name = name }, *k = &key;
	const struct nft_text_thing **found;

	if (t->n == 0)
		return NULL;
	found = bsearch(&k, t->by_name, t->n, sizeof(*t->by_name), by_name);
	return found == NULL ? NULL : *found;
}
