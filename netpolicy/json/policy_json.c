#include "json/policy_json.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "json/ports_json.h"

#define T(type) (1u << (type))
#define T_BOOL	(T(JSON_TRUE) | T(JSON_FALSE))

static const struct field {
	const char *name;
	unsigned types;
	const char *want;
	bool create_only;
} fields[] = {
	{ "allowOut", T(JSON_ARRAY), "an array of strings", false },
	{ "denyOut", T(JSON_ARRAY), "an array of strings", false },
	{ "ports", T(JSON_ARRAY), "an array of objects", false },
	{ "egressProxy", T(JSON_OBJECT), "an object", false },
	{ "rules", T(JSON_OBJECT), "an object", false },
	{ "vpn", T(JSON_OBJECT), "an object", false },
	{ "allowPublicTraffic", T_BOOL, "a boolean", true },
	{ "maskRequestHost", T(JSON_STRING), "a string", true },
};

/* Where `network` stands in the body. */
static const char *
root(bool is_create)
{
	return is_create ? "/network" : "";
}

static int
wrong_type(struct err *e, const char *at, const char *want)
{
	err_set(e, ERR_INVALID, "Error when parsing request: %s is not %s",
	    *at == '\0' ? "the body" : at, want);
	return err_at(e, "%s", at);
}

/* Absent and null are one and the same. */
static const json_t *
member(const json_t *obj, const char *name)
{
	const json_t *v = json_object_get(obj, name);

	return json_is_null(v) ? NULL : v;
}

static int
check_objects(const json_t *list, const char *at, struct err *e)
{
	const json_t *v;
	char place[96];
	size_t i;

	json_array_foreach (list, i, v) {
		if (json_is_object(v))
			continue;
		(void)snprintf(place, sizeof(place), "%s/%zu", at, i);
		return wrong_type(e, place, "an object");
	}
	return 0;
}

static int
check_strings(const json_t *list, const char *at, struct err *e)
{
	const json_t *v;
	char place[96];
	size_t i;

	json_array_foreach (list, i, v) {
		if (json_is_string(v) &&
		    strlen(json_string_value(v)) == json_string_length(v))
			continue;
		(void)snprintf(place, sizeof(place), "%s/%zu", at, i);
		return wrong_type(e, place,
		    json_is_string(v) ? "text: it holds a NUL" : "a string");
	}
	return 0;
}

static int
check_types(const json_t *network, bool is_create, struct err *e)
{
	for (size_t i = 0; i < countof(fields); i++) {
		const struct field *f = &fields[i];
		const json_t *v = member(network, f->name);
		char at[64];

		if (v == NULL || (f->create_only && !is_create))
			continue;
		(void)snprintf(
		    at, sizeof(at), "%s/%s", root(is_create), f->name);
		if (!(f->types & T(json_typeof(v))))
			return wrong_type(e, at, f->want);
		if (json_is_array(v) && (strcmp(f->name, "ports") == 0
						? check_objects(v, at, e)
						: check_strings(v, at, e)) < 0)
			return -1;
	}
	return 0;
}

typedef int take_fn(
    struct np_policy *p, const char *entry, uint32_t item, struct err *e);

static int
take_list(const json_t *network, bool is_create, const char *name,
    take_fn *take_one, struct np_policy *p, struct err *e)
{
	const json_t *list = member(network, name), *v;
	size_t i;

	if (json_array_size(list) > NP_LIST_MAX) {
		err_set(e, ERR_INVALID,
		    "%s has %zu entries: at most %d are allowed", name,
		    json_array_size(list), NP_LIST_MAX);
		return err_at(e, "%s/%s", root(is_create), name);
	}
	json_array_foreach (list, i, v)
		if (take_one(p, json_string_value(v), (uint32_t)i, e) < 0)
			return err_at(e, "%s/%s/%zu", root(is_create), name, i);
	return 0;
}

static int
take_ports(
    const json_t *network, bool is_create, struct np_policy *p, struct err *e)
{
	char at[64];

	(void)snprintf(at, sizeof(at), "%s/ports", root(is_create));
	return np_ports_from_json(member(network, "ports"), at, p, e);
}

static int
take_lists(
    const json_t *network, bool is_create, struct np_policy *p, struct err *e)
{
	if (check_types(network, is_create, e) < 0)
		return -1;
	if (take_list(network, is_create, "denyOut", np_policy_deny, p, e) < 0)
		return -1;
	if (take_list(network, is_create, "allowOut", np_policy_allow, p, e) <
	    0)
		return -1;
	if (take_ports(network, is_create, p, e) < 0)
		return -1;
	if (np_policy_finish(p, e) < 0)
		return err_at(
		    e, "%s/allowOut/%u", root(is_create), p->first_name);
	return 0;
}

int
np_lists_from_json(
    const json_t *network, bool is_create, struct np_policy *out, struct err *e)
{
	struct np_policy p;

	np_policy_init(out);
	if (network == NULL || json_is_null(network) ||
	    (is_create && json_is_boolean(network)))
		return 0;
	if (!json_is_object(network))
		return wrong_type(e, root(is_create), "an object");
	np_policy_init(&p);
	if (take_lists(network, is_create, &p, e) < 0) {
		np_policy_fini(&p);
		return -1;
	}
	*out = p;
	return 0;
}

int
np_features_from_json(const json_t *network, bool is_create, struct err *e)
{
	if (member(network, "egressProxy") != NULL) {
		err_set(e, ERR_FORBIDDEN,
		    "Egress proxy (%s) is not enabled for this team.",
		    is_create ? "network.egressProxy" : "egressProxy");
		return err_at(e, "%s/egressProxy", root(is_create));
	}
	if (json_object_size(member(network, "rules")) > 0) {
		err_set(e, ERR_INVALID,
		    "Network transform rules are not available for your team.");
		return err_at(e, "%s/rules", root(is_create));
	}
	/* Not E2B's, but some clients send it, mostly to say no. */
	if (json_is_true(json_object_get(member(network, "vpn"), "enabled"))) {
		err_set(e, ERR_INVALID,
		    "vpn is not supported: what comes nearest is egressProxy");
		return err_at(e, "%s/vpn/enabled", root(is_create));
	}
	return 0;
}

int
np_policy_from_json(
    const json_t *network, bool is_create, struct np_policy *out, struct err *e)
{
	if (np_lists_from_json(network, is_create, out, e) < 0)
		return -1;
	if (np_features_from_json(network, is_create, e) < 0) {
		np_policy_fini(out);
		return -1;
	}
	return 0;
}

int
np_internet_from_json(const json_t *body, struct np_policy *out, struct err *e)
{
	const json_t *v = member(body, "allow_internet_access");
	const json_t *n = member(body, "network");

	if (v != NULL && !json_is_boolean(v))
		return wrong_type(e, "/allow_internet_access", "a boolean");
	if (v != NULL && json_is_boolean(n) && !json_equal(v, n)) {
		err_set(e, ERR_INVALID,
		    "network says %s and allow_internet_access says %s",
		    json_is_true(n) ? "true" : "false",
		    json_is_true(v) ? "true" : "false");
		return err_at(e, "/allow_internet_access");
	}
	if (v == NULL && json_is_boolean(n))
		v = n;
	out->no_internet = json_is_false(v);
	return 0;
}
