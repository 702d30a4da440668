/*
 * bench_inside.c - what a client sees of a sandbox's inside, by way of the way
 * in.
 *
 *	bench_inside API_PORT WAY_IN_PORT KEY stream HELLO
 *	bench_inside API_PORT WAY_IN_PORT KEY crowd HELLO N
 *	bench_inside API_PORT WAY_IN_PORT KEY ws BENCH_PEERS PEER_PORT
 *	bench_inside API_PORT WAY_IN_PORT KEY code N TEMPLATE
 *
 * HELLO is the static program of tests/bench/inside, BENCH_PEERS a static
 * bench_peers; both are put into the sandbox.  PEER_PORT leads, by whatever is
 * measured beside us, to a `bench_peers ws` outside.  Prints a JSON line for
 * each figure.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/lib/benchclient.h"

enum { STREAM_MIB = 128, STREAM_ROUNDS = 5, WS_ROUNDS = 2000, WS_PORT = 8080 };

static void
report(const char *name, struct samples *s, const char *unit)
{
	struct bc_row r = {
		.name = name, .unit = unit, .ours = s, .wrong = -1
	};

	bc_report(&r);
}

/* --- stream: a command's output ------------------------------------------- */

/* Reads to the last chunk and keeps nothing; how many bytes came. */
static size_t
drain(struct conn *w)
{
	size_t n = 0;

	for (;;) {
		size_t keep = w->have < 5 ? w->have : 5;

		memmove(w->in, w->in + w->have - keep, keep);
		w->have = keep;
		conn_more(w);
		n += w->have - keep;
		if (memcmp(w->in + w->have - 5, "0\r\n\r\n", 5) == 0)
			return n;
	}
}

static void
stream(struct conn *c, struct conn *w, const char *hello)
{
	struct samples s = { 0 };
	char process[128];
	struct box b;

	(void)snprintf(process, sizeof(process),
	    "{\"cmd\":\"/tmp/hello\",\"args\":[\"%d\"]}", STREAM_MIB);
	box_create(c, &b, "");
	box_program(w, &b, "/tmp/hello", hello);
	for (int i = 0; i < STREAM_ROUNDS; i++) {
		double t0 = bc_now_ms();

		w->have = 0;
		box_start(w, &b, process);
		/* As JSON it is four thirds of that, and some. */
		if (drain(w) < (size_t)STREAM_MIB << 20)
			bc_die("short stream");
		samples_add(&s, STREAM_MIB / (bc_now_ms() - t0) * 1e3);
	}
	report("stream_mbps", &s, "MiB/s");
	box_kill(c, &b);
}

/* --- crowd: many commands, each with its stream --------------------------- */

/* One thing that every stream has said once more; the last one's time. */
static double
all_speak(struct conn *v, int n)
{
	double t0 = bc_now_ms();

	for (int i = 0; i < n; i++) {
		v[i].have = 0;
		conn_until(&v[i], "\"stdout\"");
	}
	return bc_now_ms() - t0;
}

static void
crowd(struct conn *c, struct conn *w, int port, const char *hello, int n)
{
	const struct rlimit files = { (rlim_t)n + 64, (rlim_t)n + 64 };
	struct samples begun = { 0 }, round = { 0 }, memory = { 0 };
	struct conn *v = calloc((size_t)n, sizeof(*v));
	double t0, before;
	struct box b;

	if (v == NULL || setrlimit(RLIMIT_NOFILE, &files) < 0)
		bc_die("room for the crowd");
	box_create(c, &b, "");
	box_program(w, &b, "/tmp/hello", hello);
	before = bc_available_kib();
	t0 = bc_now_ms();
	for (int i = 0; i < n; i++) {
		conn_open(&v[i], port);
		box_start(
		    &v[i], &b, "{\"cmd\":\"/tmp/hello\",\"args\":[\"again\"]}");
	}
	(void)all_speak(v, n);
	samples_add(&begun, bc_now_ms() - t0);
	samples_add(&memory, (before - bc_available_kib()) / n);
	for (int i = 0; i < 20; i++)
		samples_add(&round, all_speak(v, n));
	report("streams_begun_ms", &begun, "ms");
	report("streams_round_ms", &round, "ms");
	report("stream_kib", &memory, "KiB");
	for (int i = 0; i < n; i++)
		(void)close(v[i].fd);
	box_kill(c, &b);
	free(v);
}

/* --- ws: an echo over a WebSocket (RFC 6455) ------------------------------ */

