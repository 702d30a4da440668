/*
 * bench_api.c - what one client sees, measured on a kept connection.
 *
 *	bench_api API_PORT WAY_IN_PORT KEY HELLO WHAT...
 *
 * HELLO is the static program of tests/bench/inside.  WHAT: idle, cold, warm,
 * exec, bulk.  Prints a JSON line for each figure.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tests/lib/benchclient.h"

#define IDLE_COUNT 200
#define BULK_BYTES (192L * 1024 * 1024)

static void
report(const char *name, struct samples *s, const char *unit)
{
	struct bc_row r = {
		.name = name, .unit = unit, .ours = s, .wrong = -1
	};

	bc_report(&r);
}

static const char bash[] = "{\"cmd\":\"/bin/bash\",\"args\":[\"-l\",\"-c\","
			   "\"echo hi\"]}";

/* Both members are there, and the machine has come to rest. */
static void
await_pool(struct conn *c)
{
	do {
		usleep(20000);
		conn_call(c, "GET", "/pool", "");
		conn_expect(c, 200, "pool");
	} while (strstr(c->body, "\"ready\":2,\"warming\":0") == NULL);
	usleep(20000);
}

/* From the pool, or without one. */
static void
creates(struct conn *c, struct conn *w, int n, bool warm)
{
	struct samples whole = { 0 }, answered = { 0 };

	if (warm) {
		conn_call(c, "POST", "/pool/base/warm", "{\"count\":2}");
		conn_expect(c, 202, "warm");
	}
	for (int i = 0; i < n; i++) {
		struct box b;
		double t0;

		if (warm)
			await_pool(c);
		t0 = bc_now_ms();
		box_create(c, &b, "");
		samples_add(&answered, bc_now_ms() - t0);
		w->have = 0;
		box_start(w, &b, bash);
		conn_until(w, "\"stdout\"");
		samples_add(&whole, bc_now_ms() - t0);
		conn_finish(w);
		box_kill(c, &b);
	}
	report(warm ? "create_warm_ms" : "create_cold_ms", &whole, "ms");
	report(warm ? "create_answer_ms" : "create_cold_answer_ms", &answered,
	    "ms");
	if (warm) {
		conn_call(c, "POST", "/pool/base/drain", "");
		conn_expect(c, 200, "drain");
	}
}

static void
round_trips(struct conn *w, const struct box *b, int n)
{
	struct samples rtt = { 0 };

	for (int i = 0; i < n; i++) {
		double t0 = bc_now_ms();

		w->have = 0;
		box_start(w, b, "{\"cmd\":\"/tmp/hello\"}");
		conn_finish(w);
		samples_add(&rtt, bc_now_ms() - t0);
		if (!conn_has(w, "aGVsbG8K")) {
			fprintf(stderr, "bench_api: no hello: %.*s\n",
			    (int)w->have, w->in);
			exit(2);
		}
	}
	report("exec_rtt_ms", &rtt, "ms");
}

/* --- bulk and memory ------------------------------------------------------*/

static void
bulk(struct conn *w, const struct box *b)
{
	struct samples up = { 0 }, down = { 0 };
	char *data = calloc(1, BULK_BYTES), head[512];
	double mib = (double)BULK_BYTES / 1048576;

	if (data == NULL)
		bc_die("memory");
	for (int i = 0; i < 5; i++) {
		double t0 = bc_now_ms();
		long left;
		char *end, *len;

		box_upload(w, b, "/tmp/bulk", data, BULK_BYTES);
		samples_add(&up, mib / (bc_now_ms() - t0) * 1e3);

		t0 = bc_now_ms();
		conn_send(w, head,
		    (size_t)snprintf(head, sizeof(head),
			"GET /files?path=/tmp/bulk&username=user HTTP/1.1\r\n"
			"Host: localhost\r\nE2b-Sandbox-Id: %s\r\n"
			"E2b-Sandbox-Port: 49983\r\nX-Access-Token: %s\r\n\r\n",
			b->id, b->token));
		w->have = 0;
		w->in[0] = '\0';
		while ((end = strstr(w->in, "\r\n\r\n")) == NULL)
			conn_more(w);
		len = strcasestr(w->in, "\r\ncontent-length:");
		if (len == NULL || atol(len + 17) != BULK_BYTES)
			bc_die("download length");
		left = BULK_BYTES - (long)(w->have - (size_t)(end + 4 - w->in));
		while (left > 0) {
			ssize_t n = read(w->fd, w->in, sizeof(w->in));

			if (n <= 0)
				bc_die("download");
			left -= n;
		}
		samples_add(&down, mib / (bc_now_ms() - t0) * 1e3);
	}
	free(data);
	report("file_up_mbps", &up, "MiB/s");
	report("file_down_mbps", &down, "MiB/s");
}

static void
idle_memory(struct conn *c)
{
	static struct box all[IDLE_COUNT];
	struct samples s = { 0 };
	double before;

	/* The first one pays for what all share. */
	box_create(c, &all[0], "");
	sleep(2);
	before = bc_available_kib();
	for (int i = 1; i < IDLE_COUNT; i++)
		box_create(c, &all[i], "");
	sleep(2);
	samples_add(&s, (before - bc_available_kib()) / (IDLE_COUNT - 1));
	s.n = 1;
	report("idle_sandbox_kib", &s, "KiB");
	for (int i = 0; i < IDLE_COUNT; i++)
		box_kill(c, &all[i]);
}

static void
measure(struct conn *c, struct conn *w, const char *what, const char *hello)
{
	struct box b;

	if (strcmp(what, "idle") == 0) {
		idle_memory(c);
		return;
	}
	if (strcmp(what, "cold") == 0) {
		creates(c, w, 100, false);
		return;
	}
	if (strcmp(what, "warm") == 0) {
		creates(c, w, 100, true);
		return;
	}
	box_create(c, &b, "");
	if (strcmp(what, "exec") == 0) {
		box_program(w, &b, "/tmp/hello", hello);
		round_trips(w, &b, 500);
	} else if (strcmp(what, "bulk") == 0) {
		bulk(w, &b);
	} else {
		bc_die(what);
	}
	box_kill(c, &b);
}

int
main(int argc, char **argv)
{
	static struct conn c, w;

	if (argc < 6) {
		fprintf(stderr, "usage: bench_api API_PORT WAY_IN_PORT KEY "
				"HELLO idle|cold|warm|exec|bulk...\n");
		return 2;
	}
	bc_key = argv[3];
	conn_open(&c, atoi(argv[1]));
	conn_open(&w, atoi(argv[2]));
	for (int i = 5; i < argc; i++)
		measure(&c, &w, argv[i], argv[4]);
	return 0;
}
