/*
 * nft/text.h - the table as nft prints it, taken apart: `nft list table inet
 * coppice`, and what nft/emit.c writes, which is the same but for counters.
 * Pure: text in, and nothing is believed of it.
 */
#ifndef NFT_TEXT_H
#define NFT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "9.0.0.0/8" comment "why" : 0:203; NULL where there is none. */
struct nft_text_elem {
	const char *key, *comment, *value;
};

/* As emit.c writes it: the counter's numbers are taken out. */
struct nft_text_rule {
	const char *text;
	const char *comment; /* "" without one */
	size_t comment_len;
	uint64_t packets, bytes;
};

/* A set, map or chain. */
struct nft_text_thing {
	const char *kind, *name;
	struct nft_text_elem *elems;
	struct nft_text_rule *rules; /* of a set: what it is, line by line */
	size_t nelems, elems_cap, nrules, rules_cap;
};

struct nft_text {
	char *data;
	struct nft_text_thing *v; /* in the order of the text */
	size_t n, cap;
	const struct nft_text_thing **by_name; /* sorted */
};

/* The first table `inet coppice` in the text, whatever is around it. */
int nft_text_parse(
    const char *text, size_t len, struct nft_text *out, struct err *e);
void nft_text_fini(struct nft_text *t);

/* By name; NULL: not there. */
const struct nft_text_thing *nft_text_find(
    const struct nft_text *t, const char *name);

#endif
