/* The server keeps HTTP/1.1: whole or in pieces, well-behaved or not. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "http/client.h"
#include "http/server.h"
#include "io/loop.h"
#include "t.h"

static struct loop *l;
static struct http_server *srv;
static uint16_t port;
static unsigned ngone, nrequests;
static struct http_req *later;
static size_t streamed;
static char got[1 << 20];
static size_t ngot;

static void
on_stop(struct loop_timer *t)
{
	loop_stop(t->loop);
}

static void
pump(uint64_t ms)
{
	struct loop_timer t = { .on_time = on_stop };

	loop_timer_start(l, &t, ms);
	loop_run(l);
	loop_timer_stop(&t);
}

static int
dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)(void *)&a, sizeof(a)) < 0)
		abort();
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Reads what is there; true once the server has closed. */
static bool
slurp(int fd)
{
	for (;;) {
		ssize_t n = read(fd, got + ngot, sizeof(got) - 1 - ngot);

		if (n < 0)
			return errno == ECONNRESET;
		if (n == 0)
			return true;
		ngot += (size_t)n;
		got[ngot] = '\0';
	}
}

static void
say(int fd, const char *s)
{
	CHECK(send(fd, s, strlen(s), MSG_NOSIGNAL) == (ssize_t)strlen(s));
}

/* Sends in pieces of `step` bytes; what comes back is in got. */
static bool
ask(const char *s, size_t n, size_t step)
{
	int fd = dial();
	bool closed = false;

	ngot = 0;
	got[0] = '\0';
	for (size_t i = 0; i < n; i += step) {
		size_t len = n - i < step ? n - i : step;

		if (send(fd, s + i, len, MSG_NOSIGNAL) < 0)
			break;
		if (step < n)
			pump(1);
	}
	/* Until it says no more, on machines of any speed. */
	for (int i = 0; i < 100; i++) {
		size_t before = ngot;

		pump(20);
		closed = slurp(fd);
		if (closed || (ngot > 0 && ngot == before))
			break;
	}
	(void)close(fd);
	pump(1);
	return closed;
}

