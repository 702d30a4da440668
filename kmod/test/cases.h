/* cases - what the table of cases.c names. */
#ifndef COP_KMOD_CASES_H
#define COP_KMOD_CASES_H

#include "world.h"

/* cases_errors.c */
void case_request_einval(struct world *w);
void case_eexist(struct world *w);
void case_ebadf(struct world *w);
void case_eacces(struct world *w);
void case_enodev(struct world *w);
void case_etxtbsy(struct world *w);
void case_short_file(struct world *w);
void case_two_errors(struct world *w);
void case_wired(struct world *w);

/* cases_map.c */
void case_map_errors(struct world *w);
void case_no_memory_there(struct world *w);
void case_map_again(struct world *w);
void case_two_maps(struct world *w);
void case_one_page_twice(struct world *w);
void case_reinit(struct world *w);
void case_plain_beside(struct world *w);

/* cases_views.c */
void case_reads(struct world *w);
void case_views_see_writes(struct world *w);
void case_views_across_pages(struct world *w);
void case_host_reopened(struct world *w);
void case_host_outlives_map(struct world *w);
void case_view_in_child(struct world *w);

/* cases_race.c */
void case_race_views(struct world *w);
void case_race_text(struct world *w);

/* cases_neighbours.c */
void case_neighbours_race(struct world *w);

/* cases_files.c */
void case_two_machines(struct world *w);
void case_many_machines(struct world *w);
void case_written_everywhere(struct world *w);
void case_offset(struct world *w);
void case_two_segments(struct world *w);
void case_last_page(struct world *w);
void case_holes(struct world *w);
void case_unlinked(struct world *w);
void case_descriptor_closed(struct world *w);
void case_renamed_over(struct world *w);
void case_busy_text(struct world *w);
void case_busy_until_last(struct world *w);

#endif
