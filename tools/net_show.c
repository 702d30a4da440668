/*
 * net_show.c - coppice net show | explain | diff | flows | denials | counters:
 * what a live sandbox may reach, why, and what it tried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "explain.h"
#include "tools/coppice_int.h"
#include "tools/net_int.h"

enum { POLICY_MAX = 1024 * 1024 };

/* What all of these verbs take: [--json] SANDBOX [ARGUMENT]. */
struct args {
	bool json;
	const char *id, *arg;
};

static int
read_args(struct args *a, int argc, char **argv, int most)
{
	int n = 0;

	*a = (struct args){ 0 };
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			a->json = true;
		else if (argv[i][0] == '-' && argv[i][1] != '\0')
			return net_usage();
		else if (n++ == 0)
			a->id = argv[i];
		else
			a->arg = argv[i];
	}
	if (n != most)
		return net_usage();
	return coppice_is_id(a->id) ? 0 : 1;
}

static int
print_json(const json_t *o)
{
	(void)json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	return 0;
}

/* One question about one sandbox; the answer, or NULL after a complaint. */
static json_t *
ask(const char *method, const char *id, const char *what, const char *body)
{
	char path[160];
	json_t *o;
	long status;

	(void)snprintf(path, sizeof(path), "/sandboxes/%s/network%s", id, what);
	status = api_send(method, path, body, &o);
	if (status == 200)
		return o;
	if (status != 0)
		(void)coppice_complain(id, status, o);
	json_decref(o);
	return NULL;
}

/* One GET, printed; `counters` leaves out what else the answer holds. */
static int
look(int argc, char **argv, const char *what, void (*print)(const json_t *o),
    bool counters)
{
	struct args a;
	int rc = read_args(&a, argc, argv, 1);
	json_t *o;

	if (rc != 0)
		return rc;
	o = ask("GET", a.id, what, NULL);
	if (o == NULL)
		return 1;
	if (counters) {
		(void)json_object_del(o, "network");
		(void)json_object_del(o, "rules");
		(void)json_object_del(o, "reach");
	}
	if (a.json)
		print_json(o);
	else
		print(o);
	json_decref(o);
	return 0;
}

/* --- show and counters ------------------------------------------------------
 */

static void
print_ranges(const json_t *list, const char *sign)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		const char *ports =
		    json_string_value(json_object_get(v, "ports"));

		printf("%s%-40s %s%s%s\n", sign, coppice_text(v, "to"),
		    coppice_text(v, "origin"), ports == NULL ? "" : "; ",
		    ports == NULL ? "" : ports);
	}
}

static void
print_counters(const json_t *o)
{
	const json_t *n = json_object_get(o, "counters");
	const json_t *in = json_object_get(o, "wayIn");

	if (json_is_object(n))
		printf("judged     %lld passed, %lld denied, %lld of an "
		       "earlier tenant\n",
		    coppice_number(n, "passed"), coppice_number(n, "denied"),
		    coppice_number(n, "stale"));
	else
		puts("judged     nothing: the sandbox has no rules now");
	printf("way in     %lld bytes received, %lld sent\n",
	    coppice_number(in, "receivedBytes"),
	    coppice_number(in, "sentBytes"));
}

static void
print_show(const json_t *o)
{
	autofree char *policy = json_dumps(
	    json_object_get(o, "network"), JSON_COMPACT | JSON_PRESERVE_ORDER);
	const json_t *reach = json_object_get(o, "reach");

	printf("policy     %s%s\n", policy == NULL ? "-" : policy,
	    json_is_false(json_object_get(o, "allowInternetAccess"))
		? ", no internet access"
		: "");
	printf("generation %lld\n", coppice_number(o, "generation"));
	print_counters(o);
	puts("reaches");
	print_ranges(json_object_get(reach, "ipv4"), "  ");
	print_ranges(json_object_get(reach, "ipv6"), "  ");
}

int
net_show(int argc, char **argv)
{
	return look(argc, argv, "", print_show, false);
}

int
net_counters(int argc, char **argv)
{
	return look(argc, argv, "", print_counters, true);
}

/* --- explain ----------------------------------------------------------------
 */

static json_t *
question(const char *flow)
{
	char addr[NP_ADDR_TEXT];
	struct np_flow f;
	struct err e;
	json_t *o;

	if (np_flow_parse(flow, &f, &e) < 0) {
		fprintf(stderr, "coppice: %s\n", e.msg);
		return NULL;
	}
	o = json_pack("{s:s}", "dst", np_addr_text(f.to, addr));
	if (f.port != 0)
		(void)json_object_set_new(o, "port", json_integer(f.port));
	if (f.proto != NP_PROTO_UNSAID)
		(void)json_object_set_new(o, "proto", json_integer(f.proto));
	return o;
}

static void
print_rule(const json_t *first, const json_t *last, const char *what,
    const char *origin, const char *why)
{
	char rules[48];

	if (json_equal(first, last))
		(void)snprintf(rules, sizeof(rules), "rule %lld",
		    (long long)json_integer_value(first));
	else
		(void)snprintf(rules, sizeof(rules), "rules %lld-%lld",
		    (long long)json_integer_value(first),
		    (long long)json_integer_value(last));
	printf("  %-12s %-40s %-22s %s\n", rules, what, origin, why);
}

