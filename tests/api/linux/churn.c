/*
 * churn - updates of one sandbox's policy at a steady rate.
 *
 *	churn SANDBOX FORBIDDEN KEPT RATE SECONDS FLIPS
 *
 * Sends PUT /sandboxes/SANDBOX/network RATE times a second for SECONDS, on one
 * kept connection; E2B_API_KEY and port 3000.  Every update says something
 * else about addresses that do not matter; none ever closes the address KEPT.
 * FLIPS times the address FORBIDDEN is closed, for the second half of the time
 * until the next flip, and after the last one it stays closed.
 *
 * Prints, in ns of CLOCK_MONOTONIC, "tight T" (the 204 of a closing update had
 * been read) and "loose T" (the update that opens again was about to be sent),
 * and at the end "done N MILLISECONDS P50 P99" (the latter in us).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/benchclient.h"

struct churn {
	struct conn *c;
	const char *forbidden, *kept;
	char path[128];
	unsigned n;
};

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
sleep_until(int64_t ns)
{
	struct timespec t = {
		.tv_sec = ns / 1000000000,
		.tv_nsec = ns % 1000000000,
	};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* One time in four everything is denied but what may pass: all else changes. */
static void
put(struct churn *u, bool tight)
{
	unsigned a = u->n & 255, b = (u->n >> 8) & 255;
	char body[512];

	if (u->n % 4 == 3)
		(void)snprintf(body, sizeof(body),
		    "{\"denyOut\":[\"0.0.0.0/0\"],\"allowOut\":[\"%s\"%s%s%s,"
		    "\"9.9.%u.0/24\"]}",
		    u->kept, tight ? "" : ",\"", tight ? "" : u->forbidden,
		    tight ? "" : "\"", a);
	else
		(void)snprintf(body, sizeof(body),
		    "{\"denyOut\":[\"9.9.%u.0/24\",\"11.%u.%u.0/24\"%s%s%s],"
		    "\"allowOut\":[\"9.9.%u.128/25\"]}",
		    a, a, b, tight ? ",\"" : "", tight ? u->forbidden : "",
		    tight ? "\"" : "", a);
	u->n++;
	conn_call(u->c, "PUT", u->path, body);
	conn_expect(u->c, 204, "PUT network");
}

static void
note(const char *what, int64_t when)
{
	printf("%s %lld\n", what, (long long)when);
	(void)fflush(stdout);
}

/* Half a period open, half closed; in the end it is closed. */
static bool
is_tight(int64_t at, int64_t period)
{
	return at / (period / 2) % 2 == 1;
}

static void
run(struct churn *u, int rate, int seconds, int flips)
{
	int64_t t0 = now_ns(), step = 1000000000 / rate, took, end, t;
	struct samples s = { 0 };
	bool tight = false;
	double p50;

	end = t0 + (int64_t)seconds * 1000000000;
	for (int64_t next = t0; (t = now_ns()) < end; next += step) {
		bool now = is_tight(t - t0, (end - t0) / flips);

		if (t < next)
			sleep_until(next);
		else if (t > next + 100000000)
			next = t; /* behind: what is lost is lost */
		t = now_ns();
		if (tight && !now)
			note("loose", t);
		put(u, now);
		took = now_ns();
		if (!tight && now)
			note("tight", took);
		tight = now;
		samples_add(&s, (double)(took - t) / 1e3);
	}
	t = now_ns();
	if (!tight) {
		put(u, true);
		note("tight", now_ns());
	}
	p50 = samples_median(&s);
	printf("done %zu %lld %.0f %.0f\n", s.n, (long long)(t - t0) / 1000000,
	    p50, s.v[s.n * 99 / 100]);
	free(s.v);
}

int
main(int argc, char **argv)
{
	static struct conn c;
	struct churn u = { .c = &c };

	if (argc != 7 || getenv("E2B_API_KEY") == NULL) {
		fprintf(stderr,
		    "usage: churn SANDBOX FORBIDDEN KEPT RATE SECONDS FLIPS\n");
		return 2;
	}
	bc_key = getenv("E2B_API_KEY");
	u.forbidden = argv[2];
	u.kept = argv[3];
	(void)snprintf(
	    u.path, sizeof(u.path), "/sandboxes/%s/network", argv[1]);
	conn_open(&c, 3000);
	run(&u, atoi(argv[4]), atoi(argv[5]), atoi(argv[6]));
	return 0;
}
