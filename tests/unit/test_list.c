/* Pages: every item once, in order, whatever the page size. */
#include "ctl/api/sandboxes_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "tests/t.h"

enum { N = 57 };

static void
times(void)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-21T02:29:08.123Z", 1795228148123 },
		{ "2026-11-21T02:29:08.123456789Z", 1795228148123 },
		{ "2026-11-21T03:29:08+01:00", 1795228148000 },
		{ "2026-11-21T03:29:08 01:00", 1795228148000 },
		{ "2026-11-20T21:29:08.5-05:00", 1795228148500 },
	};
	static const char *const bad[] = { "", "2026", "2026-11-21",
		"2026-13-01T00:00:00Z", "2026-11-21T25:00:00Z",
		"2026-11-21T00:00:00", "2026-11-21T00:00:00.Z",
		"2026-11-21T00:00:00Zx", "x2026-11-21T00:00:00Z" };
	char text[TIME_TEXT];
	struct err e;
	int64_t ms;

	for (size_t i = 0; i < countof(good); i++) {
		CHECK(time_parse(good[i].text, &ms, &e) == 0);
		CHECK(ms == good[i].ms);
	}
	for (size_t i = 0; i < countof(bad); i++)
		CHECK(time_parse(bad[i], &ms, &e) < 0);
	CHECK(strcmp(time_text(1795228148123, text),
		  "2026-11-21T02:29:08.123Z") == 0);
}

static void
tokens(void)
{
	static const char *const bad[] = { "!", "AAAA", "Zm9v", "X19fX19f",
		"====" };
	struct page_token t = { 1795228148123, "iabc", true }, back;
	char text[PAGE_TOKEN_TEXT];
	struct err e;

	CHECK(page_token_parse(page_token_text(&t, text), &back, &e) == 0);
	CHECK(back.ms == t.ms && back.ascending && strcmp(back.id, t.id) == 0);
	t.ascending = false;
	CHECK(page_token_parse(page_token_text(&t, text), &back, &e) == 0);
	CHECK(!back.ascending);
	CHECK(text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
				"stuvwxyz0123456789-_")] == '\0');
	for (size_t i = 0; i < countof(bad); i++)
		CHECK(page_token_parse(bad[i], &back, &e) < 0);
}

static void
pages(size_t size, bool ascending)
{
	static struct list_item v[N];
	static char ids[N][SPAWN_ID_MAX];
	struct page_token t = { .ascending = ascending };
	size_t seen = 0, from = 0;
	bool ordered = true;

	for (size_t i = 0; i < N; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "i%zu", i * 7919 % 97);
		/* Many began in the same millisecond. */
		v[i] = (struct list_item){ (int64_t)(i % 5), ids[i], NULL };
	}
	while (from < N) {
		char text[PAGE_TOKEN_TEXT];
		size_t n;
		struct err e;

		list_sort(v, N, ascending); /* each request anew */
		from = seen == 0 ? 0 : list_after(v, N, &t);
		CHECK(from == seen);
		n = N - from < size ? N - from : size;
		for (size_t i = from + 1; i < from + n; i++)
			ordered =
			    ordered &&
			    (ascending
				    ? v[i].started_ms >= v[i - 1].started_ms
				    : v[i].started_ms <= v[i - 1].started_ms);
		seen += n;
		from += n;
		if (n == 0)
			break;
		t = (struct page_token){ .ms = v[from - 1].started_ms,
			.ascending = ascending };
		(void)snprintf(t.id, sizeof(t.id), "%s", v[from - 1].id);
		CHECK(page_token_parse(page_token_text(&t, text), &t, &e) == 0);
	}
	CHECK(seen == N && ordered);
}

int
main(void)
{
	times();
	tokens();
	for (size_t size = 1; size < N + 2; size += 9) {
		pages(size, true);
		pages(size, false);
	}
	return t_end();
}
