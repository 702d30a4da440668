/*
 * The API over HTTP against privds in memory: exact codes and bodies.
 *	test_route_http --serve PORT [KEYS]	stays, for other clients
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/api/api.h"
#include "io/log.h"
#include "tests/lib/engine_world.h"
#include "tests/t.h"

static struct engine_world w;
static struct api *api;
static uint16_t port;
static atomic_bool over;

/* --- a client that waits
 * ------------------------------------------------------*/

static struct answer {
	int status;
	char head[8192];
	char *body; /* of `text` */
	char text[512 * 1024];
	json_t *json;
} got;

static int
dial(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		abort();
	return fd;
}

static void
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0)
			return; /* it said 413 and went */
		p += k;
		n -= (size_t)k;
	}
}

static void
take_answer(int fd)
{
	size_t n = 0;
	ssize_t k;
	char *end;

	while (n < sizeof(got.text) - 1 &&
	       (k = read(fd, got.text + n, sizeof(got.text) - 1 - n)) > 0)
		n += (size_t)k;
	(void)close(fd);
	got.text[n] = '\0';
	json_decref(got.json);
	got.json = NULL;
	got.status = 0;
	got.head[0] = '\0';
	got.body = got.text + n;
	end = strstr(got.text, "\r\n\r\n");
	if (end == NULL)
		return;
	*end = '\0';
	got.body = end + 4;
	(void)snprintf(got.head, sizeof(got.head), "%.8000s", got.text);
	(void)sscanf(got.text, "HTTP/1.1 %d", &got.status);
	got.json = json_loads(got.body, 0, NULL);
}

static const char *key = "X-API-Key: e2b_0123\r\n";

static int
ask(const char *method, const char *path, const char *headers, const char *body)
{
	size_t n = body != NULL ? strlen(body) : 0;
	int fd = dial();
	char *head = NULL;

	if (asprintf(&head,
		"%s %s HTTP/1.1\r\nHost: localhost:%u\r\nConnection: close\r\n"
		"%s%sContent-Length: %zu\r\n\r\n",
		method, path, port, key, headers, n) < 0)
		abort();
	send_all(fd, head, strlen(head));
	if (n > 0)
		send_all(fd, body, n);
	free(head);
	take_answer(fd);
	return got.status;
}

static const char *
text_of(const char *name)
{
	const char *s = json_string_value(json_object_get(got.json, name));

	return s != NULL ? s : "";
}

static bool
is_error(int status)
{
	return got.status == status &&
	       json_integer_value(json_object_get(got.json, "code")) ==
		   status &&
	       text_of("message")[0] != '\0';
}

static bool
said(const char *what)
{
	if (strstr(text_of("message"), what) != NULL)
		return true;
	printf("# said: %d %.200s\n", got.status, got.body);
	return false;
}

static const char *
header(const char *name, char to[256])
{
	char line[64];
	const char *p;
	size_t n;

	(void)snprintf(line, sizeof(line), "\r\n%s: ", name);
	p = strcasestr(got.head, line);
	if (p == NULL)
		return NULL;
	p += strlen(line);
	n = strcspn(p, "\r\n");
	(void)snprintf(to, 256, "%.*s", (int)(n < 255 ? n : 255), p);
	return to;
}

static char made_id[64];

static const char *
create(const char *extra)
{
	char body[2048];

	(void)snprintf(
	    body, sizeof(body), "{\"templateID\":\"base\"%s}", extra);
	CHECK(ask("POST", "/v2/sandboxes", "", body) == 201);
	(void)snprintf(made_id, sizeof(made_id), "%s", text_of("sandboxID"));
	return made_id;
}

static const char *
path_of(const char *id, const char *rest)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "/sandboxes/%s%s", id, rest);
	return path;
}

static void
kill_it(const char *id)
{
	CHECK(ask("DELETE", path_of(id, ""), "", NULL) == 204);
}

/* --- cases
 * ---------------------------------------------------------------------*/

