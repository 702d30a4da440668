/* pf/lex.h - pf text as tokens, with pfctl's idea of words and numbers. */
#ifndef PF_LEX_H
#define PF_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum pfm_tok {
	PFM_TOK_END,
	PFM_TOK_NL,
	PFM_TOK_WORD,	/* keywords, addresses, port ranges */
	PFM_TOK_NUMBER, /* digits alone */
	PFM_TOK_STRING, /* in quotes */
	PFM_TOK_ARROW,
	PFM_TOK_PUNCT, /* text[0] */
};

enum { PFM_TOK_MAX = 160 };

struct pfm_lex {
	const char *at, *end;
	const char *name; /* for messages */
	unsigned line, column;
	/* The token that is looked at */
	enum pfm_tok tok;
	char text[PFM_TOK_MAX];
	unsigned tok_line, tok_column;
};

/* Looks at the first token. */
int pfm_lex_start(struct pfm_lex *l, const char *text, size_t len,
    const char *name, struct err *e);
/* Looks at the next one. */
int pfm_lex_next(struct pfm_lex *l, struct err *e);
/* -1, with `why` and where the token that is looked at stands. */
int pfm_lex_bad(const struct pfm_lex *l, const char *why, struct err *e);
#define pfm_lex_bad(...) err_minus_1(pfm_lex_bad(__VA_ARGS__))

bool pfm_lex_is(const struct pfm_lex *l, const char *word);
bool pfm_lex_punct(const struct pfm_lex *l, char c);

#endif