static unsigned
count(const char *what)
{
	unsigned n = 0;

	for (const char *p = got; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void
on_gone(struct http_req *r)
{
	ngone++;
	if (r == later)
		later = NULL;
}

static void
on_echo(struct http_req *r, const char *body, size_t n)
{
	if (body == NULL)
		http_reply(r, 413, "text/plain", "too long", 8);
	else
		http_reply(r, 200, "text/plain", body, n);
}

static void
on_piece(struct http_req *r, const char *p, size_t n)
{
	char text[32];

	(void)p;
	streamed += n;
	if (n > 0)
		return;
	(void)snprintf(text, sizeof(text), "%zu", streamed);
	http_reply(r, 200, "text/plain", text, strlen(text));
}

static void
file_reply(struct http_req *r)
{
	int fd = memfd_create("t", MFD_CLOEXEC);

	CHECK(ftruncate(fd, 700000) == 0);
	CHECK(pwrite(fd, "end", 3, 699997) == 3);
	http_reply_begin(r, 200, NULL, 500003);
	http_reply_file(r, fd, 199997, 500003);
}

static void
on_drain(struct http_req *r)
{
	static unsigned n;

	if (n++ % 100 == 99) {
		http_reply_end(r);
		return;
	}
	(void)http_reply_write(r, "0123456789", 10);
	http_reply_on_drain(r, 1, on_drain);
}

static void
on_request(struct http_req *r, void *ctx)
{
	const char *p = http_req_path(r);

	(void)ctx;
	nrequests++;
	http_req_on_gone(r, on_gone);
	if (strcmp(p, "/echo") == 0)
		http_req_collect(r, 1000, on_echo);
	else if (strcmp(p, "/stream") == 0) {
		streamed = 0;
		http_req_stream(r, on_piece);
	} else if (strcmp(p, "/pieces") == 0) {
		http_reply_begin(r, 200, "text/plain", -1);
		(void)http_reply_write(r, "abc", 3);
		(void)http_reply_write(r, "defg", 4);
		http_reply_end(r);
	} else if (strcmp(p, "/later") == 0)
		later = r;
	else if (strcmp(p, "/abort") == 0) {
		http_reply_begin(r, 200, "text/plain", -1);
		(void)http_reply_write(r, "abc", 3);
		http_reply_abort(r);
	} else if (strcmp(p, "/file") == 0)
		file_reply(r);
	else if (strcmp(p, "/drain") == 0) {
		http_reply_begin(r, 200, "text/plain", -1);
		http_reply_on_drain(r, 1, on_drain);
	} else if (strcmp(p, "/204") == 0)
		http_reply(r, 204, NULL, NULL, 0);
	else if (strcmp(p, "/header") == 0) {
		const char *v = http_req_header(r, "x-one");

		http_reply_header(r, "X-Back", "%s", v != NULL ? v : "none");
		http_reply_header(r, "X-Bad", "a\r\nInjected: 1");
		http_reply(r, 200, "text/plain", http_req_target(r),
		    strlen(http_req_target(r)));
	} else if (strcmp(p, "/param") == 0) {
		bool bad;
		autofree char *v = http_req_param(r, "a b", &bad);

		if (bad)
			http_reply(r, 400, "text/plain", "bad", 3);
		else
			http_reply(r, 200, "text/plain", v != NULL ? v : "null",
			    strlen(v != NULL ? v : "null"));
	} else
		http_reply(r, 404, "text/plain", p, strlen(p));
}

static void
check(const char *request, const char *status, const char *has, bool closes)
{
	size_t n = strlen(request);
	static const size_t steps[] = { 1 << 20, 7, 1 };

	for (size_t i = 0; i < countof(steps); i++) {
		bool closed = ask(request, n, steps[i]);
		bool ok = strncmp(got + 9, status, 3) == 0 &&
			  strstr(got, has) != NULL && closed == closes;

		CHECK(ok);
		if (!ok)
			printf("# step %zu: %s\n# -> closed=%d %s\n", steps[i],
			    request, closed, got);
	}
}

#define H "Host: a\r\n"

static void
well_behaved(void)
{
	check("GET /x?y HTTP/1.1\r\n" H "\r\n", "404", "\r\n\r\n/x", false);
	check("\r\n\r\nGET /x HTTP/1.1\r\n" H "\r\n", "404", "/x", false);
	check("GET /x HTTP/1.0\r\n\r\n", "404", "Connection: close", true);
	check("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "404",
	    "Connection: keep-alive", false);
	check("GET /x HTTP/1.1\r\nConnection: close\r\n" H "\r\n", "404", "/x",
	    true);
	check("GET http://h:1/x?q HTTP/1.1\r\n" H "\r\n", "404", "\r\n\r\n/x",
	    false);
	check(
	    "GET http://h?q HTTP/1.1\r\n" H "\r\n", "404", "\r\n\r\n/", false);
	check("OPTIONS * HTTP/1.1\r\n" H "\r\n", "404", "\r\n\r\n*", false);
	check("GET /204 HTTP/1.1\r\n" H "\r\n", "204", "No Content", false);
	CHECK(strstr(got, "Content-Length") == NULL);
	check("GET /header?q=1 HTTP/1.1\r\nX-ONE:  a b \r\nX-Two:\r\n" H "\r\n",
	    "200", "X-Back: a b\r\n", false);
	CHECK(strstr(got, "Injected") == NULL);
	CHECK(strstr(got, "\r\n\r\n/header?q=1") != NULL);
	check("GET /param?a+b=%41+%2f HTTP/1.1\r\n" H "\r\n", "200",
	    "\r\n\r\nA /", false);
	check(
	    "GET /param?a%20b=%zz HTTP/1.1\r\n" H "\r\n", "400", "bad", false);
	check(
	    "GET /param?a%20b=%00 HTTP/1.1\r\n" H "\r\n", "400", "bad", false);
	check("GET /param?c=d HTTP/1.1\r\n" H "\r\n", "200", "null", false);
	check("GET /pieces HTTP/1.1\r\n" H "\r\n", "200",
	    "\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", false);
	check("GET /pieces HTTP/1.0\r\n\r\n", "200", "\r\n\r\nabcdefg", true);
	check("GET /drain HTTP/1.1\r\n" H "\r\n", "200", "0\r\n\r\n", false);
	CHECK(count("0123456789") == 99);
}

static void
bodies(void)
{
	check("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "200",
	    "\r\n\r\nabc", false);
	check("POST /echo HTTP/1.1\r\n" H "\r\n", "200", "Content-Length: 0",
	    false);
	check("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
	    "200", "\r\n\r\nabcde", false);
	check("POST /stream HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	      "3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n",
	    "200", "\r\n\r\n13", false);
	check("POST /x HTTP/1.1\r\n" H
	      "Content-Length: 3\r\n\r\nabcGET /y HTTP/1.1\r\n" H "\r\n",
	    "404", "/y", false);
	check("POST /echo HTTP/1.1\r\n" H "Content-Length: 1001\r\n"
	      "Expect: 100-continue\r\n\r\n",
	    "413", "too long", true);
	check("POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\n"
	      "Expect: 100-continue\r\n\r\nab",
	    "100", "\r\n\r\nab", false);
	check("GET /x HTTP/1.1\r\n" H "\r\nGET /y HTTP/1.1\r\n" H
	      "\r\nGET /pieces HTTP/1.1\r\n" H "\r\n"
	      "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc",
	    "404", "\r\n\r\nabc", false);
	CHECK(count("HTTP/1.1 ") == 4);
	check("HEAD /echo HTTP/1.1\r\n" H "\r\nGET /y HTTP/1.1\r\n" H "\r\n",
	    "200", "/y", false);
	check("HEAD /pieces HTTP/1.1\r\n" H "\r\n", "200", "chunked", false);
	CHECK(strstr(got, "abc") == NULL);
}

static void
badly_behaved(void)
{
	/* What the parser takes for line ends, and others do not. */
	static const char *const framing[] = {
		"3\rXabc\r\n0\r\n\r\n",
		"3;a\rXabc\r\n0\r\n\r\n",
		"3\r\nabc\r\n0\rX\r\n",
		"3\r\nabc\r\n0\r\n\rX",
		"3\r\nabc\r\n0\r\n\n",
		"0\rX\r\n",
		"0\r\n\n",
	};

	check("get / HTTP/1.1\r\n\r\n", "400", "method", true);
	check("GET / HTTP/1.1\r\n\r\n", "400", "Host", true);
	check("GET / HTTP/1.1\r\n" H H "\r\n", "400", "Host", true);
	check("GET / HTTP/2.0\r\n" H "\r\n", "505", "", true);
	check("GET / HTTP/1.1\n" H "\n", "400", "control", true);
	check(
	    "GET / HTTP/1.1\r\n" H "A: b\001\r\n\r\n", "400", "control", true);
	check(
	    "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", "400", "folded", true);
	check("GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", "400", "", true);
	check("GET / HTTP/1.1\r\n" H "A b: b\r\n\r\n", "400", "", true);
	check("GET / HTTP/1.1\r\n" H "Content-Length: 3\r\n"
	      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    "400", "", true);
	check("GET / HTTP/1.1\r\n" H "Content-Length: 3\r\n"
	      "Content-Length: 4\r\n\r\nabcd",
	    "400", "", true);
	check("GET / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\n", "400", "",
	    true);
	check("GET / HTTP/1.1\r\n" H
	      "Content-Length: 18446744073709551615\r\n\r\n",
	    "413", "", true);
	check("GET / HTTP/1.1\r\n" H
	      "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	    "501", "", true);
	check("GET / HTTP/1.1\r\n" H "Expect: tea\r\n\r\n", "417", "", true);
	check("POST /echo HTTP/1.1\r\n" H
	      "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
	    "400", "chunk", true);
	check("POST /echo HTTP/1.1\r\n" H
	      "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
	    "400", "chunk", true);
	check("POST /echo HTTP/1.1\r\n" H
	      "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
	    "400", "chunk", true);
	for (size_t i = 0; i < countof(framing); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text),
		    "POST /echo HTTP/1.1\r\n" H
		    "Transfer-Encoding: chunked\r\n\r\n%s",
		    framing[i]);
		check(text, "400", "chunk", true);
	}
	check("POST /echo HTTP/1.1\r\n" H
	      "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	    "400", "folded", true);
	check("GET /a\tb HTTP/1.1\r\n" H "\r\n", "400", "blank", true);
}

static void
too_large(void)
{
	enum { N = 200000 };
	char *s = malloc(N + 200);
	int n;

	n = sprintf(s, "GET / HTTP/1.1\r\n" H "A: ");
	memset(s + n, 'a', 70000);
	(void)ask(s, (size_t)n + 70000, 1 << 20);
	CHECK(strncmp(got + 9, "431", 3) == 0);
	n = sprintf(s, "GET / HTTP/1.1\r\n" H);
	for (int i = 0; i < 130; i++)
		n += sprintf(s + n, "A%d: b\r\n", i);
	n += sprintf(s + n, "\r\n");
	(void)ask(s, (size_t)n, 1 << 20);
	CHECK(strncmp(got + 9, "431", 3) == 0);
	/* Known to be too long: refused, and the connection lives on. */
	n = sprintf(
	    s, "POST /echo HTTP/1.1\r\n" H "Content-Length: 2000\r\n\r\n");
	memset(s + n, 'a', 2000);
	n += 2000;
	n += sprintf(s + n, "GET /y HTTP/1.1\r\n" H "\r\n");
	CHECK(!ask(s, (size_t)n, 1 << 20));
	CHECK(strncmp(got + 9, "413", 3) == 0);
	CHECK(strstr(got, "/y") != NULL);
	/* Found to be too long on the way. */
	n = sprintf(s, "POST /echo HTTP/1.1\r\n" H
		       "Transfer-Encoding: chunked\r\n\r\n7d0\r\n");
	memset(s + n, 'a', 2000);
	n += 2000;
	n += sprintf(s + n, "\r\n0\r\n\r\nGET /y HTTP/1.1\r\n" H "\r\n");
	CHECK(!ask(s, (size_t)n, 100));
	CHECK(strncmp(got + 9, "413", 3) == 0);
	CHECK(strstr(got, "/y") != NULL);
	/* A body nobody wants, too long to be read for nothing. */
	n = sprintf(
	    s, "POST /x HTTP/1.1\r\n" H "Content-Length: 100000000\r\n\r\n");
	memset(s + n, 'a', 100000);
	CHECK(ask(s, (size_t)n + 100000, 1 << 20));
	CHECK(strstr(got, "Connection: close") != NULL);
	free(s);
}

static void
answers_later(void)
{
	int fd = dial();

	ngot = 0;
	ngone = 0;
	say(fd, "GET /later HTTP/1.1\r\n" H "\r\nGET /y HTTP/1.1\r\n" H "\r\n");
	pump(10);
	CHECK(later != NULL && ngone == 0);
	CHECK(!slurp(fd) && ngot == 0);
	http_reply(later, 200, "text/plain", "now", 3);
	CHECK(later == NULL && ngone == 1);
	pump(10);
	CHECK(!slurp(fd) && count("HTTP/1.1") == 2 && ngone == 2);
	/* One who leaves is noticed. */
	say(fd, "GET /later HTTP/1.1\r\n" H "\r\n");
	pump(10);
	CHECK(later != NULL);
	http_reply_begin(later, 200, NULL, -1);
	(void)close(fd);
	pump(10);
	CHECK(later == NULL && ngone == 3);
	/* One who has only stopped sending gets the answer. */
	fd = dial();
	ngot = 0;
	say(fd, "GET /later HTTP/1.1\r\n" H "\r\n");
	(void)shutdown(fd, SHUT_WR);
	pump(10);
	CHECK(later != NULL);
	http_reply(later, 200, "text/plain", "now", 3);
	pump(10);
	CHECK(slurp(fd) && count("now") == 1);
	(void)close(fd);
}

static void
say_bye(struct http_req *r)
{
	(void)http_reply_write(r, "bye", 3);
	http_reply_end(r);
}

/* A stream whose client has heard enough, before or after it began. */
static void
heard_enough(void)
{
	for (int early = 0; early < 2; early++) {
		int fd = dial();

		ngot = 0;
		ngone = 0;
		say(fd, "GET /later HTTP/1.1\r\n" H "\r\n");
		if (early)
			(void)shutdown(fd, SHUT_WR);
		pump(10);
		CHECK(later != NULL && ngone == 0);
		http_reply_begin(later, 200, NULL, -1);
		(void)http_reply_write(later, "abc", 3);
		http_req_on_eof(later, say_bye);
		if (!early) {
			pump(10);
			CHECK(later != NULL && ngone == 0);
			(void)shutdown(fd, SHUT_WR);
		}
		pump(10);
		CHECK(later == NULL && ngone == 1);
		CHECK(slurp(fd) && count("3\r\nabc\r\n") == 1);
		CHECK(count("3\r\nbye\r\n0\r\n\r\n") == 1);
		(void)close(fd);
	}
}

static void
cut_off(void)
{
	CHECK(ask("GET /abort HTTP/1.1\r\n" H "\r\n", 32, 100));
	CHECK(strstr(got, "0\r\n\r\n") == NULL);
}

static void
files(void)
{
	CHECK(!ask("GET /file HTTP/1.1\r\n" H "\r\n", 31, 100));
	CHECK(strstr(got, "Content-Length: 500003") != NULL);
	CHECK(ngot > 500003 && memcmp(got + ngot - 3, "end", 3) == 0);
	CHECK(!ask("HEAD /file HTTP/1.1\r\n" H "\r\n", 32, 100));
	CHECK(strstr(got, "Content-Length: 500003") != NULL && ngot < 300);
}

static int call_status;
static char call_body[100];
static enum err_kind call_err;

static void
on_called(struct http_call *c, int status, const char *body, size_t n,
    const struct err *e)
{
	(void)c;
	call_status = status;
	(void)snprintf(call_body, sizeof(call_body), "%.*s", (int)n, body);
	call_err = e != NULL ? e->kind : ERR_NONE;
}

static int
call(const char *method, const char *path, const char *body, size_t max,
    uint16_t to)
{
	struct http_call c = { .on_done = on_called };
	struct err e;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	call_status = -1;
	CHECK(http_call_start(l, &c, fd, to, method, path, "X-One: 1\r\n", body,
		  strlen(body), max, 50, &e) == 0);
	pump(100);
	return call_status;
}

static void
client(void)
{
	CHECK(call("POST", "/echo", "hello", 100, port) == 200);
	CHECK(strcmp(call_body, "hello") == 0 && call_err == ERR_NONE);
	CHECK(call("GET", "/pieces", "", 100, port) == 200);
	CHECK(strcmp(call_body, "abcdefg") == 0);
	CHECK(call("GET", "/204", "", 100, port) == 204);
	CHECK(call("HEAD", "/echo", "", 100, port) == 200);
	CHECK(call("GET", "/pieces", "", 6, port) == 0);
	CHECK(call_err == ERR_SYS);
	CHECK(call("GET", "/abort", "", 100, port) == 0);
	CHECK(call("GET", "/later", "", 100, port) == 0);
	CHECK(call("GET", "/x", "", 100, 1) == 0);
	CHECK(call_err == ERR_SYS);
}

/* A body as it comes; the call may go in the middle of it. */
static struct http_call *under_way;
static char call_text[100];
static bool stop_at_d;

static void
on_call_data(struct http_call *c, const char *p, size_t n)
{
	size_t have = strlen(call_text);

	if (have + n >= sizeof(call_text))
		abort();
	CHECK(c == under_way);
	memcpy(call_text + have, p, n);
	call_text[have + n] = '\0';
	if (!stop_at_d || strchr(call_text, 'd') == NULL)
		return;
	http_call_cancel(c);
	free(c);
	under_way = NULL;
}

static void
call_stream(const char *path, bool stop)
{
	struct err e;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	under_way = calloc(1, sizeof(*under_way));
	if (under_way == NULL)
		abort();
	under_way->on_done = on_called;
	under_way->on_data = on_call_data;
	call_text[0] = '\0';
	stop_at_d = stop;
	call_status = -1;
	CHECK(http_call_start(l, under_way, fd, port, "GET", path, NULL, "", 0,
		  100, 1000, &e) == 0);
	pump(100);
	free(under_way);
}

static void
client_streams(void)
{
	call_stream("/pieces", false);
	CHECK(strcmp(call_text, "abcdefg") == 0);
	CHECK(call_status == 200 && call_body[0] == '\0');
	call_stream("/pieces", true);
	CHECK(strncmp(call_text, "abcd", 4) == 0 && call_status == -1);
	/* Only a 200 streams; and an end that is none is told. */
	call_stream("/204", false);
	CHECK(call_text[0] == '\0' && call_status == 204);
	call_stream("/abort", false);
	CHECK(call_status == 0 && call_err == ERR_SYS);
}

static void
listen_somewhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	struct err e;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(bind(fd, (struct sockaddr *)(void *)&a, sizeof(a)) == 0);
	CHECK(listen(fd, 100) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)(void *)&a, &n) == 0);
	port = ntohs(a.sin_port);
	CHECK(http_server_listen(srv, fd, &e) == 0);
}

