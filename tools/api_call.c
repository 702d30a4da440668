#include "tools/coppice_int.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "io/place.h"

enum { ANSWER_MAX = 64 * 1024 * 1024, TIMEOUT_S = 60 };

#define DEFAULT_URL "http://127.0.0.1:3000"

const char *
api_url(void)
{
	const char *url = getenv("COPPICE_URL");

	if (url == NULL || *url == '\0')
		url = getenv("E2B_API_URL");
	return url == NULL || *url == '\0' ? DEFAULT_URL : url;
}

/* Of the environment, or the one that tools/run made. */
static void
api_key(char to[256])
{
	const char *key = getenv("COPPICE_API_KEY");
	char path[256];
	FILE *f;

	to[0] = '\0';
	if (key == NULL || *key == '\0')
		key = getenv("E2B_API_KEY");
	if (key != NULL) {
		(void)snprintf(to, 256, "%s", key);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/key", place_state);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(to, 256, f) != NULL)
		to[strcspn(to, "\r\n")] = '\0';
	(void)fclose(f);
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	return buf_add(arg, p, size * n) < 0 ? 0 : size * n;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	static const char name[] = "x-next-token:";
	char *next = arg;
	size_t len = size * n, skip = sizeof(name) - 1;

	if (next == NULL || len <= skip || strncasecmp(p, name, skip) != 0)
		return len;
	while (skip < len && (p[skip] == ' ' || p[skip] == '\t'))
		skip++;
	(void)snprintf(next, 1024, "%.*s", (int)(len - skip), p + skip);
	next[strcspn(next, "\r\n")] = '\0';
	return len;
}

struct curl_slist *
api_headers(void)
{
	char key[256], line[300];

	api_key(key);
	(void)snprintf(line, sizeof(line), "X-API-Key: %s", key);
	return curl_slist_append(NULL, line);
}

static long
perform(
    CURL *c, struct buf *answer, const char *url, const char *json, char *next)
{
	char why[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = api_headers();
	long status = 0;
	CURLcode rc;

	if (json != NULL) {
		headers = curl_slist_append(
		    headers, "Content-Type: application/json");
		/* Ours would be sent in two steps, for an answer to the first.
		 */
		headers = curl_slist_append(headers, "Expect:");
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, json);
	}
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, next);
	rc = curl_easy_perform(c);
	curl_slist_free_all(headers);
	if (rc != CURLE_OK) {
		fprintf(stderr, "coppice: %s: %s\n", url,
		    *why != '\0' ? why : curl_easy_strerror(rc));
		return 0;
	}
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static long
call(const char *method, const char *path, const char *json, json_t **body,
    char *next)
{
	CURL *c = curl_easy_init();
	struct buf answer, url;
	const char *text;
	long status = 0;

	*body = NULL;
	if (next != NULL)
		next[0] = '\0';
	buf_init(&answer, ANSWER_MAX);
	buf_init(&url, 8192);
	(void)buf_printf(&url, "%s%s", api_url(), path);
	text = buf_str(&url);
	if (c == NULL || text == NULL) {
		fprintf(stderr, "coppice: no memory\n");
	} else {
		(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
		status = perform(c, &answer, text, json, next);
	}
	if (answer.len > 0)
		*body =
		    json_loadb(answer.data, answer.len, JSON_DECODE_ANY, NULL);
	buf_fini(&answer);
	buf_fini(&url);
	curl_easy_cleanup(c);
	return status;
}

long
api_call(const char *method, const char *path, json_t **body, char next[1024])
{
	return call(method, path, NULL, body, next);
}

long
api_send(const char *method, const char *path, const char *json, json_t **body)
{
	return call(method, path, json, body, NULL);
}

const char *
coppice_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "-" : s;
}

long long
coppice_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}
