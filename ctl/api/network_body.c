#include "ctl/api/network_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/api/schema.h"
#include "json/policy_json.h"

/* The lists as the client wrote them: order and spelling kept. */
static char *
lists_text(const json_t *network)
{
	static const char *const names[] = { "allowOut", "denyOut", "ports" };
	json_t *o = json_object();
	char *text;

	for (size_t i = 0; o != NULL && i < countof(names); i++) {
		json_t *v = json_object_get(network, names[i]);

		if (json_array_size(v) > 0)
			(void)json_object_set(o, names[i], v);
	}
	text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

/* ASCII `host[:port]`; ${PORT} stands for the port. */
static int
mask_host(const json_t *v, char *to, struct err *e)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-_:[]${}";
	const char *s = json_string_value(v);
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0x80) {
			err_set(e, ERR_INVALID,
			    "mask request host '%.100s' is not ASCII. Please "
			    "use ASCII characters only.",
			    s);
			return err_at(e, "/network/maskRequestHost");
		}
	if (n == 0)
		return 0;
	if (n > SB_MASK_HOST_MAX || s[strspn(s, ok)] != '\0' || *s == ':') {
		err_set(e, ERR_INVALID,
		    "mask request host is not valid: %.100s", s);
		return err_at(e, "/network/maskRequestHost");
	}
	memcpy(to, s, n + 1);
	return 0;
}

static int
https_ports(const json_t *v, struct err *e)
{
	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_array(v)) {
		err_set(e, ERR_INVALID,
		    "Error when parsing request: /network/httpsPorts is not "
		    "an array");
		return err_at(e, "/network/httpsPorts");
	}
	if (json_array_size(v) == 0)
		return 0;
	err_set(e, ERR_UNSUPPORTED,
	    "network.httpsPorts is not supported by this server: servers in "
	    "the sandbox are reached over plain HTTP");
	return err_at(e, "/network/httpsPorts");
}

static int
ingress(const json_t *network, struct network_body *out, struct err *e)
{
	const json_t *v = json_object_get(network, "allowPublicTraffic");

	if (json_is_boolean(v))
		out->public_traffic = json_is_true(v) ? SB_YES : SB_NO;
	v = json_object_get(network, "maskRequestHost");
	if (json_is_string(v) && mask_host(v, out->mask_host, e) < 0)
		return -1;
	return https_ports(json_object_get(network, "httpsPorts"), e);
}

static void
warn_unknown(const json_t *network, struct network_body *out)
{
	static const char *const known[] = { "allowOut", "denyOut", "ports",
		"rules", "egressProxy", "allowPublicTraffic", "maskRequestHost",
		"httpsPorts", "vpn", "allow_internet_access" };
	/* Walking needs an object that may be written. */
	json_t *o = json_copy(unconst(network)), *v;
	const char *name;
	size_t used = 0;

	json_object_foreach (o, name, v) {
		bool is_known = false;
		size_t n = strlen(name);

		for (size_t i = 0; i < countof(known); i++)
			is_known = is_known || strcmp(known[i], name) == 0;
		/* It becomes a header: only what is harmless there. */
		if (is_known || n > 64 ||
		    used + n + 40 > sizeof(out->warning) ||
		    name[strspn(name,
			"abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] != '\0')
			continue;
		used += (size_t)snprintf(out->warning + used,
		    sizeof(out->warning) - used, "%s%s",
		    used == 0 ? "unknown members of network ignored: " : ", ",
		    name);
	}
	json_decref(o);
}

static int
take_parts(const json_t *body, const json_t *network, bool create,
    struct np_policy *p, struct network_body *out, struct err *e)
{
	const json_t *internet = json_object_get(body, "allow_internet_access");

	if (np_internet_from_json(body, p, e) < 0)
		return -1;
	if (internet == NULL &&
	    json_is_boolean(json_object_get(body, "network")))
		internet = json_object_get(body, "network");
	if (json_is_boolean(internet))
		out->net.internet = json_is_true(internet) ? SB_YES : SB_NO;
	if (create && network != NULL && ingress(network, out, e) < 0)
		return -1;
	if (network != NULL || !create) {
		out->net.json = lists_text(network);
		if (out->net.json == NULL)
			return err_sys(e, "network");
	}
	return sb_policy_make(p, &out->policy, e);
}

int
network_body_take(
    const json_t *body, bool create, struct network_body *out, struct err *e)
{
	const json_t *network =
	    create ? json_object_get(body, "network") : body;
	struct np_policy p;
	int rc;

	*out = (struct network_body){ .public_traffic = SB_UNSAID,
		.net = { .internet = SB_UNSAID } };
	if (json_is_null(network))
		network = NULL;
	e->where[0] = '\0';
	/* On PUT the caller looks at features, after it looked for whom. */
	if ((create ? np_policy_from_json(network, create, &p, e)
		    : np_lists_from_json(network, create, &p, e)) < 0)
		return -1;
	if (json_is_boolean(network))
		network = NULL;
	rc = take_parts(body, network, create, &p, out, e);
	np_policy_fini(&p);
	if (rc < 0) {
		network_body_fini(out);
		return -1;
	}
	if (network != NULL)
		warn_unknown(network, out);
	return 0;
}

void
network_body_fini(struct network_body *b)
{
	sb_net_fini(&b->net);
	sb_policy_fini(&b->policy);
}
