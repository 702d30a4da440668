/*
 * idempotency.c - the same create, sent twice under one key, is done once.
 *
 * The key is written down before the work begins and the answer before it is
 * sent: after a crash in between nobody knows what became of it, and 422
 * says so.
 */
#include "ctl/api/api_int.h"

#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "io/log.h"

enum { KEY_MAX = 255, ANSWER_MAX = 64 * 1024 };

/* NULL if there is none; *bad if there are two, or it is malformed. */
static const char *
key_of(const struct call *c, bool *bad)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	const char *name, *value, *key = NULL;

	*bad = false;
	for (size_t i = 0; http_req_header_at(c->r, i, &name, &value); i++) {
		if (strcasecmp(name, "Idempotency-Key") != 0)
			continue;
		*bad = *bad || key != NULL || *value == '\0' ||
		       strlen(value) > KEY_MAX ||
		       value[strspn(value, set)] != '\0';
		key = value;
	}
	return key;
}

static void
add(SHA256_CTX *sha, const char *text)
{
	/* With its end, so that pieces cannot run into each other. */
	SHA256_Update(sha, (const uint8_t *)text, strlen(text) + 1);
}

/* Method, target, and the fields that we read: others do not count. */
static int
fingerprint(struct call *c, const char *const *fields, size_t nfields)
{
	SHA256_CTX sha;

	SHA256_Init(&sha);
	add(&sha, http_req_method(c->r));
	add(&sha, http_req_target(c->r));
	for (size_t i = 0; i < nfields; i++) {
		const json_t *v = json_object_get(c->body, fields[i]);
		autofree char *text = NULL;

		if (v == NULL)
			continue;
		text = json_dumps(
		    v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
		if (text == NULL)
			return -1;
		add(&sha, fields[i]);
		add(&sha, text);
	}
	SHA256_Final(c->idem_print, &sha);
	return 0;
}

static bool
under_way(const struct call *c, const char *key)
{
	for (const struct call *x = c->api->calls; x != NULL; x = x->next)
		if (x != c && x->idem_key != NULL &&
		    strcmp(x->idem_key, key) == 0)
			return true;
	return false;
}

static void
replay(struct call *c, const char *key, struct store_answer *a)
{
	if (memcmp(a->print, c->idem_print, STORE_PRINT_LEN) != 0)
		call_fail(c, 409, "idempotency_request_mismatch",
		    "this Idempotency-Key was used for another request");
	else if (a->status != 0 && a->body.len > 0)
		call_ok(c, a->status, &a->body);
	else if (a->status != 0)
		call_empty(c, a->status);
	else if (under_way(c, key))
		call_fail(c, 409, "idempotency_in_progress",
		    "the first request with this Idempotency-Key is still "
		    "being worked on");
	else
		call_fail(c, 422, "idempotency_outcome_unknown",
		    "the server was restarted while it worked on the first "
		    "request with this Idempotency-Key: look whether the "
		    "sandbox exists");
}

/* 0 if the key is ours from now on. */
static int
claim(struct call *c, const char *key)
{
	struct store *st = engine_store(c->api->en);
	struct store_answer a = { .status = 0 };
	struct err e;
	int rc;

	buf_init(&a.body, ANSWER_MAX);
	rc = store_answer_get(st, key, &a, &e);
	if (rc == 0)
		rc = store_answer_put(
		    st, key, c->idem_print, wall_ms(), 0, NULL, 0, &e);
	else if (rc > 0)
		replay(c, key, &a);
	if (rc < 0) {
		log_error("idempotency err=\"%s\"", e.msg);
		call_fail(c, 503, NULL, "the Idempotency-Key store failed");
	}
	buf_fini(&a.body);
	return rc == 0 ? 0 : -1;
}

int
idempotency_begin(struct call *c, const char *const *fields, size_t nfields)
{
	bool bad;
	const char *key = key_of(c, &bad);
	autofree char *copy = NULL;

	if (key == NULL)
		return 0;
	if (bad) {
		call_fail(c, 400, NULL,
		    "Idempotency-Key must be one value of 1 to 255 characters "
		    "of [a-z0-9]");
		return -1;
	}
	copy = strdup(key);
	if (copy == NULL || fingerprint(c, fields, nfields) < 0) {
		call_fail(c, 500, NULL, "no memory");
		return -1;
	}
	if (claim(c, copy) < 0)
		return -1;
	c->idem_key = take(&copy);
	return 0;
}

void
idempotency_end(struct call *c, int status, const char *body, size_t n)
{
	struct err e;

	if (c->idem_key == NULL)
		return;
	if (n > ANSWER_MAX)
		n = 0;
	if (store_answer_put(engine_store(c->api->en), c->idem_key,
		c->idem_print, wall_ms(), status, body, n, &e) < 0)
		log_error("idempotency err=\"%s\"", e.msg);
}
