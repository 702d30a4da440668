/*
 * Memory that a file backs (kmod/): its cases, random steps and a thousand
 * machines, on the model.  SEED=n repeats random steps of that seed.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kmod/test/memseg_test.h"

#define ROUNDS 1000
#define STEPS  4000

/*
 * Mappings that stay behind are seen by a limit that has no room for them:
 * by bytes, since no portable call counts them. Programs under a sanitizer
 * have more than that from the start, and are not limited.
 */
static void
rounds(const char *dir, struct tally *t)
{
	struct rlimit was, tight;
	size_t room = (size_t)256 << 20;
	void *p;

	CHECK(t, getrlimit(RLIMIT_AS, &was) == 0);
	tight = was;
	tight.rlim_cur = (rlim_t)2 << 30;
	CHECK(t, setrlimit(RLIMIT_AS, &tight) == 0);
	p = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (p == MAP_FAILED)
		CHECK(t, setrlimit(RLIMIT_AS, &was) == 0);
	else
		CHECK(t, munmap(p, room) == 0);
	run_rounds(&machine_model, dir, ROUNDS, &meter_descriptors, 1, t);
	CHECK(t, setrlimit(RLIMIT_AS, &was) == 0);
}

static void
random_steps(const char *dir, struct tally *t)
{
	const char *seed = getenv("SEED");
	const uint64_t fresh =
	    (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid() ^ 1;

	if (seed != NULL) {
		run_random(
		    &machine_model, dir, strtoull(seed, NULL, 0), STEPS, t);
		return;
	}
	for (uint64_t i = 1; i <= 8; i++)
		run_random(&machine_model, dir, i, STEPS, t);
	run_random(&machine_model, dir, fresh, STEPS, t);
}

int
main(void)
{
	char dir[] = "/tmp/kmod-test.XXXXXX";
	struct tally t = { 0, 0, 0 };

	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	run_cases(&machine_model, dir, NULL, &t);
	random_steps(dir, &t);
	rounds(dir, &t);
	CHECK(&t, rmdir(dir) == 0); /* no file is left */
	return check_end(&t);
}