static void
plain(void)
{
	char v[256];

	CHECK(ask("GET", "/health", "", NULL) == 200);
	CHECK(strcmp(got.body, "Health check successful") == 0);
	CHECK(ask("GET", "/nothing", "", NULL) == 404 && is_error(404));
	CHECK(ask("GET", "/sandboxes/", "", NULL) == 404);
	CHECK(ask("PATCH", "/sandboxes", "", NULL) == 405 && is_error(405));
	CHECK(header("Allow", v) != NULL && strcmp(v, "POST, GET") == 0);
	CHECK(ask("POST", "/sandboxes/iabc/fork", "", "{}") == 501);
	CHECK(is_error(501) && said("not supported"));
	CHECK(ask("GET", "/volumes", "", NULL) == 501 && is_error(501));
	CHECK(ask("GET", "/sandboxes/snapshots", "", NULL) == 501);
	CHECK(ask("OPTIONS", "/sandboxes", "", NULL) == 204);
	CHECK(strstr(got.head, "Access-Control") == NULL);
}

static void
strangers(void)
{
	const char *keep = key;

	key = "";
	CHECK(ask("GET", "/sandboxes", "", NULL) == 401 && is_error(401));
	key = "X-API-Key: \r\n";
	CHECK(ask("GET", "/sandboxes", "", NULL) == 401 && is_error(401));
	key = "Authorization: Bearer anything\r\n";
	CHECK(ask("GET", "/sandboxes", "", NULL) == 200);
	key = "Authorization: Basic anything\r\n";
	CHECK(ask("GET", "/sandboxes", "", NULL) == 401);
	key = keep;
}

static void
objects(void)
{
	const char *id;
	char v[256];

	CHECK(ask("POST", "/sandboxes", "",
		  "{\"templateID\":\"base\",\"secure\":true,"
		  "\"metadata\":{\"a\":\"b \\\"c\\\"\"},\"timeout\":60,"
		  "\"unknown\":1,\"network\":{\"denyOut\":[\"1.1.1.1/32\"],"
		  "\"allowOut\":[],\"maskRequestHost\":\"localhost:${PORT}\","
		  "\"dns\":1}}") == 201);
	CHECK(header("Coppice-Warning", v) != NULL && strstr(v, "dns"));
	CHECK(strcmp(text_of("templateID"), "coppicebase000000000") == 0);
	CHECK(strcmp(text_of("clientID"), "6532622b") == 0);
	CHECK(strcmp(text_of("envdVersion"), "0.6.13") == 0);
	CHECK(strcmp(text_of("alias"), "base") == 0);
	CHECK(strlen(text_of("envdAccessToken")) == 64);
	CHECK(json_object_get(got.json, "domain") == NULL);
	(void)snprintf(made_id, sizeof(made_id), "%s", text_of("sandboxID"));
	id = made_id;

	CHECK(ask("GET", path_of(id, ""), "", NULL) == 200);
	CHECK(strcmp(text_of("state"), "running") == 0);
	CHECK(strcmp(json_string_value(json_object_get(
			 json_object_get(got.json, "metadata"), "a")),
		  "b \"c\"") == 0);
	CHECK(json_is_null(json_object_get(got.json, "allowInternetAccess")));
	CHECK(strstr(got.body,
		  "\"network\":{\"denyOut\":[\"1.1.1.1/32\"],"
		  "\"allowPublicTraffic\":true,"
		  "\"maskRequestHost\":\"localhost:${PORT}\"}") != NULL);
	CHECK(strstr(got.body, "\"lifecycle\":{\"onTimeout\":\"kill\","
			       "\"autoResume\":false}") != NULL);
	CHECK(header("Coppice-Generation", v) != NULL);
	/* Once more, from what was kept; and by an older client's id. */
	CHECK(ask("GET", path_of(id, "-6532622b"), "", NULL) == 200);
	CHECK(strcmp(text_of("sandboxID"), id) == 0);
	CHECK(ask("GET", path_of(id, "-a-b"), "", NULL) == 400);
	CHECK(said("Invalid sandbox ID"));
	CHECK(ask("GET", "/sandboxes/I_", "", NULL) == 400);
	CHECK(ask("GET", "/sandboxes/%00", "", NULL) == 400);
	CHECK(ask("GET", "/sandboxes/inobody", "", NULL) == 404);
	CHECK(said("doesn't exist or you don't have access to it"));
	kill_it(id);
	CHECK(ask("GET", path_of(id, ""), "", NULL) == 404 && is_error(404));
	CHECK(ask("DELETE", path_of(id, ""), "", NULL) == 404);

	/* v1 without secure has no token; v2 always has one. */
	CHECK(
	    ask("POST", "/sandboxes", "", "{\"templateID\":\"base\"}") == 201);
	CHECK(text_of("envdAccessToken")[0] == '\0');
	(void)snprintf(made_id, sizeof(made_id), "%s", text_of("sandboxID"));
	CHECK(ask("GET", path_of(made_id, ""), "", NULL) == 200);
	CHECK(json_object_get(got.json, "network") == NULL);
	kill_it(made_id);
	CHECK(ask("POST", "/v2/sandboxes", "",
		  "{\"templateID\":\"coppice/base:default\",\"network\":"
		  "{\"allowPublicTraffic\":false}}") == 201);
	CHECK(strlen(text_of("trafficAccessToken")) == 64);
	(void)snprintf(made_id, sizeof(made_id), "%s", text_of("sandboxID"));
	kill_it(made_id);
}

