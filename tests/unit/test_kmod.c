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
 * Mappings that stay behind are seen by a limit that has no room for them,
 * since no portable call counts them: 32 MiB or a little more, where the
 * rounds map 64 in all. A program under a sanitizer has more than any limit
 * from the start, and gets none.
 */
static void
leave_little_room(const struct rlimit *was)
{
	const size_t room = (size_t)32 << 20;
	struct rlimit tight = *was;
	void *p = MAP_FAILED;

	for (rlim_t most = room; p == MAP_FAILED && most <= 64 * (rlim_t)room;
	     most += room / 2) {
		tight.rlim_cur = most;
		if (setrlimit(RLIMIT_AS, &tight) == 0)
			p = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANON,
			    -1, 0);
	}
	if (p != MAP_FAILED)
		(void)munmap(p, room);
	else
		(void)setrlimit(RLIMIT_AS, was);
}

static void
rounds(const char *dir, struct tally *t)
{
	struct rlimit was;

	CHECK(t, getrlimit(RLIMIT_AS, &was) == 0);
	leave_little_room(&was);
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
