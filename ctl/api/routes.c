/* routes.c - method and path to handler, as a table. */
#include "ctl/api/api_int.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"

#define NO_FORK                                                                \
	"Forking a sandbox is not supported by this server yet: create one "   \
	"from the same template."
#define NO_SNAPSHOT "Snapshots are not supported by this server yet."
#define NO_BUILD                                                               \
	"Building templates over the API is not supported by this server "     \
	"yet: "                                                                \
	"the operator builds them on the host."
#define NO_CHANGE                                                              \
	"Templates cannot be changed or deleted over the API of this server "  \
	"yet."
#define NO_TAGS	  "Template tags are not supported by this server yet."
#define NO_VOLUME "Volumes are not supported by this server yet."
#define NO_SECRET "Secrets are not supported by this server yet."
#define NO_EVENTS                                                              \
	"The event API and webhooks are not supported by this server yet: "    \
	"GET /v2/sandboxes/{id}/logs has a sandbox's lifecycle."
#define NO_TEAMS "Teams are not supported by this server: it has one."
#define NO_KEYS                                                                \
	"API keys cannot be managed over the API of this server: they are "    \
	"in its configuration."
#define NO_TOKENS                                                              \
	"Access tokens are not supported by this server: use an API key."
#define NO_NODES "The node and admin API is not supported by this server."
#define NO_AUDIT "The audit API is not supported by this server yet."

/*
 * A literal segment wins over `{}` of an earlier row only by standing first:
 * /sandboxes/metrics before /sandboxes/{}.
 */