/* By a server that is in a hurry. */
static void
times(void)
{
	struct http_handler h = { .on_request = on_request };
	struct http_limits lim = { .head_timeout_ms = 400,
		.body_timeout_ms = 300,
		.idle_timeout_ms = 500 };
	struct err e;
	int idle, head, body;

	CHECK(http_server_nconns(srv) == 0);
	http_server_free(srv);
	srv = http_server_new(l, h, lim, &e);
	listen_somewhere();
	idle = dial();
	head = dial();
	body = dial();
	ngot = 0;
	say(head, "GET / HT");
	say(body, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\na");
	pump(60);
	CHECK(!slurp(idle) && !slurp(head) && !slurp(body) && ngot == 0);
	pump(900);
	CHECK(slurp(idle) && ngot == 0);
	CHECK(slurp(head) && strncmp(got + 9, "408", 3) == 0);
	CHECK(slurp(body));
	(void)close(idle);
	(void)close(head);
	(void)close(body);
	pump(5);
	CHECK(http_server_nconns(srv) == 0);
}

int
main(void)
{
	struct http_handler h = { .on_request = on_request };
	struct http_limits lim = { .head_timeout_ms = 10000,
		.body_timeout_ms = 10000,
		.idle_timeout_ms = 10000 };
	struct err e;

	l = loop_new(&e);
	srv = http_server_new(l, h, lim, &e);
	listen_somewhere();
	well_behaved();
	bodies();
	badly_behaved();
	too_large();
	answers_later();
	heard_enough();
	cut_off();
	files();
	times();
	client();
	client_streams();
	http_server_free(srv);
	pump(1);
	loop_free(l);
	return t_end();
}
