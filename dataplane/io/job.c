#include "io/job.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/own.h"

#define JOB_THREADS_MAX 16

struct queue {
	struct job *head, **tail;
};

struct job_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct queue todo, finished;
	bool ending;
	unsigned nthreads;
	pthread_t threads[JOB_THREADS_MAX];
	struct loop_io wake; /* a pipe: the portable way into a loop */
	int wake_wr;
};

static void
push(struct queue *q, struct job *j)
{
	j->next = NULL;
	*q->tail = j;
	q->tail = &j->next;
}

static struct job *
pop(struct queue *q)
{
	struct job *j = q->head;

	if (j != NULL && (q->head = j->next) == NULL)
		q->tail = &q->head;
	return j;
}

static void *
worker(void *arg)
{
	struct job_pool *p = arg;

	(void)pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job *j;
		bool first;

		while ((j = pop(&p->todo)) == NULL && !p->ending)
			(void)pthread_cond_wait(&p->more, &p->lock);
		if (p->ending)
			break;
		(void)pthread_mutex_unlock(&p->lock);
		j->work(j);
		(void)pthread_mutex_lock(&p->lock);
		first = p->finished.head == NULL;
		push(&p->finished, j);
		/* One byte is enough for all that the loop has not fetched. */
		if (first && write(p->wake_wr, "", 1) < 0)
			continue; /* full: it will wake up anyway */
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void
on_wake(struct loop_io *w, unsigned events)
{
	struct job_pool *p = container_of(w, struct job_pool, wake);
	struct job *j, *next;
	char drop[64];

	(void)events;
	while (read(w->fd, drop, sizeof(drop)) > 0)
		;
	(void)pthread_mutex_lock(&p->lock);
	j = p->finished.head;
	p->finished = (struct queue){ NULL, &p->finished.head };
	(void)pthread_mutex_unlock(&p->lock);
	for (; j != NULL; j = next) {
		next = j->next;
		j->done(j);
	}
}

struct job_pool *
job_pool_new(struct loop *l, unsigned nthreads, struct err *e)
{
	struct job_pool *p = calloc(1, sizeof(*p));
	sigset_t all, old;
	int fd[2];

	if (p == NULL || pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_sys(e, "job threads");
		free(p);
		return NULL;
	}
	p->todo.tail = &p->todo.head;
	p->finished.tail = &p->finished.head;
	p->wake.fd = fd[0];
	p->wake.on_ready = on_wake;
	p->wake_wr = fd[1];
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->more, NULL);
	loop_io_set(l, &p->wake, LOOP_READ);

	/* Signals belong to the loop's thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; p->nthreads < nthreads && p->nthreads < JOB_THREADS_MAX;
	     p->nthreads++)
		if (pthread_create(&p->threads[p->nthreads], NULL, worker, p) !=
		    0)
			break;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (p->nthreads == 0) {
		err_set(e, ERR_SYS, "job threads: none could be started");
		job_pool_free(p);
		return NULL;
	}
	return p;
}

void
job_pool_free(struct job_pool *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->ending = true;
	(void)pthread_cond_broadcast(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		(void)pthread_join(p->threads[i], NULL);
	loop_io_stop(&p->wake);
	(void)close(p->wake.fd);
	(void)close(p->wake_wr);
	free(p);
}

void
job_submit(struct job_pool *p, struct job *j)
{
	(void)pthread_mutex_lock(&p->lock);
	push(&p->todo, j);
	(void)pthread_cond_signal(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
}
