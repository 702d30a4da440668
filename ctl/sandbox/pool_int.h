/* pool_int.h - what the files of the pool share. */
#ifndef SANDBOX_POOL_INT_H
#define SANDBOX_POOL_INT_H

#include "ctl/sandbox/sandbox_int.h"

/* pool.c */
struct pool_line *pool_line(struct engine *en, const char *template_id);
struct sandbox *pool_line_take(struct pool_line *l);
/* A member that fits, out of its line; NULL if there is none. */
struct sandbox *pool_take(struct engine *en, const struct sb_record *want);

/* pool_member.c */
struct sandbox *pool_member_new(
    struct engine *en, const struct template *t, struct err *e);
void pool_member_begin(struct sandbox *sb);
/* True if an answer of privd spawn is under way, about its processes. */
bool pool_waits_for_privd(const struct sandbox *sb);
/* It is ready: its connection is kept for the claim. */
void pool_keep(struct sandbox *sb);

#endif
