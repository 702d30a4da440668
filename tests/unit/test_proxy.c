/* coppice-proxyd as its clients see it; servers inside are threads of ours. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../t.h"
#include "tests/lib/proxyfake.h"

static struct fake px;
static uint16_t echo_port, hang_port, first_closes_port;
static atomic_int echo_conns, hang_ended, closes;

/* --- servers inside
 * ----------------------------------------------------------*/

static size_t
body_length(const char *head)
{
	const char *p = strcasestr(head, "content-length:");

	return p == NULL ? 0 : strtoul(p + 15, NULL, 10);
}

static void
answer_text(int fd, const char *text)
{
	char s[65536];

	(void)snprintf(s, sizeof(s),
	    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text),
	    text);
	put(fd, s);
}

/* Says back the head it got, and which connection and request this is. */
static void
echo(int fd, const void *arg)
{
	int conn = ++echo_conns;
	char text[32768];
	const char *head;

	(void)arg;
	for (int n = 1; *(head = get_head(fd)) != '\0'; n++) {
		size_t have = strlen(strstr(head, "\r\n\r\n") + 4);

		(void)snprintf(text, sizeof(text), "conn=%d req=%d %.30000s",
		    conn, n, head);
		while (have < body_length(text)) {
			size_t more = strlen(get_some(fd));

			if (more == 0)
				return;
			have += more;
		}
		answer_text(fd, text);
	}
}

