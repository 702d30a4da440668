/*
 * envd/journal.h - what happens in here, as lines for the control plane:
 * processes, files, rpcs; their names and numbers, never what is in them.
 *
 * A line is begun, gets its fields and is ended, all in one go: there is one
 * place to make them in.
 */
#ifndef ENVD_JOURNAL_H
#define ENVD_JOURNAL_H

#include "envd/envd.h"

struct rpc;

enum journal_level { J_DEBUG, J_INFO, J_WARN, J_ERROR };

struct journal *journal_new(struct envd *d, struct err *e);

void journal_begin(struct journal *j, enum journal_level level,
    const char *logger, const char *message);
/* What does not fit is cut, and says so.  NULL is no field. */
void journal_text(struct journal *j, const char *key, const char *value);
/* One more piece of the field that was the last. */
void journal_more(struct journal *j, const char *value);
void journal_number(struct journal *j, const char *key, int64_t value);
/* A JSON value, as it is. */
void journal_json(
    struct journal *j, const char *key, const char *json, size_t n);
void journal_end(struct journal *j);

/* A number of its own for whatever is done for a request. */
uint64_t journal_operation(struct journal *j);

/* A request about files: what was done; or, with a status, what was not. */
void journal_file(struct http_req *r, struct envd *d, const char *path,
    const char *user, int status, const char *why);
/* An rpc is over; code 0: well. */
void journal_rpc(struct envd *d, const char *method, int code);

#endif