static void
print_explained(const json_t *o)
{
	const json_t *by = json_object_get(o, "by");
	const json_t *before = json_object_get(o, "before"), *v;
	char what[400];
	size_t i;

	puts(strcmp(coppice_text(o, "verdict"), "pass") == 0 ? "PASS" : "DROP");
	if (json_is_object(by)) {
		(void)snprintf(what, sizeof(what), "%s %s",
		    coppice_text(by, "source"), coppice_text(by, "to"));
		print_rule(json_object_get(by, "rule"),
		    json_object_get(by, "rule"), what,
		    coppice_text(by, "origin"), "");
	} else {
		puts("  the sandboxes' own resolver, before any rule");
	}
	if (json_array_size(before) > 0)
		puts("before it");
	json_array_foreach (before, i, v)
		print_rule(json_object_get(v, "first"),
		    json_object_get(v, "last"), coppice_text(v, "what"),
		    coppice_text(v, "origin"), coppice_text(v, "why"));
	json_array_foreach (json_object_get(o, "notes"), i, v)
		printf("note: %s\n", json_string_value(v));
}

int
net_explain(int argc, char **argv)
{
	autofree char *body = NULL;
	struct args a;
	int rc = read_args(&a, argc, argv, 2);
	json_t *o;

	if (rc != 0)
		return rc;
	o = question(a.arg);
	body = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (body == NULL)
		return 2;
	o = ask("POST", a.id, "/explain", body);
	if (o == NULL)
		return 2;
	if (a.json)
		print_json(o);
	else
		print_explained(o);
	rc = strcmp(coppice_text(o, "verdict"), "pass") == 0 ? 0 : 1;
	json_decref(o);
	return rc;
}

/* --- diff -------------------------------------------------------------------
 */

static int
read_all(const char *path, struct buf *b)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int rc = 0;

	if (f == NULL) {
		perror(path);
		return -1;
	}
	while (rc == 0 && !feof(f)) {
		char *to = buf_room(b, 4096);

		if (to == NULL || ferror(f))
			rc = -1;
		else
			buf_added(b, fread(to, 1, 4096, f));
	}
	if (f != stdin)
		(void)fclose(f);
	if (rc < 0)
		fprintf(stderr, "coppice: %s: over %d bytes, or unreadable\n",
		    path, POLICY_MAX);
	return rc;
}

static void
print_flow(const json_t *f, const char *sign)
{
	char to[80];
	const char *addr = coppice_text(f, "destination");

	if (coppice_number(f, "port") == 0)
		(void)snprintf(to, sizeof(to), "%.64s/%.10s", addr,
		    coppice_text(f, "protocol"));
	else
		(void)snprintf(to, sizeof(to), "%s%.64s%s:%lld/%.10s",
		    strchr(addr, ':') == NULL ? "" : "[", addr,
		    strchr(addr, ':') == NULL ? "" : "]",
		    coppice_number(f, "port"), coppice_text(f, "protocol"));
	printf("%s%-48s", sign, to);
}

static void
print_diff(const json_t *o)
{
	const json_t *cut = json_object_get(o, "flows"), *f;
	size_t i;

	print_ranges(json_object_get(o, "closed"), "- ");
	print_ranges(json_object_get(o, "opened"), "+ ");
	json_array_foreach (cut, i, f) {
		print_flow(f, "x ");
		printf(" from port %lld, would be cut\n",
		    coppice_number(f, "sourcePort"));
	}
}

int
net_diff(int argc, char **argv)
{
	struct args a;
	struct buf policy;
	int rc = read_args(&a, argc, argv, 2);
	json_t *o = NULL;

	if (rc != 0)
		return rc;
	buf_init(&policy, POLICY_MAX);
	if (read_all(a.arg, &policy) == 0)
		o = ask("PUT", a.id, "?dryRun=1", buf_str(&policy));
	buf_fini(&policy);
	if (o == NULL)
		return 2;
	if (a.json)
		print_json(o);
	else
		print_diff(o);
	rc = json_array_size(json_object_get(o, "closed")) +
			 json_array_size(json_object_get(o, "opened")) ==
		     0
		 ? 0
		 : 1;
	json_decref(o);
	return rc;
}

/* --- flows and denials ------------------------------------------------------
 */

static void
print_flows(const json_t *o)
{
	const json_t *list = json_object_get(o, "flows"), *f;
	size_t i;

	json_array_foreach (list, i, f) {
		print_flow(f, "");
		printf(" from %-5lld %-12s generation %lld%s\n",
		    coppice_number(f, "sourcePort"), coppice_text(f, "state"),
		    coppice_number(f, "generation"),
		    json_is_false(json_object_get(f, "current"))
			? ", to be judged again"
			: "");
	}
}

static void
print_denials(const json_t *o)
{
	const json_t *list = json_object_get(o, "denials"), *d;
	size_t i;

	json_array_foreach (list, i, d) {
		const json_t *by = json_object_get(d, "rule");

		printf("%.26s ", coppice_text(d, "lastTime"));
		print_flow(d, "");
		printf(" x%-5lld %s %s (%s)\n", coppice_number(d, "count"),
		    coppice_text(by, "source"), coppice_text(by, "text"),
		    coppice_text(by, "origin"));
	}
	if (coppice_number(o, "dropped") > 0)
		printf("and %lld more that were not kept\n",
		    coppice_number(o, "dropped"));
}

int
net_flows(int argc, char **argv)
{
	return look(argc, argv, "/flows", print_flows, false);
}

int
net_denials(int argc, char **argv)
{
	return look(argc, argv, "/denials", print_denials, false);
}
