/* SPDX-License-Identifier: Apache-2.0
 * Pages of health, and what is said and logged while the disk takes no writes. */
#include "harness.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "apiserver/store_priv.h"
#include "base/log.h"

static void test_health__pages_name_their_checks(void **state)
{
    static const struct row rows[] = {
        {"health", "GET", "/healthz", .status = 200, .want = {"ok"}, .not = "ping"},
        {"liveness", "GET", "/livez", .status = 200, .want = {"ok"}},
        {"liveness, told", "GET", "/livez?verbose", .status = 200,
         .want = {"[+]ping ok\nlivez check passed\n"}, .not = "store"},
        {"readiness, told", "GET", "/readyz?verbose", .status = 200,
         .want = {"[+]ping ok\n[+]store ok\nreadyz check passed\n"}},
        {"one check", "GET", "/healthz/ping", .status = 200, .want = {"ok"}},
        {"one check of readiness", "GET", "/readyz/store", .status = 200, .want = {"ok"}},
        {"no check of liveness", "GET", "/livez/store", .status = 404},
        {"no such check", "GET", "/healthz/zz", .status = 404},
        {"only its head", "HEAD", "/healthz", .status = 200},
        {"another method", "POST", "/healthz", .status = 405, .want = {"MethodNotAllowed"}},
    };
    API_ROWS(*state, rows);
}

/* ---- a disk that takes no more ---- */

struct lines {
    int errors, infos;
    char last[2048];
};

static void keep_line(void *arg, struct fl_str line)
{
    struct lines *l = arg;
    (void)snprintf(l->last, sizeof(l->last), "%.*s", FL_STR_ARG(line));
    l->errors += strstr(l->last, "level=error") != NULL;
    l->infos += strstr(l->last, "level=info") != NULL;
}

/* arg: the statement; it answers with a row. */
static int pragma_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, arg, err);
    return st ? fl_stmt_run(st, err) : (int)err->code;
}

static void set_pages(struct api *a, bool full)
{
    static char none[] = "PRAGMA max_page_count=1", many[] = "PRAGMA max_page_count=1000000";
    struct fl_err err = FL_ERR_INIT;
    if (fl_db_write(a->s->store->db, pragma_fn, NULL, full ? none : many, &err) != 0) {
        fail_msg("%s", err.msg);
    }
}

/* No file may grow beyond what the log of the database holds now. */
static void set_file_size(struct api *a, bool full)
{
    fl_auto_text wal = fl_asprintf("%s/fairlead.db-wal", a->dir);
    struct rlimit l;
    struct stat st;
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
    (void)signal(SIGXFSZ, full ? SIG_IGN : SIG_DFL);
    l.rlim_cur = full ? (rlim_t)st.st_size : l.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static const struct disk_row {
    const char *name;
    void (*set)(struct api *a, bool full);
    const char *reason, *words, *advice;
} disk_rows[] = {
    {"no page is left", set_pages, "StoreFull", "database or disk is full", "make room"},
    {"no file can grow", set_file_size, "StoreUnavailable", "disk I/O error", "look at the disk"},
};

static int ask_status(struct api *a, const struct ask *q, char *text, size_t size)
{
    struct reply r = api_ask(a, q);
    int status = r.res.status;
    (void)snprintf(text, size, "%.*s", FL_STR_ARG(r.text));
    reply_release(&r);
    return status;
}

static int get(struct api *a, const char *path, char *text, size_t size)
{
    return ask_status(a, &(struct ask){.method = "GET", .path = path}, text, size);
}

static int create(struct api *a, char *text, size_t size)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "{\"metadata\":{\"generateName\":\"big-\"},\"data\":{\"v\":\"");
    for (int i = 0; i < 40000; i++) {
        fl_buf_char(&b, 'x');
    }
    fl_buf_text(&b, "\"}}");
    return ask_status(
        a,
        &(struct ask){
            .method = "POST", .path = P_CM, .type = "application/json", .body = fl_buf_slice(&b)},
        text, size);
}

static void want(const struct disk_row *w, const char *what, bool ok, const char *text)
{
    if (!ok) {
        fail_msg("%s: %s: %s", w->name, what, text);
    }
}

/* Full, and looked at three times. */
static void try_full(struct api *a, const struct disk_row *w, struct lines *l)
{
    char text[4096], line[128];
    (void)snprintf(line, sizeof(line), "[-]store failed: store: %s\nreadyz check failed\n",
                   w->words);
    want(w, "a write is refused", create(a, text, sizeof(text)) == 503, text);
    want(w, "readiness fails", get(a, "/readyz", text, sizeof(text)) == 500, text);
    want(w, "with the check's name and why", strstr(text, line) != NULL, text);
    want(w, "the check fails", get(a, "/readyz/store", text, sizeof(text)) == 500, text);
    want(w, "with why", strstr(text, w->words) != NULL, text);
    want(w, "liveness stays", get(a, "/livez", text, sizeof(text)) == 200, text);
    want(w, "reading stays", get(a, P_CM, text, sizeof(text)) == 200, text);
    for (int i = 0; i < 3; i++) {
        fl_apiserver_watch_disk(a->s);
    }
    want(w, "one error is logged", l->errors == 1 && l->infos == 0, l->last);
    want(w, "with the path", strstr(l->last, "/fairlead.db") != NULL, l->last);
    want(w, "with the reason", strstr(l->last, w->reason) != NULL, l->last);
    want(w, "with what to do", strstr(l->last, w->advice) != NULL, l->last);
    want(w, "readiness still fails", get(a, "/readyz", text, sizeof(text)) == 500, text);
}

/* There is room again, and nobody writes. */
static void try_again(struct api *a, const struct disk_row *w, struct lines *l)
{
    char text[4096];
    for (int i = 0; i < 3; i++) {
        fl_apiserver_watch_disk(a->s);
    }
    want(w, "the end is logged", l->errors == 1 && l->infos == 1, l->last);
    want(w, "it is ready", get(a, "/readyz", text, sizeof(text)) == 200, text);
    want(w, "a write is taken", create(a, text, sizeof(text)) == 201, text);
}

static void test_health__full_disk_is_told_and_its_end_noticed(void **state)
{
    struct api *a = *state;
    for (size_t i = 0; i < FL_LEN(disk_rows); i++) {
        const struct disk_row *w = &disk_rows[i];
        struct lines l = {0};
        fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
        fl_log_sink(keep_line, &l);
        w->set(a, true);
        try_full(a, w, &l);
        w->set(a, false);
        try_again(a, w, &l);
        fl_log_sink(NULL, NULL);
    }
}

/* Writes that need no room succeed in between: that alone is not the end. */
static void test_health__small_write_ends_no_full_disk(void **state)
{
    static const struct row small = {"a small change", "PATCH",
                                     P_NS "/default",  .body = "{'metadata':{'labels':{'a':'1'}}}",
                                     .type = MERGE,    .status = 200};
    struct api *a = *state;
    char text[4096];
    set_pages(a, true);
    assert_int_equal(create(a, text, sizeof(text)), 503);
    api_row(a, &small);
    assert_int_equal(get(a, "/readyz", text, sizeof(text)), 500);
    set_pages(a, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_health__pages_name_their_checks),
        API_TEST(test_health__full_disk_is_told_and_its_end_noticed),
        API_TEST(test_health__small_write_ends_no_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
