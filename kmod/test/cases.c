/* The cases, and how they are run: each with a golden file of its own. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "memseg_test.h"

static const struct kcase cases[] = {
	{ "request-einval", case_request_einval, NULL },
	{ "eexist", case_eexist, NULL },
	{ "ebadf", case_ebadf, NULL },
	{ "eacces", case_eacces, NULL },
	{ "enodev", case_enodev, NULL },
	{ "etxtbsy", case_etxtbsy, NULL },
	{ "short-file", case_short_file, NULL },
	{ "two-errors", case_two_errors, NULL },
	{ "wired", case_wired, NULL },
	{ "map-errors", case_map_errors, NULL },
	{ "no-memory-there", case_no_memory_there, NULL },
	{ "reads", case_reads, NULL },
	{ "views-see-writes", case_views_see_writes, NULL },
	{ "views-across-pages", case_views_across_pages, NULL },
	{ "host-reopened", case_host_reopened, NULL },
	{ "host-outlives-map", case_host_outlives_map, NULL },
	{ "map-again", case_map_again, NULL },
	{ "two-maps", case_two_maps, NULL },
	{ "one-page-twice", case_one_page_twice, NULL },
	{ "reinit", case_reinit, NULL },
	{ "plain-beside", case_plain_beside, NULL },
	{ "view-in-child", case_view_in_child, "fork(2) copies the model" },
	{ "race-views", case_race_views, "both views are one mapping" },
	{ "race-text", case_race_text, "its texts are for one thread" },
	{ "neighbours-race", case_neighbours_race, NULL },
	{ "two-machines", case_two_machines, NULL },
	{ "many-machines", case_many_machines, NULL },
	{ "written-everywhere", case_written_everywhere, NULL },
	{ "offset", case_offset, NULL },
	{ "two-segments", case_two_segments, NULL },
	{ "last-page", case_last_page, NULL },
	{ "holes", case_holes, NULL },
	{ "unlinked", case_unlinked, NULL },
	{ "descriptor-closed", case_descriptor_closed, NULL },
	{ "renamed-over", case_renamed_over, NULL },
	{ "busy-text", case_busy_text, NULL },
	{ "busy-until-last", case_busy_until_last, NULL },
};

static void
run_case(const struct machine_ops *ops, const char *dir, const struct kcase *c,
    struct tally *t)
{
	unsigned failed = t->failed;
	struct world w;

	if (world_open(&w, ops, dir, t)) {
		c->run(&w);
		world_close(&w);
	}
	printf("%s %s: %s\n", t->failed == failed ? "ok" : "FAILED", ops->name,
	    c->name);
	(void)fflush(stdout);
}

void
run_table(const struct machine_ops *ops, const char *dir, const char *only,
    const struct kcase *table, size_t n, struct tally *t)
{
	for (size_t i = 0; i < n; i++) {
		const struct kcase *c = &table[i];

		if (only != NULL && strcmp(only, c->name) != 0)
			continue;
		if (c->not_on_model == NULL || ops != &machine_model) {
			run_case(ops, dir, c, t);
			continue;
		}
		printf(
		    "skip %s: %s: %s\n", ops->name, c->name, c->not_on_model);
		t->skipped++;
	}
}

void
run_cases(const struct machine_ops *ops, const char *dir, const char *only,
    struct tally *t)
{
	run_table(ops, dir, only, cases, sizeof(cases) / sizeof(*cases), t);
}
