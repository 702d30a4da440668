/* coppice_int.h - the operator's command, for its own directory. */
#ifndef COPPICE_INT_H
#define COPPICE_INT_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>

/*
 * One call of the API.  The status, 0 if there was no answer (which has been
 * reported).  *body is the caller's; NULL if it is empty or no JSON.  next,
 * if not NULL, gets X-Next-Token or "".
 */
long api_call(
    const char *method, const char *path, json_t **body, char next[1024]);
/* The same with a body of JSON, or NULL. */
long api_send(
    const char *method, const char *path, const char *json, json_t **body);
const char *api_url(void);
/* What every call says; the caller's, by curl_slist_free_all(). */
struct curl_slist *api_headers(void);

/* Members of an answer; "-" and 0 where there is none. */
const char *coppice_text(const json_t *o, const char *key);
long long coppice_number(const json_t *o, const char *key);
/* Says what the API said of `what`; 1, for main to return. */
int coppice_complain(const char *what, long status, const json_t *body);
/* Ids are small letters and digits; complains where it is none. */
bool coppice_is_id(const char *s);

int cmd_net(int argc, char **argv);
int cmd_pool(int argc, char **argv);

/* Looks over the machine; 0, or 1 if something is wrong. */
int doctor(void);
/* Has the coppiced of that configuration read it again; 0 or 1. */
int reload(const char *path);
/* Our processes on this host, a line each; linux/ or freebsd/. */
void print_processes(void);
/* How often somebody else changed the rules of that installation. */
void print_lost(const char *path);

#endif
