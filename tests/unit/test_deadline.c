/* Due in order, moved and taken out anywhere; time is a number here. */
#include "ctl/sandbox/deadline.h"

#include <stdlib.h>

#include "tests/t.h"

enum { N = 300 };

static struct mono
at(uint64_t ms)
{
	return (struct mono){ ms * 1000000 };
}

static void
in_order(void)
{
	struct deadlines h = { 0 };
	struct deadline d[3] = { { .at = 0 } };
	struct mono first;
	struct err e;

	CHECK(deadline_due(&h, at(1000)) == NULL);
	CHECK(!deadline_first(&h, &first));
	CHECK(deadline_set(&h, &d[0], at(30), &e) == 0);
	CHECK(deadline_set(&h, &d[1], at(10), &e) == 0);
	CHECK(deadline_set(&h, &d[2], at(20), &e) == 0);
	CHECK(deadline_first(&h, &first) && first.ns == at(10).ns);
	CHECK(deadline_due(&h, at(9)) == NULL);
	CHECK(deadline_due(&h, at(10)) == &d[1]);
	CHECK(d[1].at == 0);
	/* Later, and earlier again. */
	CHECK(deadline_set(&h, &d[2], at(50), &e) == 0);
	CHECK(deadline_due(&h, at(40)) == &d[0]);
	CHECK(deadline_set(&h, &d[2], at(5), &e) == 0);
	CHECK(deadline_due(&h, at(5)) == &d[2]);
	CHECK(deadline_due(&h, at(1000)) == NULL);
	deadline_clear(&h, &d[2]);
	CHECK(h.n == 0);
	deadlines_fini(&h);
}

/* Against the slow way: look at all of them. */
static void
at_random(void)
{
	struct deadlines h = { 0 };
	static struct deadline d[N];
	struct err e;
	uint64_t now = 0;
	int good = 1;

	srand(11);
	for (int round = 0; round < 20000; round++) {
		struct deadline *x = &d[rand() % N], *due, *first = NULL;

		switch (rand() % 3) {
		case 0:
			good &=
			    deadline_set(&h, x,
				at(now + (uint64_t)(rand() % 500)), &e) == 0;
			break;
		case 1:
			deadline_clear(&h, x);
			break;
		default:
			now += (uint64_t)(rand() % 5);
			for (int i = 0; i < N; i++)
				if (d[i].at != 0 &&
				    (first == NULL ||
					d[i].when.ns < first->when.ns))
					first = &d[i];
			if (first != NULL && first->when.ns > at(now).ns)
				first = NULL;
			due = deadline_due(&h, at(now));
			good &= (due == NULL) == (first == NULL);
			good &= due == NULL || due->when.ns == first->when.ns;
		}
	}
	CHECK(good);
	for (size_t i = 2; i <= h.n; i++)
		good &= h.v[i / 2]->when.ns <= h.v[i]->when.ns;
	CHECK(good);
	deadlines_fini(&h);
}

int
main(void)
{
	in_order();
	at_random();
	return t_end();
}
