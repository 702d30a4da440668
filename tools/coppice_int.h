/* coppice_int.h - the operator's command, for its own directory. */
#ifndef COPPICE_INT_H
#define COPPICE_INT_H

#include <jansson.h>

/*
 * One call of the API.  The status, 0 if there was no answer (which has been
 * reported).  *body is the caller's; NULL if it is empty or no JSON.  next,
 * if not NULL, gets X-Next-Token or "".
 */
long api_call(
    const char *method, const char *path, json_t **body, char next[1024]);
const char *api_url(void);

/* Looks over the machine; 0, or 1 if something is wrong. */
int doctor(void);

#endif