static void
ws_open(struct conn *w, const char *where)
{
	char out[1024];
	int n = snprintf(out, sizeof(out),
	    "GET / HTTP/1.1\r\nHost: localhost\r\n%sUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	    where);

	w->have = 0;
	conn_send(w, out, (size_t)n);
	conn_until(w, "\r\n\r\n");
	if (!conn_has(w, "101 Switching") ||
	    !conn_has(w, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
		bc_die("no WebSocket");
	w->have = 0;
}

static double
ws_echo(struct conn *w)
{
	/* A text frame of 16 characters, masked with zeros. */
	static const char frame[22] = { (char)0x81, (char)0x90, 0, 0, 0, 0, 'a',
		'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n',
		'o', 'p' };
	double t0 = bc_now_ms();

	w->have = 0;
	conn_send(w, frame, sizeof(frame));
	while (w->have < 18)
		conn_more(w);
	if (memcmp(w->in + 2, frame + 6, 16) != 0)
		bc_die("another echo");
	return bc_now_ms() - t0;
}

static void
ws(struct conn *c, struct conn *w, int port, const char *peers, int peer_port)
{
	static struct conn ours, peer;
	struct samples a = { 0 }, p = { 0 };
	struct bc_row r = { .name = "ws_rtt_ms",
		.unit = "ms",
		.ours = &a,
		.peer = &p,
		.peer_is = "nginx as reverse proxy, same server",
		.wrong = -1 };
	char process[128], where[256];
	struct box b;

	box_create(c, &b, "");
	box_program(w, &b, "/tmp/peers", peers);
	(void)snprintf(process, sizeof(process),
	    "{\"cmd\":\"/tmp/peers\",\"args\":[\"ws\",\"%d\"]}", WS_PORT);
	w->have = 0;
	box_start(w, &b, process);
	conn_until(w, "\"stdout\""); /* it listens */
	(void)snprintf(where, sizeof(where),
	    "E2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: %d\r\n", b.id, WS_PORT);
	conn_open(&ours, port);
	ws_open(&ours, where);
	conn_open(&peer, peer_port);
	ws_open(&peer, "");
	for (int i = 0; i < WS_ROUNDS; i++) {
		samples_add(&a, ws_echo(&ours));
		samples_add(&p, ws_echo(&peer));
	}
	bc_report(&r);
	box_kill(c, &b);
}

/* --- code: run_code ------------------------------------------------------- */

static double
run_code(
    struct conn *w, const struct box *b, const char *code, const char *expect)
{
	char body[512];
	int n = snprintf(body, sizeof(body),
	    "{\"code\":\"%s\",\"context_id\":null,\"language\":null,"
	    "\"env_vars\":null}",
	    code);
	double t0 = bc_now_ms(), took;

	w->have = 0;
	box_post(w, b, 49999, "/execute", "Content-Type: application/json\r\n",
	    body, (size_t)n);
	conn_until(w, "end_of_execution");
	took = bc_now_ms() - t0;
	conn_finish(w);
	if (!conn_has(w, expect)) {
		fprintf(stderr, "bench_inside: %s: %.*s\n", code, (int)w->have,
		    w->in);
		exit(2);
	}
	return took;
}

/*
 * The first one of a sandbox that has just been taken from the pool; then,
 * after the pool has had time to be full again, others.
 */
static void
code(struct conn *c, struct conn *w, int n, const char *template)
{
	struct samples first = { 0 }, next = { 0 };

	for (int i = 0; i < n; i++) {
		struct box b;

		box_create_of(c, &b, template, "");
		samples_add(
		    &first, run_code(w, &b, "print(1 + 1)", "\"2\\n\""));
		for (int k = 0; k < 50; k++)
			samples_add(&next, run_code(w, &b, "6 * 7", "\"42\""));
		box_kill(c, &b);
		(void)sleep(3); /* the pool makes up for it */
	}
	report("run_code_first_ms", &first, "ms");
	report("run_code_next_ms", &next, "ms");
}

int
main(int argc, char **argv)
{
	static struct conn c, w;
	const char *what = argc > 5 ? argv[4] : "";
	int port = argc > 5 ? atoi(argv[2]) : 0;

	if (argc > 5) {
		bc_key = argv[3];
		conn_open(&c, atoi(argv[1]));
		conn_open(&w, port);
	}
	if (strcmp(what, "stream") == 0)
		stream(&c, &w, argv[5]);
	else if (strcmp(what, "crowd") == 0 && argc == 7)
		crowd(&c, &w, port, argv[5], atoi(argv[6]));
	else if (strcmp(what, "ws") == 0 && argc == 7)
		ws(&c, &w, port, argv[5], atoi(argv[6]));
	else if (strcmp(what, "code") == 0 && argc == 7)
		code(&c, &w, atoi(argv[5]), argv[6]);
	else {
		fprintf(stderr,
		    "usage: bench_inside API_PORT WAY_IN_PORT KEY "
		    "stream HELLO | crowd HELLO N |\n"
		    "\tws BENCH_PEERS PEER_PORT | code N TEMPLATE\n");
		return 2;
	}
	return 0;
}