/* A body as it is asked for in the path: /N bytes, framed as arg says. */
static void
bulk(int fd, const void *arg)
{
	const char *framing = arg, *head = get_head(fd);
	size_t n = strtoul(strchr(head, '/') + 1, NULL, 10), i = 0;
	static __thread char block[65536];
	char s[128];

	if (strcmp(framing, "length") == 0)
		(void)snprintf(s, sizeof(s),
		    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
	else if (strcmp(framing, "chunked") == 0)
		(void)snprintf(s, sizeof(s),
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	else
		(void)snprintf(s, sizeof(s), "HTTP/1.0 200 OK\r\n\r\n");
	put(fd, s);
	for (i = 0; i < sizeof(block); i++)
		block[i] = (char)('!' + i % 89);
	while (n > 0) {
		size_t now = n < sizeof(block) ? n : sizeof(block);

		if (strcmp(framing, "chunked") == 0) {
			(void)snprintf(s, sizeof(s), "%zx\r\n", now);
			put(fd, s);
		}
		put_n(fd, block, now);
		if (strcmp(framing, "chunked") == 0)
			put(fd, "\r\n");
		n -= now;
	}
	if (strcmp(framing, "chunked") == 0)
		put(fd, "0\r\n\r\n");
	if (strcmp(framing, "length") == 0)
		(void)get_some(fd); /* the proxy closes, or goes on */
}

static void
hang(int fd, const void *arg)
{
	(void)arg;
	(void)get_head(fd);
	(void)get_some(fd); /* until somebody closes */
	hang_ended++;
}

static void
cut_short(int fd, const void *arg)
{
	(void)get_head(fd);
	put(fd, arg);
}

/* Answers one request, then closes as the second comes. */
static void
first_closes(int fd, const void *arg)
{
	(void)arg;
	(void)get_head(fd);
	answer_text(fd, "first");
	if (closes++ == 0) {
		(void)get_head(fd);
		return;
	}
	(void)get_head(fd);
	answer_text(fd, "second");
}

static void
count_body(int fd, const void *arg)
{
	const char *head = get_head(fd);
	size_t have = strlen(strstr(head, "\r\n\r\n") + 4);
	size_t want = body_length(head);
	char text[64];

	(void)arg;
	while (have < want) {
		char room[65536];
		ssize_t n = recv(fd, room, sizeof(room), 0);

		if (n <= 0)
			return;
		have += (size_t)n;
	}
	(void)snprintf(text, sizeof(text), "got %zu", have);
	answer_text(fd, text);
}

/* Refuses in the middle of an upload, and reads no further. */
static void
too_large(int fd, const void *arg)
{
	(void)arg;
	(void)get_head(fd);
	put(fd, "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n"
		"Connection: close\r\n\r\nbig");
}

static void
go_on(int fd, const void *arg)
{
	(void)arg;
	(void)get_head(fd);
	put(fd, "HTTP/1.1 100 Continue\r\n\r\n");
	(void)get_some(fd);
	answer_text(fd, "went on");
}

static void
upgrade(int fd, const void *arg)
{
	const char *s;

	(void)arg;
	if (strcasestr(get_head(fd), "\r\nConnection: Upgrade\r\n") == NULL)
		return;
	put(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n"
		"Connection: Upgrade\r\n\r\nhello");
	while (*(s = get_some(fd)) != '\0')
		put(fd, s);
	put(fd, "bye");
}

static void
no_body(int fd, const void *arg)
{
	while (*get_head(fd) != '\0')
		put(fd, arg);
}

/* --- asking
 * ---------------------------------------------------------------------*/

static int
ask(const char *id, uint16_t port, const char *line, const char *headers)
{
	char s[8192];
	int fd = tcp_to(px.port);

	(void)snprintf(s, sizeof(s), "%s\r\nHost: %u-%s.example.com\r\n%s\r\n",
	    line, port, id, headers);
	put(fd, s);
	return fd;
}

/* A whole exchange that ends with the connection. */
static const char *
whole(const char *id, uint16_t port, const char *line, const char *headers)
{
	char more[4096];
	const char *got;
	bool cut;

	(void)snprintf(more, sizeof(more), "%sConnection: close\r\n", headers);
	got = get_all(ask(id, port, line, more), &cut);
	CHECK(!cut);
	return got;
}

static bool
has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		printf("# \"%.600s\" has no \"%s\"\n", text, part);
	return strstr(text, part) != NULL;
}

#define GET "GET /x HTTP/1.1"

static void
routing(void)
{
	char s[256];
	const char *got;
	bool cut;
	int fd;

	got = whole("isb", echo_port, GET, "");
	CHECK(has(got, "HTTP/1.1 200 OK\r\n") && has(got, "GET /x HTTP/1.1"));
	CHECK(has(got, "\r\nConnection: close\r\n\r\nconn="));

	fd = tcp_to(px.port);
	(void)snprintf(s, sizeof(s),
	    "GET / HTTP/1.1\r\nHost: localhost:3002\r\nE2b-Sandbox-Id: isb\r\n"
	    "E2b-Sandbox-Port: %u\r\nx-COPPICE-init: s\r\nX-Coppice-Init: t\r\n"
	    "Connection: close, x-gone, content-length\r\nX-Gone: 1\r\n\r\n",
	    echo_port);
	put(fd, s);
	got = get_all(fd, &cut);
	CHECK(has(got, "200 OK") && has(got, "E2b-Sandbox-Id: isb"));
	CHECK(strcasestr(got, "x-coppice-init") == NULL);
	CHECK(strcasestr(got, "x-gone") == NULL);

	fd = tcp_to(px.port);
	put(fd, "GET / HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: isb\r\n"
		"\r\n");
	CHECK(has(get_head(fd), "400 Bad Request"));
	(void)close(fd);

	got = whole("inone", echo_port, GET, "");
	CHECK(has(got, "502 Bad Gateway"));
	CHECK(has(got, "Content-Type: application/json; charset=utf-8\r\n"));
	CHECK(has(got, "\r\n\r\n{\"sandboxId\":\"inone\",\"message\":"
		       "\"The sandbox was not found\",\"code\":502}"));
	got = whole("inone", echo_port, GET, "User-Agent: Mozilla/5.0\r\n");
	CHECK(has(got, "text/html") && has(got, "The sandbox was not found"));

	got = whole("isb", 1, GET, "");
	CHECK(has(got, "{\"sandboxId\":\"isb\",\"message\":\"The sandbox is "
		       "running but port is not open\",\"port\":1,"
		       "\"code\":502}"));
	got = whole("isb", 49983, "POST //init/ HTTP/1.1", "");
	CHECK(has(got, "404 Not Found") &&
	      has(got, "{\"message\":\"Not found\",\"path\":\"//init/\","
		       "\"code\":404}"));
}

static void
states_and_tokens(void)
{
	struct route_set s = {
		.slot = 1, .incarnation = 1, .private_traffic = 1
	};
	const char *got;

	(void)snprintf(s.id, sizeof(s.id), "ipriv");
	(void)snprintf(s.traffic_token, sizeof(s.traffic_token), "sesame");
	(void)snprintf(s.mask_host, sizeof(s.mask_host), "in.side:${PORT}");
	fake_set(&px, &s);
	got = whole("ipriv", echo_port, GET, "");
	CHECK(has(got, "403 Forbidden") &&
	      has(got, "\"Sandbox is secured with traffic access token. Token "
		       "header 'e2b-traffic-access-token' is missing\""));
	got = whole(
	    "ipriv", echo_port, GET, "e2b-traffic-access-token: sesam\r\n");
	CHECK(has(got, "403 Forbidden") &&
	      has(got, "Provided token in header 'e2b-traffic-access-token' is "
		       "invalid\""));
	got = whole(
	    "ipriv", echo_port, GET, "E2B-Traffic-Access-Token: sesame\r\n");
	CHECK(has(got, "200 OK") && strcasestr(got, "sesame") == NULL);
	(void)snprintf(s.id, sizeof(s.id), "Host: in.side:%u\r\n", echo_port);
	CHECK(has(got, s.id) && strstr(got, "example.com") == NULL);

	(void)snprintf(s.id, sizeof(s.id), "istate");
	s.private_traffic = 0;
	s.state = ROUTE_PAUSED;
	fake_set(&px, &s);
	CHECK(has(whole("istate", echo_port, GET, ""), "was not found"));
	s.state = ROUTE_CHANGING;
	fake_set(&px, &s);
	CHECK(has(whole("istate", echo_port, GET, ""), "409 Conflict"));
	s.state = ROUTE_RUNNING;
	fake_set(&px, &s);
	CHECK(has(whole("istate", echo_port, GET, ""), "200 OK"));
}

static void
framing(void)
{
	uint16_t chunked = server_start(bulk, "chunked");
	uint16_t until_end = server_start(bulk, "end");
	uint16_t short_port = server_start(
	    cut_short, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
	uint16_t silent = server_start(cut_short, "");
	uint16_t nonsense = server_start(cut_short, "SSH-2.0-x\r\n\r\n");
	uint16_t none = server_start(
	    no_body, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
	const char *got;
	bool cut;
	int fd;

	got = whole("isb", chunked, "GET /3 HTTP/1.1", "");
	CHECK(has(got, "Transfer-Encoding: chunked") && has(got, "\r\n3\r\n") &&
	      has(got, "\r\n0\r\n\r\n"));
	/* A client of HTTP/1.0 gets the bytes alone. */
	got = get_all(ask("isb", chunked, "GET /0 HTTP/1.0", ""), &cut);
	CHECK(!cut && strcasestr(got, "chunked") == NULL &&
	      strstr(got, "\r\n\r\n")[4] == '\0');
	got = get_all(ask("isb", until_end, "GET /5 HTTP/1.1", ""), &cut);
	CHECK(!cut && has(got, "HTTP/1.1 200 OK") && has(got, "\r\n\r\n"));
	CHECK(has(got, "Connection: close"));

	got = get_all(ask("isb", short_port, GET, ""), &cut);
	CHECK(cut && has(got, "\r\n\r\nabc"));
	CHECK(has(whole("isb", silent, GET, ""), "502 Bad Gateway"));
	CHECK(has(whole("isb", nonsense, GET, ""), "502 Bad Gateway"));

	/* Two on one connection, neither with a body. */
	fd = ask("isb", none, GET, "");
	CHECK(has(get_head(fd), "304 Not Modified"));
	(void)close(fd);
	fd = ask("isb", echo_port, "HEAD /y HTTP/1.1", "Connection: close\r\n");
	got = get_all(fd, &cut);
	CHECK(!cut && has(got, "Content-Length: ") &&
	      strstr(got, "\r\n\r\n")[4] == '\0');
}

static void
bad_requests(void)
{
	static const char *const bad[] = { "GARBAGE\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\nHost: a.b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: 1-isb.x\r\nHost: 1-isb.x\r\n\r\n",
		"CONNECT a.b:1 HTTP/1.1\r\nHost: 1-isb.x\r\n\r\n",
		("POST / HTTP/1.1\r\nHost: 1-isb.x\r\nContent-Length: 1\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		"GET / HTTP/1.1\nHost: 1-isb.x\n\n", "\x16\x03\x01\x02" };
	static const char *const twice[] = {
		"e2b-sandbox-id: other\r\n\r\n",
		"E2B-Sandbox-Port: 2\r\n\r\n",
		("E2b-Traffic-Access-Token: a\r\n"
		 "E2b-Traffic-Access-Token: b\r\n\r\n"),
	};
	bool cut;
	char *big;
	int fd;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *got;

		fd = tcp_to(px.port);
		put(fd, bad[i]);
		(void)shutdown(fd, SHUT_WR);
		got = get_all(fd, &cut);
		if (strncmp(got, "HTTP/1.1 4", 10) != 0 &&
		    strncmp(got, "HTTP/1.1 5", 10) != 0)
			printf("# %s: %s\n", bad[i], got);
		CHECK(*got == '\0' || strncmp(got, "HTTP/1.1 4", 10) == 0 ||
		      strncmp(got, "HTTP/1.1 5", 10) == 0);
	}
	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
		fd = tcp_to(px.port);
		put(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n"
			"E2b-Sandbox-Id: isb\r\nE2b-Sandbox-Port: 1\r\n");
		put(fd, twice[i]);
		CHECK(has(get_head(fd), "400 "));
		(void)close(fd);
	}
	big = malloc(100000);
	memset(big, 'a', 100000);
	memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
	fd = tcp_to(px.port);
	put_n(fd, big, 100000);
	CHECK(has(get_head(fd), "431 "));
	(void)close(fd);
	free(big);
}

static void
keep_alive(void)
{
	char s[1024];
	const char *got;
	bool cut;
	int fd = tcp_to(px.port), before = echo_conns;

	/* Three in one go, for two sandboxes and one that is not there. */
	(void)snprintf(s, sizeof(s),
	    "GET /1 HTTP/1.1\r\nHost: %u-isb.x\r\n\r\n"
	    "GET /2 HTTP/1.1\r\nHost: %u-isb.x\r\n\r\n"
	    "GET /3 HTTP/1.1\r\nHost: 80-inone.x\r\n\r\n"
	    "GET /4 HTTP/1.1\r\nHost: %u-iother.x\r\nConnection: close\r\n\r\n",
	    echo_port, echo_port, echo_port);
	put(fd, s);
	got = get_all(fd, &cut);
	CHECK(!cut && has(got, "req=1 GET /1") && has(got, "req=2 GET /2"));
	CHECK(has(got, "was not found") && has(got, "req=1 GET /4"));
	CHECK(echo_conns == before + 2); /* kept for one, not shared by two */

	/* The kept connection ends just as it is used again: once more. */
	fd = ask("isb", first_closes_port, GET, "");
	CHECK(has(get_head(fd), "first"));
	(void)snprintf(s, sizeof(s), "%s\r\nHost: %u-isb.x\r\n\r\n", GET,
	    first_closes_port);
	put(fd, s);
	CHECK(has(get_head(fd), "first"));
	put(fd, s);
	CHECK(has(get_head(fd), "second"));
	(void)close(fd);
}

static void
uploads(void)
{
	uint16_t count = server_start(count_body, NULL);
	uint16_t refuse = server_start(too_large, NULL);
	uint16_t cont = server_start(go_on, NULL);
	char *block = malloc(65536);
	int fd;

	memset(block, 'b', 65536);
	fd =
	    ask("isb", count, "PUT / HTTP/1.1", "Content-Length: 20971520\r\n");
	for (int i = 0; i < 320; i++)
		put_n(fd, block, 65536);
	CHECK(has(get_head(fd), "got 20971520"));
	(void)close(fd);

	fd = ask(
	    "isb", refuse, "PUT / HTTP/1.1", "Content-Length: 20971520\r\n");
	for (int i = 0; i < 20; i++)
		put_n(fd, block, 65536);
	CHECK(has(get_head(fd), "413 Payload Too Large"));
	(void)close(fd);

	fd = ask("isb", cont, "PUT / HTTP/1.1",
	    "Content-Length: 4\r\nExpect: 100-continue\r\n");
	CHECK(has(get_some(fd), "HTTP/1.1 100 Continue\r\n\r\n"));
	put(fd, "body");
	CHECK(has(get_head(fd), "went on"));
	(void)close(fd);

	/* At once, or the other side may be the faster. */
	fd = tcp_to(px.port);
	(void)snprintf(block, 65536,
	    "POST / HTTP/1.1\r\nHost: %u-isb.example.com\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzzz\r\n",
	    echo_port);
	put(fd, block);
	CHECK(has(get_head(fd), "400 Bad Request"));
	(void)close(fd);
	free(block);
}

static void
downloads(void)
{
	uint16_t length = server_start(bulk, "length");
	uint16_t end = server_start(bulk, "end");
	uint64_t a = 0, b = 0;
	long before;
	size_t n;
	int fd;

	fd = ask(
	    "isb", length, "GET /50000000 HTTP/1.1", "Connection: close\r\n");
	n = get_count(fd, &a);
	(void)close(fd);
	CHECK(n > 50000000 && n < 50000200);
	fd = tcp_to(length);
	put(fd, "GET /50000000 HTTP/1.1\r\n\r\n");
	(void)shutdown(fd, SHUT_WR);
	CHECK(
	    get_count(fd, &b) + 19 == n); /* "Connection: close" and its end */
	(void)close(fd);

	/* A client that does not read: the proxy holds next to nothing. */
	before = fake_rss_kib(&px);
	fd = ask("isb", end, "GET /50000000 HTTP/1.1", "");
	(void)usleep(300000);
	CHECK(fake_rss_kib(&px) - before < 1024);
	a = 0;
	CHECK(get_count(fd, &a) > 50000000);
	(void)close(fd);
}

static void
tunnels(void)
{
	uint16_t port = server_start(upgrade, NULL);
	const char *got;
	bool cut;
	int fd;

	fd = ask("isb", port, GET, "Upgrade: echo\r\nConnection: upgrade\r\n");
	got = get_head(fd);
	CHECK(has(got, "101 Switching Protocols") &&
	      has(got, "Upgrade: echo\r\n"));
	if (strstr(got, "hello") == NULL)
		CHECK(has(get_some(fd), "hello"));
	put(fd, "ping");
	CHECK(has(get_some(fd), "ping"));
	(void)shutdown(fd, SHUT_WR); /* half: the other half still speaks */
	CHECK(strcmp(get_all(fd, &cut), "bye") == 0 && !cut);
}

static void
ends(void)
{
	int fd, before;

	/* The client leaves: the server inside notices. */
	before = hang_ended;
	fd = ask("isb", hang_port, GET, "");
	(void)usleep(50000);
	reset(fd);
	for (int i = 0; i < 200 && hang_ended == before; i++)
		(void)usleep(10000);
	CHECK(hang_ended == before + 1);
	/* A half-closed client still gets its answer. */
	fd = ask("isb", echo_port, GET, "");
	(void)shutdown(fd, SHUT_WR);
	CHECK(has(get_head(fd), "200 OK"));
	(void)close(fd);
}

static void
limits(void)
{
	int fd[21];
	const char *got;

	for (int i = 0; i < 20; i++)
		fd[i] = ask("isb", hang_port, GET, "");
	(void)usleep(100000);
	got = whole("isb", echo_port, GET, "");
	CHECK(has(got, "429 Too Many Requests") &&
	      has(got, "\"connectionLimit\":20}"));
	CHECK(has(whole("iother", echo_port, GET, ""), "200 OK"));
	for (int i = 0; i < 20; i++)
		reset(fd[i]);
	(void)usleep(100000);
	CHECK(has(whole("isb", echo_port, GET, ""), "200 OK"));
}

static void
deaths(void)
{
	uint16_t slow = server_start(bulk, "chunked");
	int asked, streaming, n = 0;
	const char *got;
	bool cut;

	fake_run(&px, "idies", 1);
	asked = ask("idies", hang_port, GET, "");
	streaming = ask("idies", slow, "GET /900000000 HTTP/1.1", "");
	CHECK(has(get_some(streaming), "200 OK"));
	fake_del(&px, "idies");
	got = get_all(asked, &cut);
	CHECK(!cut && has(got, "502 Bad Gateway") && has(got, "was not found"));
	(void)get_all(streaming, &cut);
	CHECK(cut);

	/* After apid has answered a client, no older table is seen. */
	for (int i = 0; i < 50; i++) {
		fake_run(&px, "iflip", (uint32_t)i + 1);
		n += strstr(whole("iflip", echo_port, GET, ""), "200 OK") !=
		     NULL;
		fake_del(&px, "iflip");
		n += strstr(whole("iflip", echo_port, GET, ""), "was not f") !=
		     NULL;
	}
	CHECK(n == 100);
}

static void
restarts(void)
{
	int fd = ask("isb", hang_port, GET, "");

	fake_run(&px, "istale", 1);
	(void)usleep(50000);
	fake_handover(&px);
	/* The old table serves until the new one is whole. */
	CHECK(has(whole("istale", echo_port, GET, ""), "200 OK"));
	fake_table(&px, ROUTE_RESET);
	fake_run(&px, "isb", 1);
	CHECK(has(whole("istale", echo_port, GET, ""), "200 OK"));
	fake_table(&px, ROUTE_SYNCED);
	CHECK(has(whole("istale", echo_port, GET, ""), "was not found"));
	CHECK(has(whole("isb", echo_port, GET, ""), "200 OK"));
	/* What was connected has not noticed. */
	CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
	reset(fd);

	px.refuse = true;
	fake_run(&px, "inew", 3);
	CHECK(has(whole("inew", echo_port, GET, ""), "was not found"));
	px.refuse = false;
}

static struct route_set
sleeper(const char *id)
{
	struct route_set s = { .slot = 1,
		.incarnation = 1,
		.state = ROUTE_PAUSED,
		.auto_resume = 1 };

	(void)snprintf(s.id, sizeof(s.id), "%s", id);
	return s;
}

/* What is waited with is answered in one of these ways. */
static const char *
after_waiting(int fd)
{
	static char copy[4096];

	(void)snprintf(copy, sizeof(copy), "%.4000s", get_head(fd));
	(void)close(fd);
	return copy;
}

static void
wakes(void)
{
	struct route_set s = sleeper("isleep");
	int fd[5];

	fake_set(&px, &s);
	(void)fake_wakes(&px, "isleep", 50);
	/* Many requests are one wake; a body comes behind it all the same. */
	for (int i = 0; i < 4; i++)
		fd[i] = ask("isleep", echo_port, GET, "");
	fd[4] = ask(
	    "isleep", echo_port, "POST /p HTTP/1.1", "Content-Length: 5\r\n");
	put(fd[4], "hello");
	CHECK(fake_wakes(&px, "isleep", 300) == 1);
	s.state = ROUTE_RUNNING;
	fake_set(&px, &s);
	fake_woke(&px, "isleep", 0);
	for (int i = 0; i < 5; i++)
		CHECK(has(after_waiting(fd[i]), "200 OK"));

	/* Being paused: it waits for what comes of that, too. */
	s.state = ROUTE_CHANGING;
	fake_set(&px, &s);
	fd[0] = ask("isleep", echo_port, GET, "");
	CHECK(fake_wakes(&px, "isleep", 200) == 1);
	s.state = ROUTE_PAUSED;
	fake_set(&px, &s);
	CHECK(fake_wakes(&px, "isleep", 100) == 0);
	/* Paused without its memory, after all. */
	s.auto_resume = 0;
	fake_set(&px, &s);
	fake_woke(&px, "isleep", 502);
	CHECK(has(after_waiting(fd[0]), "502 Bad Gateway"));
	s.auto_resume = 1;
	fake_set(&px, &s);

	fd[0] = ask("isleep", echo_port, GET, "");
	CHECK(fake_wakes(&px, "isleep", 200) == 1);
	fake_woke(&px, "isleep", 409);
	CHECK(has(after_waiting(fd[0]), "409 Conflict"));
	fd[0] = ask("isleep", echo_port, GET, "Connection: close\r\n");
	CHECK(fake_wakes(&px, "isleep", 200) == 1);
	fake_woke(&px, "isleep", 429);
	CHECK(has(after_waiting(fd[0]), "429 Too Many Requests"));
	/* One that leaves, one whose sandbox ends, one whose apid does. */
	fd[0] = ask("isleep", echo_port, GET, "");
	CHECK(fake_wakes(&px, "isleep", 200) == 1);
	reset(fd[0]);
	fd[0] = ask("isleep", echo_port, GET, "");
	(void)usleep(50000);
	fake_del(&px, "isleep");
	CHECK(has(after_waiting(fd[0]), "502 Bad Gateway"));
}

/* Who may not wake it does not. */
static void
wakes_for_some(void)
{
	struct route_set s = sleeper("isecret");
	int fd;

	s.private_traffic = 1;
	(void)snprintf(s.traffic_token, sizeof(s.traffic_token), "sesame");
	(void)snprintf(s.envd_token, sizeof(s.envd_token), "open");
	fake_set(&px, &s);
	CHECK(has(whole("isecret", 80, GET, ""), "403 Forbidden"));
	CHECK(has(whole("isecret", 80, GET, "e2b-traffic-access-token: x\r\n"),
	    "403 Forbidden"));
	CHECK(has(whole("isecret", 49983, GET, ""), "403 Forbidden"));
	CHECK(has(whole("isecret", 49983, GET, "X-Access-Token: opem\r\n"),
	    "\r\n\r\n{\"sandboxId\":\"isecret\",\"message\":"));
	CHECK(has(whole("isecret", 49983, "POST /init HTTP/1.1",
		      "X-Access-Token: open\r\n"),
	    "404 Not Found"));
	CHECK(fake_wakes(&px, "isecret", 100) == 0);
	fd = ask("isecret", 49983, GET, "X-Access-Token: open\r\n");
	CHECK(fake_wakes(&px, "isecret", 200) == 1);
	fake_woke(&px, "isecret", 502);
	CHECK(has(after_waiting(fd), "502 Bad Gateway"));
	fake_del(&px, "isecret");
}

/* A wake that apid has not lived to hear of is asked of the next one. */
static void
wakes_again(void)
{
	struct route_set s = sleeper("iagain");
	int fd;

	fake_set(&px, &s);
	fd = ask("iagain", echo_port, GET, "");
	CHECK(fake_wakes(&px, "iagain", 200) == 1);
	fake_handover(&px);
	fake_table(&px, ROUTE_RESET);
	fake_run(&px, "isb", 1);
	fake_set(&px, &s);
	fake_table(&px, ROUTE_SYNCED);
	CHECK(fake_wakes(&px, "iagain", 300) == 1);
	s.state = ROUTE_RUNNING;
	fake_set(&px, &s);
	CHECK(has(after_waiting(fd), "200 OK"));
}

/* Says what is asked for on a connection that is there. */
static void
say(int fd, uint16_t port)
{
	char s[256];

	(void)snprintf(s, sizeof(s), GET "\r\nHost: %u-isb.x\r\n\r\n", port);
	put(fd, s);
}

/* Sixteen connections, of which one address may have eight. */
static void
crowds(void)
{
	static struct fake small;
	int fd[8], more[8], one;
	bool cut;

	fake_start_small(&small, "16");
	fake_table(&small, ROUTE_RESET);
	fake_run(&small, "isb", 1);
	fake_table(&small, ROUTE_SYNCED);
	for (int i = 0; i < 8; i++) {
		fd[i] = tcp_to(small.port);
		(void)usleep(2000);
	}
	/* A ninth comes: the one that has been idle longest goes. */
	one = tcp_to(small.port);
	say(one, echo_port);
	CHECK(has(get_head(one), "200 OK"));
	CHECK(*get_all(fd[0], &cut) == '\0');
	fd[0] = one;
	/* Who is busy stays; then one more is one too many. */
	for (int i = 0; i < 8; i++)
		say(fd[i], hang_port);
	(void)usleep(100000);
	one = tcp_to(small.port);
	CHECK(has(get_all(one, &cut), "\"code\":429}"));
	/* From elsewhere it is not. */
	for (int i = 0; i < 8; i++) {
		more[i] = tcp_from("127.0.0.2", small.port);
		say(more[i], i == 0 ? echo_port : hang_port);
	}
	CHECK(has(get_head(more[0]), "200 OK"));
	(void)usleep(100000);
	/* All are taken, and one of them is idle. */
	one = tcp_from("127.0.0.3", small.port);
	say(one, echo_port);
	CHECK(has(get_head(one), "200 OK"));
	CHECK(*get_all(more[0], &cut) == '\0');
	more[0] = one;
	for (int i = 0; i < 8; i++) {
		reset(fd[i]);
		reset(more[i]);
	}
	(void)usleep(100000);
	one = tcp_to(small.port);
	say(one, echo_port);
	CHECK(has(get_head(one), "200 OK"));
	(void)close(one);
	CHECK(fake_stop(&small) == 0);
}

int
main(void)
{
	unsigned before, after;

	fake_start(&px);
	echo_port = server_start(echo, NULL);
	hang_port = server_start(hang, NULL);
	first_closes_port = server_start(first_closes, NULL);
	fake_table(&px, ROUTE_RESET);
	fake_run(&px, "isb", 1);
	fake_run(&px, "iother", 1);
	fake_table(&px, ROUTE_SYNCED);
	CHECK(has(whole("isb", echo_port, GET, ""), "200 OK"));
	CHECK(has(whole("iother", echo_port, GET, ""), "200 OK"));
	(void)usleep(100000);
	before = fake_fds(&px);

	routing();
	states_and_tokens();
	fake_del(&px, "ipriv");
	fake_del(&px, "istate");
	wakes();
	wakes_for_some();
	framing();
	bad_requests();
	keep_alive();
	uploads();
	downloads();
	tunnels();
	ends();
	limits();
	deaths();
	for (int i = 0; i < 100; i++) {
		after = fake_fds(&px);
		if (after <= before + 4) /* a spare pipe or two */
			break;
		(void)usleep(50000);
	}
	if (after > before + 4)
		printf("# %u descriptors, %u before\n", after, before);
	CHECK(after <= before + 4);
	restarts();
	wakes_again();
	crowds();
	CHECK(kill(px.pid, 0) == 0);
	CHECK(fake_stop(&px) == 0);
	return t_end();
}
