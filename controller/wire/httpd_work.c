/* SPDX-License-Identifier: Apache-2.0
 * The workers that run handlers: a bounded queue, one lock, one signal a request. */
#include "base/mem.h"
#include "wire/httpd_priv.h"

void httpd_work_init(struct httpd_work *w, const char *name, int workers,
                     void (*run)(struct httpd_req *r))
{
    *w = (struct httpd_work){
        .max = workers, .queue_max = workers * HTTPD_QUEUE_PER_WORKER, .run = run};
    (void)snprintf(w->name, sizeof(w->name), "%.10s-work", name);
    w->tail = &w->head;
    w->threads = fl_calloc((size_t)workers, sizeof(*w->threads));
    fl_lock_init(&w->lock, "httpd work", FL_RANK_WIRE);
    fl_cond_init(&w->some);
}

static struct httpd_req *work_take(struct httpd_work *w)
{
    struct httpd_req *r;

    fl_lock_scope(&w->lock);
    while (!w->head && !w->ending) {
        w->idle++;
        fl_cond_wait(&w->some, &w->lock);
        w->idle--;
    }
    r = w->head;
    if (w->ending || !r) {
        return NULL;
    }
    w->head = r->next;
    if (!w->head) {
        w->tail = &w->head;
    }
    w->queued--;
    return r;
}

static void *work_main(void *arg)
{
    struct httpd_work *w = arg;
    struct httpd_req *r;

    while ((r = work_take(w)) != NULL) {
        w->run(r);
    }
    return NULL;
}

bool httpd_work_add(struct httpd_work *w, struct httpd_req *r)
{
    fl_lock_scope(&w->lock);
    if (w->ending || w->queued >= w->queue_max) {
        return false;
    }
    r->next = NULL;
    *w->tail = r;
    w->tail = &r->next;
    w->queued++;
    /* More waiting than idle ones will take: those signalled before may not have woken yet. */
    if (w->queued > w->idle && w->started < w->max) {
        fl_thread_start(&w->threads[w->started++], w->name, work_main, w);
    } else {
        fl_cond_signal(&w->some);
    }
    return true;
}

struct httpd_req *httpd_work_end(struct httpd_work *w)
{
    struct httpd_req *left;

    fl_lock_take(&w->lock);
    w->ending = true;
    left = w->head;
    w->head = NULL;
    w->tail = &w->head;
    w->queued = 0;
    fl_cond_broadcast(&w->some);
    fl_lock_drop(&w->lock);
    for (int i = 0; i < w->started; i++) {
        pthread_join(w->threads[i], NULL);
    }
    w->started = 0;
    return left;
}

void httpd_work_release(struct httpd_work *w)
{
    fl_cond_destroy(&w->some);
    fl_lock_destroy(&w->lock);
    fl_free(w->threads);
}
