/* lex.c - pf text as tokens. */
#include "pf/lex.h"

#include <ctype.h>
#include <string.h>

/* What pfctl lets a word consist of, but for quotes and control bytes. */
static bool
in_word(char c)
{
	return isalnum((unsigned char)c) ||
	       (c != '\0' && strchr(".:_-*", c) != NULL);
}

static bool
starts_word(char c)
{
	return isalnum((unsigned char)c) || c == ':' || c == '_';
}

static bool
known_punct(char c)
{
	return c != '\0' && strchr("{}()<>,!/=", c) != NULL;
}

#undef pfm_lex_bad
int
pfm_lex_bad(const struct pfm_lex *l, const char *why, struct err *e)
{
	char shown[24];
	size_t n = strlen(l->text);

	/* Hostile bytes stay out of messages */
	if (n >= sizeof(shown))
		n = sizeof(shown) - 1;
	for (size_t i = 0; i < n; i++)
		shown[i] =
		    (char)(isprint((unsigned char)l->text[i]) ? l->text[i]
							      : '?');
	shown[n] = '\0';
	if (l->tok == PFM_TOK_END)
		err_set(e, ERR_INVALID, "pf text ends early: %s", why);
	else if (l->tok == PFM_TOK_NL)
		err_set(e, ERR_INVALID, "pf line ends early: %s", why);
	else
		err_set(e, ERR_INVALID, "pf text: \"%s\": %s", shown, why);
	return err_at(e, "%s:%u:%u", l->name, l->tok_line, l->tok_column);
}

static void
step(struct pfm_lex *l)
{
	if (*l->at == '\n') {
		l->line++;
		l->column = 1;
	} else {
		l->column++;
	}
	l->at++;
}

static void
skip_blanks(struct pfm_lex *l)
{
	while (l->at < l->end && (*l->at == ' ' || *l->at == '\t'))
		step(l);
	if (l->at < l->end && *l->at == '#')
		while (l->at < l->end && *l->at != '\n')
			step(l);
}

static int
add(struct pfm_lex *l, size_t *n, struct err *e)
{
	if (*n + 1 >= PFM_TOK_MAX)
		return pfm_lex_bad(l, "too long", e);
	l->text[(*n)++] = *l->at;
	l->text[*n] = '\0';
	step(l);
	return 0;
}

static int
word(struct pfm_lex *l, struct err *e)
{
	size_t n = 0;
	bool digits = true;

	l->tok = PFM_TOK_WORD;
	while (l->at < l->end && in_word(*l->at)) {
		digits = digits && isdigit((unsigned char)*l->at);
		if (add(l, &n, e) < 0)
			return -1;
	}
	if (digits)
		l->tok = PFM_TOK_NUMBER;
	return 0;
}

static int
quoted(struct pfm_lex *l, struct err *e)
{
	size_t n = 0;

	l->tok = PFM_TOK_STRING;
	step(l);
	while (l->at < l->end && *l->at != '"') {
		if (!isprint((unsigned char)*l->at) || *l->at == '\\' ||
		    *l->at == '$')
			return pfm_lex_bad(
			    l, "a byte that none of ours holds", e);
		if (add(l, &n, e) < 0)
			return -1;
	}
	if (l->at == l->end)
		return pfm_lex_bad(l, "no closing quote", e);
	step(l);
	return 0;
}

int
pfm_lex_next(struct pfm_lex *l, struct err *e)
{
	size_t n = 0;

	skip_blanks(l);
	l->tok_line = l->line;
	l->tok_column = l->column;
	l->text[0] = '\0';
	if (l->at == l->end) {
		l->tok = PFM_TOK_END;
		return 0;
	}
	if (*l->at == '\n') {
		l->tok = PFM_TOK_NL;
		step(l);
		return 0;
	}
	if (*l->at == '"')
		return quoted(l, e);
	if (starts_word(*l->at))
		return word(l, e);
	l->tok = PFM_TOK_PUNCT;
	if (*l->at == '-' && l->at + 1 < l->end && l->at[1] == '>') {
		l->tok = PFM_TOK_ARROW;
		if (add(l, &n, e) < 0)
			return -1;
		return add(l, &n, e);
	}
	if (known_punct(*l->at))
		return add(l, &n, e);
	l->text[0] = *l->at;
	l->text[1] = '\0';
	return pfm_lex_bad(l, "unknown", e);
}

int
pfm_lex_start(struct pfm_lex *l, const char *text, size_t len, const char *name,
    struct err *e)
{
	*l = (struct pfm_lex){ .at = text,
		.end = text + len,
		.name = name[0] == '\0' ? "root" : name,
		.line = 1,
		.column = 1 };
	return pfm_lex_next(l, e);
}

bool
pfm_lex_is(const struct pfm_lex *l, const char *word)
{
	return l->tok == PFM_TOK_WORD && strcmp(l->text, word) == 0;
}

bool
pfm_lex_punct(const struct pfm_lex *l, char c)
{
	return l->tok == PFM_TOK_PUNCT && l->text[0] == c;
}