const struct route routes[] = {
	{ "GET", "/health", get_health, BODY_NONE, NULL },

	{ "POST", "/sandboxes", post_sandboxes, BODY_REQUIRED, NULL },
	{ "GET", "/sandboxes", get_sandboxes, BODY_NONE, NULL },
	{ "POST", "/v2/sandboxes", post_sandboxes_v2, BODY_REQUIRED, NULL },
	{ "GET", "/v2/sandboxes", get_sandboxes_v2, BODY_NONE, NULL },
	{ "GET", "/sandboxes/metrics", get_metrics_batch, BODY_NONE, NULL },
	{ "GET", "/sandboxes/snapshots", NULL, BODY_NONE, NO_SNAPSHOT },
	{ "GET", "/sandboxes/{}", get_sandbox, BODY_NONE, NULL },
	{ "DELETE", "/sandboxes/{}", delete_sandbox, BODY_NONE, NULL },
	{ "POST", "/sandboxes/{}/pause", post_pause, BODY_OPTIONAL, NULL },
	{ "POST", "/sandboxes/{}/resume", post_resume, BODY_OPTIONAL, NULL },
	{ "POST", "/sandboxes/{}/connect", post_connect, BODY_REQUIRED, NULL },
	{ "POST", "/v2/sandboxes/{}/connect", post_connect_v2, BODY_OPTIONAL,
	    NULL },
	{ "POST", "/sandboxes/{}/timeout", post_timeout, BODY_REQUIRED, NULL },
	{ "POST", "/sandboxes/{}/refreshes", post_refreshes, BODY_OPTIONAL,
	    NULL },
	{ "PUT", "/sandboxes/{}/network", put_network, BODY_REQUIRED, NULL },
	{ "GET", "/sandboxes/{}/network", get_network, BODY_NONE, NULL },
	{ "GET", "/sandboxes/{}/network/flows", get_flows, BODY_NONE, NULL },
	{ "GET", "/sandboxes/{}/network/denials", get_denials, BODY_NONE,
	    NULL },
	{ "POST", "/sandboxes/{}/network/explain", post_explain, BODY_REQUIRED,
	    NULL },
	{ "GET", "/sandboxes/{}/network/capture", get_capture, BODY_NONE,
	    NULL },
	{ "GET", "/sandboxes/{}/metrics", get_metrics, BODY_NONE, NULL },
	{ "GET", "/sandboxes/{}/logs", get_logs, BODY_NONE, NULL },
	{ "GET", "/v2/sandboxes/{}/logs", get_logs_v2, BODY_NONE, NULL },
	{ "POST", "/sandboxes/{}/fork", NULL, BODY_NONE, NO_FORK },
	{ "POST", "/sandboxes/{}/snapshots", NULL, BODY_NONE, NO_SNAPSHOT },
	{ "GET", "/snapshots", NULL, BODY_NONE, NO_SNAPSHOT },
	{ "POST", "/snapshots/{}/fork", NULL, BODY_NONE, NO_FORK },

	{ "GET", "/templates", get_templates, BODY_NONE, NULL },
	{ "GET", "/v2/templates", get_templates_v2, BODY_NONE, NULL },
	{ "POST", "/v3/templates", NULL, BODY_NONE, NO_BUILD },
	{ "POST", "/templates/build", NULL, BODY_NONE, NO_BUILD },
	{ "GET", "/templates/builds", NULL, BODY_NONE, NO_BUILD },
	{ "POST", "/templates/tags", NULL, BODY_NONE, NO_TAGS },
	{ "DELETE", "/templates/tags", NULL, BODY_NONE, NO_TAGS },
	{ "GET", "/templates/aliases/{}", get_alias, BODY_NONE, NULL },
	{ "GET", "/templates/builds/{}", NULL, BODY_NONE, NO_BUILD },
	{ "GET", "/templates/builds/{}/logs", NULL, BODY_NONE, NO_BUILD },
	{ "GET", "/templates/builds/{}/events", NULL, BODY_NONE, NO_BUILD },
	{ "GET", "/templates/{}", get_template, BODY_NONE, NULL },
	{ "DELETE", "/templates/{}", NULL, BODY_NONE, NO_CHANGE },
	{ "PATCH", "/templates/{}", NULL, BODY_NONE, NO_CHANGE },
	{ "PATCH", "/v2/templates/{}", NULL, BODY_NONE, NO_CHANGE },
	{ "GET", "/templates/{}/tags", NULL, BODY_NONE, NO_TAGS },
	{ "GET", "/templates/{}/files/{}", NULL, BODY_NONE, NO_BUILD },
	{ "POST", "/v2/templates/{}/builds/{}", NULL, BODY_NONE, NO_BUILD },
	{ "GET", "/templates/{}/builds/{}/status", NULL, BODY_NONE, NO_BUILD },
	{ "GET", "/templates/{}/builds/{}/logs", NULL, BODY_NONE, NO_BUILD },

	{ "GET", "/volumes", NULL, BODY_NONE, NO_VOLUME },
	{ "POST", "/volumes", NULL, BODY_NONE, NO_VOLUME },
	{ "GET", "/volumes/{}", NULL, BODY_NONE, NO_VOLUME },
	{ "DELETE", "/volumes/{}", NULL, BODY_NONE, NO_VOLUME },
	{ "GET", "/volumecontent/{}/path", NULL, BODY_NONE, NO_VOLUME },
	{ "PATCH", "/volumecontent/{}/path", NULL, BODY_NONE, NO_VOLUME },
	{ "DELETE", "/volumecontent/{}/path", NULL, BODY_NONE, NO_VOLUME },
	{ "GET", "/volumecontent/{}/dir", NULL, BODY_NONE, NO_VOLUME },
	{ "POST", "/volumecontent/{}/dir", NULL, BODY_NONE, NO_VOLUME },
	{ "GET", "/volumecontent/{}/file", NULL, BODY_NONE, NO_VOLUME },
	{ "PUT", "/volumecontent/{}/file", NULL, BODY_NONE, NO_VOLUME },

	{ "GET", "/secrets", NULL, BODY_NONE, NO_SECRET },
	{ "POST", "/secrets", NULL, BODY_NONE, NO_SECRET },
	{ "GET", "/secrets/{}", NULL, BODY_NONE, NO_SECRET },
	{ "POST", "/secrets/{}", NULL, BODY_NONE, NO_SECRET },
	{ "DELETE", "/secrets/{}", NULL, BODY_NONE, NO_SECRET },

	{ "GET", "/events/sandboxes", NULL, BODY_NONE, NO_EVENTS },
	{ "GET", "/events/sandboxes/{}", NULL, BODY_NONE, NO_EVENTS },
	{ "GET", "/events/webhooks", NULL, BODY_NONE, NO_EVENTS },
	{ "POST", "/events/webhooks", NULL, BODY_NONE, NO_EVENTS },
	{ "GET", "/events/webhooks/{}", NULL, BODY_NONE, NO_EVENTS },
	{ "PATCH", "/events/webhooks/{}", NULL, BODY_NONE, NO_EVENTS },
	{ "DELETE", "/events/webhooks/{}", NULL, BODY_NONE, NO_EVENTS },
	{ "GET", "/events/webhooks/{}/deliveries", NULL, BODY_NONE, NO_EVENTS },
	{ "GET", "/events/webhooks/{}/stats", NULL, BODY_NONE, NO_EVENTS },

	{ "GET", "/teams", NULL, BODY_NONE, NO_TEAMS },
	{ "GET", "/teams/{}/metrics", NULL, BODY_NONE, NO_TEAMS },
	{ "GET", "/teams/{}/metrics/max", NULL, BODY_NONE, NO_TEAMS },
	{ "GET", "/api-keys", NULL, BODY_NONE, NO_KEYS },
	{ "POST", "/api-keys", NULL, BODY_NONE, NO_KEYS },
	{ "PATCH", "/api-keys/{}", NULL, BODY_NONE, NO_KEYS },
	{ "DELETE", "/api-keys/{}", NULL, BODY_NONE, NO_KEYS },
	{ "POST", "/access-tokens", NULL, BODY_NONE, NO_TOKENS },
	{ "DELETE", "/access-tokens/{}", NULL, BODY_NONE, NO_TOKENS },
	{ "GET", "/nodes", NULL, BODY_NONE, NO_NODES },
	{ "GET", "/nodes/{}", NULL, BODY_NONE, NO_NODES },
	{ "POST", "/nodes/{}", NULL, BODY_NONE, NO_NODES },
	{ "POST", "/admin/teams/{}/sandboxes/kill", NULL, BODY_NONE, NO_NODES },
	{ "POST", "/admin/teams/{}/builds/cancel", NULL, BODY_NONE, NO_NODES },
	{ "GET", "/admin/sandboxes/running-counts", NULL, BODY_NONE, NO_NODES },
	{ "GET", "/admin/sandboxes/{}", NULL, BODY_NONE, NO_NODES },
	{ "POST", "/admin/teams/{}/api-keys", NULL, BODY_NONE, NO_NODES },
	{ "DELETE", "/admin/teams/{}/api-keys/{}", NULL, BODY_NONE, NO_NODES },
	{ "GET", "/clusters/{}/rigs", NULL, BODY_NONE, NO_NODES },
	{ "PUT", "/clusters/{}/rigs/{}/capacity", NULL, BODY_NONE, NO_NODES },
	{ "GET", "/clusters/{}/rigs/{}/instances", NULL, BODY_NONE, NO_NODES },
	{ "DELETE", "/clusters/{}/rigs/instances/{}", NULL, BODY_NONE,
	    NO_NODES },
	{ "GET", "/clusters/{}/rigs/{}/errors", NULL, BODY_NONE, NO_NODES },

	{ "GET", "/pool", get_pool, BODY_NONE, NULL },
	{ "POST", "/pool/{}/warm", post_pool_warm, BODY_REQUIRED, NULL },
	{ "POST", "/pool/{}/drain", post_pool_drain, BODY_NONE, NULL },
	{ "GET", "/audit/events", NULL, BODY_NONE, NO_AUDIT },
};
const size_t nroutes = countof(routes);

