/* ports_json.c - the member `ports`: [{port, protocol, access}, ...] */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "json/ports_json.h"

enum { PROTO_BOTH = 0 };

static int
bad(struct err *e, const char *at, size_t i, const char *field, const json_t *v,
    const char *want)
{
	autofree char *text = v == NULL ? NULL : json_dumps(v, JSON_ENCODE_ANY);

	err_set(e, ERR_INVALID, "%s/%zu/%s: %.80s is not %s", at, i, field,
	    text == NULL ? "nothing" : text, want);
	return err_at(e, "%s/%zu/%s", at, i, field);
}

/* A number from 1 to 65535 at *s, which moves behind it; 0 if there is none. */
static uint16_t
take_number(const char **s)
{
	uint32_t n = 0;
	size_t len = strspn(*s, "0123456789");

	if (len == 0 || len > 5 || **s == '0')
		return 0;
	for (size_t i = 0; i < len; i++)
		n = n * 10 + (uint32_t)((*s)[i] - '0');
	*s += len;
	return n > UINT16_MAX ? 0 : (uint16_t)n;
}

/* 80, "80" or "8000-8100" */
static bool
take_port(const json_t *v, struct np_port *out)
{
	const char *s = json_string_value(v);
	json_int_t n = json_integer_value(v);

	if (json_is_integer(v) && n >= 1 && n <= UINT16_MAX) {
		out->lo = out->hi = (uint16_t)n;
		return true;
	}
	if (s == NULL || strlen(s) != json_string_length(v))
		return false;
	out->lo = out->hi = take_number(&s);
	if (*s == '-') {
		s++;
		out->hi = take_number(&s);
	}
	return *s == '\0' && out->lo != 0 && out->lo <= out->hi;
}

static bool
take_word(const json_t *v, const char *const words[2], size_t *out)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; i < 2 && s != NULL; i++) {
		if (strcmp(s, words[i]) != 0)
			continue;
		*out = i;
		return true;
	}
	return false;
}

static int
take_entry(const json_t *o, const char *at, size_t i, struct np_policy *p,
    struct err *e)
{
	static const char *const protos[2] = { "tcp", "udp" };
	static const char *const accesses[2] = { "allow", "deny" };
	const json_t *port = json_object_get(o, "port");
	const json_t *proto = json_object_get(o, "protocol");
	const json_t *access = json_object_get(o, "access");
	const json_t *text = json_object_get(o, "description");
	struct np_port new = { .item = (uint32_t)i };
	size_t which = 0, deny = 0;
	bool both = proto == NULL || json_is_null(proto);

	if (!take_port(port, &new))
		return bad(e, at, i, "port", port,
		    "a port from 1 to 65535 or a range like \"8000-8100\"");
	if (!both && !take_word(proto, protos, &which))
		return bad(e, at, i, "protocol", proto, "\"tcp\" or \"udp\"");
	if (!take_word(access, accesses, &deny))
		return bad(e, at, i, "access", access, "\"allow\" or \"deny\"");
	if (text != NULL && !json_is_null(text) && !json_is_string(text))
		return bad(e, at, i, "description", text, "a string");
	new.deny = deny == 1;
	for (size_t k = 0; k < 2; k++) {
		if (!both && k != which)
			continue;
		new.proto = k == 0 ? IPPROTO_TCP : IPPROTO_UDP;
		if (np_policy_port(p, &new, e) < 0)
			return err_at(e, "%s/%zu/port", at, i);
	}
	return 0;
}

int
np_ports_from_json(
    const json_t *list, const char *at, struct np_policy *p, struct err *e)
{
	const json_t *v;
	size_t i;

	if (json_array_size(list) > NP_PORTS_MAX) {
		err_set(e, ERR_INVALID,
		    "ports has %zu entries: at most %d are allowed",
		    json_array_size(list), NP_PORTS_MAX);
		return err_at(e, "%s", at);
	}
	json_array_foreach (list, i, v)
		if (take_entry(v, at, i, p, e) < 0)
			return -1;
	return 0;
}
