/* io/job.h - slow work in a few threads, answered in the loop. */
#ifndef IO_JOB_H
#define IO_JOB_H

#include "base/err.h"
#include "io/loop.h"

struct job {
	void (*work)(struct job *j); /* pool thread: sees only its own struct */
	void (*done)(struct job *j); /* loop thread: owns the struct again */
	struct job *next;
};

struct job_pool;

struct job_pool *job_pool_new(struct loop *l, unsigned nthreads, struct err *e);
/* Waits for what is running; jobs that have not begun are not run. */
void job_pool_free(struct job_pool *p);
void job_submit(struct job_pool *p, struct job *j);

#endif
