/*
 * memseg [-m model|vmm] DIR [cases [NAME] | random [SEED [STEPS]] |
 *     rounds [N] | costs | unmount]
 *
 * The tests of memory that a file backs, with files in DIR, on the model and
 * on this kernel's vmm, or on one of them. Without a word: cases, random and
 * rounds. costs prints a table; unmount takes the file system away. As root.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel_test.h"
#include "machine_vmm.h"

#define ROUNDS 1000
#define STEPS  2000
#define SEEDS  4

struct job {
	const struct machine_ops *ops;
	const char *dir, *what, *arg, *more;
	struct tally t;
};

static bool
asked(const struct job *j, const char *what)
{
	return j->what == NULL || strcmp(j->what, what) == 0;
}

static void
cases(struct job *j)
{
	run_cases(j->ops, j->dir, j->arg, &j->t);
	if (j->ops == &machine_vmm)
		run_kernel_cases(j->dir, j->arg, &j->t);
}

static void
steps(struct job *j)
{
	unsigned n = j->more == NULL ? STEPS : (unsigned)atoi(j->more);

	if (j->arg != NULL) {
		run_random(j->ops, j->dir, strtoull(j->arg, NULL, 0), n, &j->t);
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_random(j->ops, j->dir, seed, n, &j->t);
	run_random(j->ops, j->dir,
	    (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid(), n, &j->t);
}

static void
rounds(struct job *j)
{
	unsigned n = j->arg == NULL ? ROUNDS : (unsigned)atoi(j->arg);
	const struct meter *kernel;
	struct meter all[16] = { meter_descriptors };
	size_t more = j->ops == &machine_vmm ? kernel_meters(&kernel) : 0;

	for (size_t i = 0; i < more; i++)
		all[1 + i] = kernel[i];
	run_rounds(j->ops, j->dir, n, all, 1 + more, &j->t);
}

static void
run(struct job *j)
{
	printf("# %s, files in %s\n", j->ops->name, j->dir);
	if (asked(j, "cases"))
		cases(j);
	if (asked(j, "random"))
		steps(j);
	if (asked(j, "rounds"))
		rounds(j);
	if (j->what != NULL && asked(j, "costs"))
		run_costs(j->ops, j->dir, &j->t);
	if (j->ops == &machine_vmm && j->what != NULL && asked(j, "unmount"))
		run_unmount(j->dir, &j->t);
}

static int
usage(void)
{
	(void)fprintf(stderr,
	    "usage: memseg [-m model|vmm] DIR [cases [NAME] | "
	    "random [SEED [STEPS]] | rounds [N] | costs | unmount]\n");
	return 2;
}

int
main(int argc, char **argv)
{
	const char *only = NULL, *missing;
	struct job j = { .ops = NULL };
	int c;

	while ((c = getopt(argc, argv, "m:")) != -1) {
		if (c != 'm')
			return usage();
		only = optarg;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 4)
		return usage();
	j.dir = argv[0];
	j.what = argc > 1 ? argv[1] : NULL;
	j.arg = argc > 2 ? argv[2] : NULL;
	j.more = argc > 3 ? argv[3] : NULL;
	if (only == NULL || strcmp(only, "model") == 0) {
		j.ops = &machine_model;
		run(&j);
	}
	if (only == NULL || strcmp(only, "vmm") == 0) {
		missing = vmm_missing();
		if (missing != NULL) {
			printf("%s\n", missing);
			return 77;
		}
		j.ops = &machine_vmm;
		run(&j);
	}
	if (j.ops == NULL)
		return usage();
	return check_end(&j.t);
}