/*
 * One segment of each, both after their '/'; the rest is where the next '/'
 * or the end is.  False if they differ.
 */
static bool
segment(const char **pattern, const char **path, const char **arg, size_t *len)
{
	size_t want = strcspn(*pattern, "/"), have = strcspn(*path, "/");
	bool any = want == 2 && memcmp(*pattern, "{}", 2) == 0;

	*arg = any ? *path : NULL;
	*len = have;
	if (any ? have == 0
		: have != want || memcmp(*pattern, *path, have) != 0)
		return false;
	*pattern += want;
	*path += have;
	return true;
}

struct raw_args {
	const char *at[ROUTE_ARGS_MAX];
	size_t len[ROUTE_ARGS_MAX], n;
};

static bool
matches(const char *pattern, const char *path, struct raw_args *a)
{
	a->n = 0;
	while (*pattern == '/' && *path == '/') {
		const char *arg;
		size_t len;

		pattern++;
		path++;
		if (!segment(&pattern, &path, &arg, &len))
			return false;
		if (arg != NULL && a->n < ROUTE_ARGS_MAX) {
			a->at[a->n] = arg;
			a->len[a->n++] = len;
		}
	}
	return *pattern == '\0' && *path == '\0';
}

static void
decode_args(const struct raw_args *a, struct route_found *out)
{
	for (size_t i = 0; i < a->n; i++) {
		out->args[i] = out->room + i * ROUTE_ARG_MAX;
		if (http_decode(a->at[i], a->len[i], false, out->args[i],
			ROUTE_ARG_MAX) < 0) {
			out->args[i][0] = '\0';
			out->bad = true;
		}
	}
}

static void
allow(struct route_found *out, const char *method)
{
	size_t n = strlen(out->allow);

	if (strstr(out->allow, method) == NULL)
		(void)snprintf(out->allow + n, sizeof(out->allow) - n, "%s%s",
		    n > 0 ? ", " : "", method);
}

void
route_find(const char *method, const char *path, struct route_found *out)
{
	struct raw_args a;

	out->route = NULL;
	out->allow[0] = '\0';
	out->bad = false;
	out->args[0] = out->args[1] = out->args[2] = NULL;
	for (size_t i = 0; i < nroutes; i++) {
		if (!matches(routes[i].path, path, &a))
			continue;
		if (strcmp(routes[i].method, method) != 0) {
			allow(out, routes[i].method);
			continue;
		}
		out->route = &routes[i];
		decode_args(&a, out);
		return;
	}
}