static void
bad_bodies(void)
{
	static const struct {
		const char *body, *says;
		int status;
	} cases[] = {
		{ "", "Error when parsing request: ", 400 },
		{ "{", "Error when parsing request: ", 400 },
		{ "[]", "Error when parsing request: ", 400 },
		{ "{}", "templateID is missing", 400 },
		{ "{\"templateID\":5}", "templateID must be a string, not 5",
		    400 },
		{ "{\"templateID\":\"\"}", "templateID must be 1 to", 400 },
		{ "{\"templateID\":\"nope\"}", "'nope'", 404 },
		{ "{\"templateID\":\"base:v9\"}", "'v9'", 404 },
		{ "{\"templateID\":\"else/base\"}", "'else'", 400 },
		{ "{\"templateID\":\"a b\"}", "\"a b\"", 400 },
		{ "{\"templateID\":\"base\",\"timeout\":0}", "at least 1",
		    400 },
		{ "{\"templateID\":\"base\",\"timeout\":-1}", "timeout must be",
		    400 },
		{ "{\"templateID\":\"base\",\"timeout\":1.5}",
		    "timeout must be an integer, not 1.5", 400 },
		{ "{\"templateID\":\"base\",\"timeout\":99999999}",
		    "Timeout cannot be greater than", 400 },
		{ "{\"templateID\":\"base\",\"timeout\":1e400}",
		    "Error when parsing request: ", 400 },
		{ "{\"templateID\":\"base\","
		  "\"timeout\":99999999999999999999}",
		    "Error when parsing request: ", 400 },
		{ "{\"templateID\":\"base\",\"metadata\":{\"a\":1}}",
		    "a must be a string, not 1", 400 },
		{ "{\"templateID\":\"ba\\u0000se\"}",
		    "Error when parsing request: ", 400 },
		{ "{\"templateID\":\"\xff\"}",
		    "Error when parsing request: ", 400 },
		{ "{\"templateID\":\"base\",\"autoPauseMemory\":false}",
		    "autoPauseMemory", 400 },
		{ "{\"templateID\":\"base\",\"volumeMounts\":[{}]}",
		    "volumeMounts", 400 },
		{ "{\"templateID\":\"base\",\"envVars\":{\"A=B\":\"c\"}}",
		    "A=B", 400 },
		{ "{\"templateID\":\"base\",\"network\":{\"denyOut\":"
		  "[\"example.org\"]}}",
		    "invalid denied CIDR example.org", 400 },
		{ "{\"templateID\":\"base\",\"network\":{\"allowOut\":"
		  "[\"0.0.0.0/8\"]}}",
		    "invalid allowed address 0.0.0.0/8", 400 },
		{ "{\"templateID\":\"base\",\"network\":{\"egressProxy\":"
		  "{\"address\":\"a:1\"}}}",
		    "Egress proxy (network.egressProxy) is not enabled", 403 },
		{ "{\"templateID\":\"base\",\"network\":{\"httpsPorts\":"
		  "[443]}}",
		    "httpsPorts", 501 },
		{ "{\"templateID\":\"base\",\"network\":{\"maskRequestHost\":"
		  "\"a b\"}}",
		    "mask request host is not valid: a b", 400 },
		{ "{\"templateID\":\"base\",\"network\":{\"maskRequestHost\":"
		  "\"\xc3\xa4\"}}",
		    "is not ASCII", 400 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		CHECK(ask("POST", "/v2/sandboxes", "", cases[i].body) ==
		      cases[i].status);
		CHECK(is_error(cases[i].status) && said(cases[i].says));
	}
	CHECK(ask("POST", "/sandboxes", "",
		  "{\"templateID\":\"base\",\"network\":"
		  "{\"allowPublicTraffic\":false}}") == 400);
	CHECK(strcmp(text_of("where"), "/network/allowPublicTraffic") == 0);
}

static void
large_bodies(void)
{
	static char body[3 * 1024 * 1024];

	memset(body, '[', 3000);
	body[3000] = '\0';
	CHECK(ask("POST", "/v2/sandboxes", "", body) == 400);
	CHECK(said("nested deeper than"));

	/* A megabyte of text where a name should be. */
	(void)strcpy(body, "{\"templateID\":\"");
	memset(body + 15, 'a', 1024 * 1024);
	(void)strcpy(body + 15 + 1024 * 1024, "\"}");
	CHECK(ask("POST", "/v2/sandboxes", "", body) == 400);
	CHECK(said("templateID must be"));
	memcpy(body, "{\"metadata\":{\"a", 15);
	(void)strcpy(
	    body + 15 + 1024 * 1024, "\":\"\"},\"templateID\":\"base\"}");
	CHECK(ask("POST", "/v2/sandboxes", "", body) == 400);
	CHECK(said("metadata"));

	memset(body, ' ', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	CHECK(ask("POST", "/v2/sandboxes", "", body) == 413);
	CHECK(is_error(413));
}

static void
pausing(void)
{
	const char *id = create("");

	CHECK(ask("POST", path_of(id, "/pause"), "", NULL) == 204);
	CHECK(ask("POST", path_of(id, "/pause"), "", "{}") == 409);
	CHECK(is_error(409) && said("already paused"));
	CHECK(ask("GET", path_of(id, ""), "", NULL) == 200);
	CHECK(strcmp(text_of("state"), "paused") == 0);
	CHECK(json_is_null(json_object_get(got.json, "domain")));
	CHECK(ask("PUT", path_of(id, "/network"), "", "{}") == 404);
	CHECK(
	    ask("POST", path_of(id, "/timeout"), "", "{\"timeout\":5}") == 404);
	CHECK(ask("POST", path_of(id, "/connect"), "", "{}") == 400);
	CHECK(ask("POST", path_of(id, "/connect"), "", "{\"timeout\":50}") ==
	      201);
	CHECK(strcmp(text_of("sandboxID"), id) == 0);
	CHECK(
	    ask("POST", path_of(id, "/connect"), "", "{\"timeout\":0}") == 200);
	CHECK(ask("POST", path_of(id, "/resume"), "", NULL) == 409);
	CHECK(ask("POST", path_of(id, "/pause"), "", "{\"memory\":false}") ==
	      204);
	CHECK(ask("POST", path_of(id, "/resume"), "",
		  "{\"timeout\":30,\"autoPause\":true}") == 201);
	CHECK(ask("GET", path_of(id, ""), "", NULL) == 200);
	CHECK(strstr(got.body, "\"onTimeout\":\"pause\"") != NULL);
	CHECK(ask("POST", path_of(id, "/timeout"), "", "{\"timeout\":-1}") ==
	      400);
	CHECK(ask("POST", path_of(id, "/timeout"), "", "{}") == 400);
	CHECK(ask("POST", path_of(id, "/timeout"), "",
		  "{\"timeout\":100000}") == 400);
	CHECK(ask("POST", path_of(id, "/timeout"), "", "{\"timeout\":20}") ==
	      204);
	CHECK(ask("POST", path_of(id, "/refreshes"), "", NULL) == 204);
	CHECK(ask("POST", path_of(id, "/refreshes"), "",
		  "{\"duration\":3601}") == 400);
	kill_it(id);
	CHECK(ask("POST", "/v2/sandboxes/inobody/connect", "", NULL) == 404);
	CHECK(ask("POST", "/v2/sandboxes/inobody/connect", "",
		  "{\"timeout\":0}") == 400);
	CHECK(ask("POST", "/sandboxes/inobody/pause", "", NULL) == 404);
}

static void
network(void)
{
	const char *id = create(",\"allow_internet_access\":false");
	char v[256];

	CHECK(ask("GET", path_of(id, ""), "", NULL) == 200);
	CHECK(json_is_false(json_object_get(got.json, "allowInternetAccess")));
	CHECK(ask("PUT", path_of(id, "/network"), "",
		  "{\"allowOut\":[\"8.8.8.8\"],\"denyOut\":[\"0.0.0.0/0\"]}") ==
	      204);
	CHECK(header("Coppice-Generation", v) != NULL && atoi(v) >= 256);
	CHECK(got.body[0] == '\0');
	CHECK(ask("GET", path_of(id, ""), "", NULL) == 200);
	CHECK(json_is_true(json_object_get(got.json, "allowInternetAccess")));
	CHECK(strstr(got.body, "\"allowOut\":[\"8.8.8.8\"]") != NULL);
	CHECK(ask("PUT", path_of(id, "/network"), "",
		  "{\"denyOut\":[\"1.1.1.1\",\"example.org\"]}") == 400);
	CHECK(
	    strcmp(text_of("message"), "invalid denied CIDR example.org") == 0);
	CHECK(strcmp(text_of("where"), "/denyOut/1") == 0);
	CHECK(ask("PUT", path_of(id, "/network"), "",
		  "{\"allowOut\":[\"example.org\"]}") == 400);
	CHECK(said("When specifying allowed domains in allow out, you must "
		   "include 'ALL_TRAFFIC' in deny out to block all other "
		   "traffic."));
	CHECK(ask("PUT", "/sandboxes/inobody/network", "",
		  "{\"denyOut\":[\"x\"]}") == 400);
	CHECK(ask("PUT", "/sandboxes/inobody/network", "", "{}") == 404);
	CHECK(ask("PUT", "/sandboxes/inobody/network", "",
		  "{\"rules\":{\"a.b\":[]}}") == 404);
	CHECK(ask("PUT", path_of(id, "/network"), "",
		  "{\"rules\":{\"a.b\":[]}}") == 400);
	CHECK(ask("PUT", path_of(id, "/network"), "",
		  "{\"egressProxy\":{\"address\":\"a:1\"}}") == 403);
	CHECK(ask("PUT", path_of(id, "/network"), "", "{}") == 204);
	CHECK(ask("GET", path_of(id, ""), "", NULL) == 200);
	CHECK(strstr(got.body, "\"network\":{\"allowPublicTraffic\":true}") !=
	      NULL);
	kill_it(id);
}

static void
lists(void)
{
	char first[64], second[64], v[256], token[256], path[600];

	(void)snprintf(first, sizeof(first), "%s",
	    create(",\"metadata\":{\"user\":\"a&b\",\"x\":\"1\"}"));
	(void)usleep(5000);
	(void)snprintf(second, sizeof(second), "%s",
	    create(",\"metadata\":{\"user\":\"a&b\"}"));
	CHECK(ask("GET", "/v2/sandboxes", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 2);
	CHECK(header("X-Next-Token", v) == NULL);
	CHECK(header("X-Total-Running", v) != NULL && atoi(v) == 2);
	CHECK(
	    ask("GET", "/v2/sandboxes?limit=1&state=running", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	CHECK(strstr(got.body, second) != NULL);
	CHECK(header("X-Next-Token", token) != NULL);
	(void)snprintf(
	    path, sizeof(path), "/v2/sandboxes?limit=1&nextToken=%s", token);
	CHECK(ask("GET", path, "", NULL) == 200);
	CHECK(strstr(got.body, first) != NULL);
	CHECK(header("X-Next-Token", v) == NULL);
	(void)snprintf(
	    path, sizeof(path), "/v2/sandboxes?order=asc&nextToken=%s", token);
	CHECK(ask("GET", path, "", NULL) == 400);
	CHECK(ask("GET", "/v2/sandboxes?nextToken=!", "", NULL) == 400);
	CHECK(ask("GET", "/v2/sandboxes?limit=0", "", NULL) == 400);
	CHECK(ask("GET", "/v2/sandboxes?limit=101", "", NULL) == 400);
	CHECK(ask("GET", "/v2/sandboxes?state=dead", "", NULL) == 400);

	/* As the SDKs encode it, and as a hand would. */
	CHECK(ask("GET", "/v2/sandboxes?metadata=user%3Da%252526b%26x%3D1", "",
		  NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	CHECK(ask("GET", "/sandboxes?metadata=x%3D1", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	CHECK(ask("GET", "/v2/sandboxes?metadata=%25zz", "", NULL) == 400);
	/* What came in is quoted, and is no text: the answer still is. */
	CHECK(ask("GET", "/v2/sandboxes?state=%ff%c3%a4%c3", "", NULL) == 400);
	CHECK(is_error(400) && said("\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd"));

	CHECK(ask("POST", path_of(first, "/pause"), "", NULL) == 204);
	CHECK(ask("GET", "/v2/sandboxes?state=paused", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	CHECK(header("X-Total-Running", v) == NULL);
	CHECK(
	    ask("GET", "/v2/sandboxes?state=running,paused", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 2);
	CHECK(ask("GET", "/v2/sandboxes?state=running&state=paused", "",
		  NULL) == 200);
	CHECK(json_array_size(got.json) == 2);
	CHECK(ask("GET", "/sandboxes", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	CHECK(ask("GET", "/v2/sandboxes?template=base", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 2);
	CHECK(ask("GET", "/v2/sandboxes?template=other", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 0);
	CHECK(ask("GET", "/v2/sandboxes?template=base:v1", "", NULL) == 400);
	CHECK(ask("GET", "/v2/sandboxes?startedAfter=2100-01-01T00:00:00Z", "",
		  NULL) == 200);
	CHECK(json_array_size(got.json) == 0);
	CHECK(ask("GET", "/v2/sandboxes?startedAfter=yesterday", "", NULL) ==
	      400);
	kill_it(first);
	kill_it(second);
}

static void
idempotency(void)
{
	char id[64];

	CHECK(ask("POST", "/v2/sandboxes", "Idempotency-Key: abc1\r\n",
		  "{\"templateID\":\"base\"}") == 201);
	(void)snprintf(id, sizeof(id), "%s", text_of("sandboxID"));
	/* Unknown fields and their order do not count. */
	CHECK(ask("POST", "/v2/sandboxes", "Idempotency-Key: abc1\r\n",
		  "{\"zzz\":1,\"templateID\":\"base\"}") == 201);
	CHECK(strcmp(text_of("sandboxID"), id) == 0);
	CHECK(ask("POST", "/v2/sandboxes", "Idempotency-Key: abc1\r\n",
		  "{\"templateID\":\"base\",\"timeout\":9}") == 409);
	CHECK(
	    strcmp(text_of("error_code"), "idempotency_request_mismatch") == 0);
	CHECK(ask("POST", "/sandboxes", "Idempotency-Key: abc2\r\n",
		  "{\"templateID\":\"nope\"}") == 404);
	CHECK(ask("POST", "/sandboxes", "Idempotency-Key: abc2\r\n",
		  "{\"templateID\":\"nope\"}") == 404 &&
	      is_error(404));
	CHECK(ask("POST", "/sandboxes", "Idempotency-Key: A\r\n",
		  "{\"templateID\":\"base\"}") == 400);
	CHECK(ask("POST", "/sandboxes",
		  "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
		  "{\"templateID\":\"base\"}") == 400);
	kill_it(id);
}

static void
about_it(void)
{
	const char *id = create(""), *line;
	json_t *parsed;
	char path[300];

	CHECK(ask("GET", path_of(id, "/logs"), "", NULL) == 200);
	line = json_string_value(json_object_get(
	    json_array_get(json_object_get(got.json, "logs"), 0), "line"));
	CHECK(line != NULL);
	parsed = json_loads(line != NULL ? line : "", 0, NULL);
	CHECK(json_is_string(json_object_get(parsed, "level")));
	CHECK(json_is_string(json_object_get(parsed, "logger")));
	json_decref(parsed);
	CHECK(json_array_size(json_object_get(got.json, "logEntries")) == 1);
	(void)snprintf(path, sizeof(path), "/v2/sandboxes/%s/logs%s", id, "");
	CHECK(ask("GET", path, "", NULL) == 200);
	CHECK(json_array_size(json_object_get(got.json, "logs")) == 1);
	(void)snprintf(path, sizeof(path), "/v2/sandboxes/%s/logs%s", id,
	    "?direction=forward&level=warn&search=x&limit=5");
	CHECK(ask("GET", path, "", NULL) == 200);
	CHECK(json_array_size(json_object_get(got.json, "logs")) == 0);
	(void)snprintf(
	    path, sizeof(path), "/v2/sandboxes/%s/logs%s", id, "?limit=1001");
	CHECK(ask("GET", path, "", NULL) == 400);
	CHECK(ask("GET", "/sandboxes/inobody/logs", "", NULL) == 404);

	CHECK(ask("GET", path_of(id, "/metrics"), "", NULL) == 200);
	CHECK(json_is_array(got.json));
	CHECK(
	    ask("GET", path_of(id, "/metrics?start=5&end=4"), "", NULL) == 400);
	CHECK(ask("GET", path_of(id, "/metrics?start=9999999999999"), "",
		  NULL) == 400);
	CHECK(ask("GET", "/sandboxes/inobody/metrics", "", NULL) == 404);
	CHECK(ask("GET", "/sandboxes/metrics", "", NULL) == 400);
	(void)snprintf(
	    path, sizeof(path), "/sandboxes/metrics?sandbox_ids=%s,ix", id);
	CHECK(ask("GET", path, "", NULL) == 200);
	CHECK(json_is_object(json_object_get(got.json, "sandboxes")));
	kill_it(id);
	CHECK(ask("GET", path_of(id, "/logs"), "", NULL) == 200);
	CHECK(json_array_size(json_object_get(got.json, "logs")) == 2);
}

static void
templates(void)
{
	CHECK(ask("GET", "/templates", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	CHECK(strstr(got.body, "\"names\":[\"coppice/base\"]") != NULL);
	CHECK(ask("GET", "/templates?teamID=x", "", NULL) == 400);
	CHECK(ask("GET", "/v2/templates?limit=1", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	CHECK(
	    ask("GET", "/templates/coppice%2Fbase%3Adefault", "", NULL) == 200);
	CHECK(json_array_size(json_object_get(got.json, "builds")) == 1);
	CHECK(ask("GET", "/templates/nope", "", NULL) == 404);
	CHECK(ask("GET", "/templates/aliases/base", "", NULL) == 200);
	CHECK(strcmp(text_of("templateID"), "coppicebase000000000") == 0);
	CHECK(ask("GET", "/templates/aliases/nope", "", NULL) == 404);
	CHECK(ask("GET", "/templates/aliases/a%2Fb", "", NULL) == 400);
	CHECK(ask("DELETE", "/templates/base", "", NULL) == 501);
}

/* A layer is no template, and what is being built says so. */
static void
not_there_yet(void)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/templates/layer", w.dir);
	CHECK(mkdir(path, 0755) == 0);
	CHECK(ask("GET", "/templates", "", NULL) == 200);
	CHECK(json_array_size(got.json) == 1);
	(void)rmdir(path);
	(void)snprintf(path, sizeof(path), "%s/templates/.note-big", w.dir);
	f = fopen(path, "we");
	CHECK(f != NULL && fputs("it is being built\n", f) > 0);
	CHECK(f != NULL && fclose(f) == 0);
	CHECK(ask("POST", "/sandboxes", "", "{\"templateID\":\"big\"}") == 503);
	CHECK(strcmp(text_of("message"),
		  "template 'big' is not there: it is being built") == 0);
	(void)unlink(path);
	CHECK(ask("POST", "/sandboxes", "", "{\"templateID\":\"big\"}") == 404);
}

/* A client that goes away in the middle harms nobody. */
static void
hang_up(void)
{
	for (int cut = 0; cut < 150; cut += 7) {
		char text[400];
		int fd = dial();

		(void)snprintf(text, sizeof(text),
		    "POST /v2/sandboxes HTTP/1.1\r\nHost: localhost\r\n"
		    "X-API-Key: k\r\nContent-Length: 21\r\n\r\n"
		    "{\"templateID\":\"base\"}");
		send_all(fd, text,
		    (size_t)cut < strlen(text) ? (size_t)cut : strlen(text));
		(void)close(fd);
	}
	(void)usleep(50000);
	CHECK(ask("GET", "/v2/sandboxes", "", NULL) == 200);
}

static void *
client(void *arg)
{
	(void)arg;
	plain();
	strangers();
	objects();
	bad_bodies();
	large_bodies();
	pausing();
	network();
	lists();
	idempotency();
	about_it();
	templates();
	not_there_yet();
	hang_up();
	json_decref(got.json);
	atomic_store(&over, true);
	return NULL;
}

/* --- the server
 * -------------------------------------------------------------------*/

static void
serve(uint16_t on, const char *keys)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(on),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct api_conf cf = { .default_timeout_s = 300,
		.max_timeout_s = 86400,
		.host_memory_mb = 4096 };
	socklen_t n = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;
	struct err e;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &n) < 0)
		abort();
	port = ntohs(sin.sin_port);
	(void)snprintf(cf.api_keys, sizeof(cf.api_keys), "%s", keys);
	api = api_new(w.loop, &cf, &e);
	if (api == NULL || api_listen(api, fd, &e) < 0)
		abort();
	api_engine(api, w.en);
}

int
main(int argc, char **argv)
{
	pthread_t t;

	log_open("test", LOG_L_WARN);
	world_begin(&w);
	world_start(&w);
	if (argc >= 3 && strcmp(argv[1], "--serve") == 0) {
		serve((uint16_t)atoi(argv[2]), argc > 3 ? argv[3] : "");
		loop_run(w.loop);
		return 0;
	}
	serve(0, "");
	if (pthread_create(&t, NULL, client, NULL) != 0)
		return 1;
	while (!atomic_load(&over))
		world_run(&w, 20);
	(void)pthread_join(t, NULL);
	api_free(api);
	world_end(&w);
	return t_end();
}
