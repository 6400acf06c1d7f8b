/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/mem.h"
#include "wire/db.h"
#include "wire/file.h"

#define INSERT "INSERT INTO t(id, body) VALUES(?1, ?2)"

static const char *const schema[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    NULL,
};

/* ---- a folder for each test ---- */

static int make_folder(void **state)
{
    char *dir = fl_strdup("/tmp/fl-db-XXXXXX");

    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char *dir = *state;
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        fl_auto_text path = fl_asprintf("%s/%s", dir, e->d_name);

        (void)unlink(path);
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(dir);
    fl_free(dir);
    return 0;
}

static struct fl_db *open_db(const char *dir, const char *const *migrations)
{
    fl_auto_text path = fl_asprintf("%s/db", dir);
    struct fl_db_conf conf = {.path = path, .migrations = migrations};
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = NULL;

    if (fl_db_open(&conf, &db, &err) != 0) {
        fail_msg("open: %s", err.msg);
    }
    return db;
}

/* ---- callbacks ---- */

struct row {
    int64_t id;
    struct fl_str body;
};

static int put_row(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    const struct row *r = arg;
    struct fl_stmt *s = fl_stmt_get(c, INSERT, err);

    if (!s) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(s, 1, r->id);
    fl_stmt_bind_blob(s, 2, r->body);
    return fl_stmt_run(s, err);
}

static int put(struct fl_db *db, int64_t id, const char *body, struct fl_err *err)
{
    struct row r = {id, fl_str_of(body)};

    return fl_db_write(db, put_row, NULL, &r, err);
}

static int put_then_refuse(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    int rc = put_row(c, arg, err);

    return rc ? rc : fl_fail(err, FL_E_CONFLICT, "Refused", "refused by the test");
}

static int64_t count_on(struct fl_db_conn *c)
{
    struct fl_stmt *s = fl_stmt_get(c, "SELECT count(*) FROM t", NULL);

    assert_non_null(s);
    assert_int_equal(fl_stmt_step(s, NULL), 1);
    return fl_stmt_i64(s, 0);
}

static int count_rows(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    (void)err;
    *(int64_t *)arg = count_on(c);
    return 0;
}

static int64_t count(struct fl_db *db)
{
    int64_t n = -1;

    assert_int_equal(fl_db_read(db, count_rows, &n, NULL), 0);
    return n;
}

static int has_row(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "SELECT 1 FROM t WHERE id=?1", err);

    fl_stmt_bind_i64(s, 1, *(int64_t *)arg);
    return fl_stmt_step(s, err) == 1 ? 0 : fl_fail(err, FL_E_NOT_FOUND, "NotFound", "no row");
}

static bool has(struct fl_db *db, int64_t id)
{
    return fl_db_read(db, has_row, &id, NULL) == 0;
}

static int check_file(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "PRAGMA integrity_check", err);

    (void)arg;
    assert_int_equal(fl_stmt_step(s, err), 1);
    return fl_str_is(fl_stmt_str(s, 0), "ok") ? 0 : -1;
}

static int fill(struct fl_db *db, int64_t from, size_t bytes, struct fl_err *err)
{
    fl_auto_text body = fl_malloc(bytes + 1);
    int rc = 0;

    memset(body, 'x', bytes);
    body[bytes] = '\0';
    for (int64_t id = from; id < from + 1000 && rc == 0; id++) {
        rc = put(db, id, body, err);
    }
    return rc;
}

/* ---- open ---- */

static void test_db__write_then_read_and_open_again_finds_it(void **state)
{
    fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(*state, schema);
    struct stat st;

    assert_int_equal(put(db, 1, "one", &err), 0);
    assert_int_equal(count(db), 1);
    assert_int_equal(fl_db_queued(db), 0);
    fl_db_close(db);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    db = open_db(*state, schema);
    assert_true(has(db, 1));
    assert_int_equal(fl_db_size_bytes(db), st.st_size);
    assert_int_equal(st.st_size % 8192, 0);
    fl_db_close(db);
    fl_db_close(NULL);
}

static void test_db__held_writes_are_there_after_settling_and_without(void **state)
{
    static const struct {
        const char *name;
        bool settle;
    } rows[] = {{"settled", true}, {"closed before it was", false}};
    fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
    struct fl_db_conf conf = {.path = path, .migrations = schema, .hold = true};
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = NULL;

    for (int64_t i = 0; i < (int64_t)FL_LEN(rows); i++) {
        assert_int_equal(fl_db_open(&conf, &db, &err), 0);
        assert_int_equal(put(db, 2 * i, "held", &err), 0);
        if (rows[i].settle) {
            assert_int_equal(fl_db_settle(db, &err), 0);
            assert_int_equal(put(db, 2 * i + 1, "after it", &err), 0);
        }
        fl_db_close(db);
        db = open_db(*state, schema);
        if (!has(db, 2 * i) || has(db, 2 * i + 1) != rows[i].settle) {
            fail_msg("%s: rows are missing", rows[i].name);
        }
        fl_db_close(db);
    }
}

/* An end while the first file was made leaves it under another name. */
static void test_db__half_made_file_is_made_again(void **state)
{
    fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
    fl_auto_text fresh = fl_asprintf("%s/db.new", (char *)*state);
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db;

    assert_int_equal(fl_file_create(fresh, FL_STR("rubbish"), &err), 0);
    db = open_db(*state, schema);
    assert_int_equal(put(db, 1, "one", &err), 0);
    assert_int_equal(access(fresh, F_OK), -1);
    assert_int_equal(access(path, F_OK), 0);
    fl_db_close(db);
}

static void test_db__bad_places_are_refused_in_words(void **state)
{
    const char *dir = *state;
    fl_auto_text text = fl_asprintf("%s/text", dir);
    fl_auto_text below = fl_asprintf("%s/text/db", dir);
    fl_auto_text missing = fl_asprintf("%s/none/db", dir);
    fl_auto_text sub = fl_asprintf("%s/sub", dir);
    fl_auto_text locked = fl_asprintf("%s/locked", dir);
    fl_auto_text in_locked = fl_asprintf("%s/locked/db", dir);
    const struct {
        const char *name, *path;
        enum fl_code want;
        const char *words;
        bool not_root;
    } rows[] = {
        {"not a database", text, FL_E_BAD_DATA, "file is not a database", false},
        {"below a file", below, FL_E_UNAVAILABLE, "Not a directory", false},
        {"no such folder", missing, FL_E_UNAVAILABLE, "No such file or directory", false},
        {"a folder", sub, FL_E_UNAVAILABLE, "unable to open database file", false},
        {"where nothing can be made", "/proc/fl-db", FL_E_UNAVAILABLE, "cannot create", false},
        {"read-only folder", in_locked, FL_E_UNAVAILABLE, "Permission denied", true},
    };

    assert_int_equal(fl_file_create(text,
                                    FL_STR("This is a text of more than sixteen bytes, "
                                           "and no database at all.\n"),
                                    NULL),
                     0);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(mkdir(locked, 0500), 0);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_db_conf conf = {.path = rows[i].path, .migrations = schema};
        struct fl_err err = FL_ERR_INIT;
        struct fl_db *db = NULL;

        if (rows[i].not_root && geteuid() == 0) {
            print_message("%s: left out, root may write everywhere\n", rows[i].name);
            continue;
        }
        if (fl_db_open(&conf, &db, &err) != rows[i].want || db || err.code != rows[i].want ||
            !strstr(err.msg, rows[i].words)) {
            fail_msg("%s: got %s: %s", rows[i].name, fl_code_name(err.code), err.msg);
        }
    }
    (void)rmdir(sub);
    (void)rmdir(locked);
}

static void test_db__second_open_is_refused_with_the_process(void **state)
{
    fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
    fl_auto_text want = fl_asprintf("%s: in use by process %lld", path, (long long)getpid());
    struct fl_db_conf conf = {.path = path, .migrations = schema};
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(*state, schema);
    struct fl_db *other = NULL;

    assert_int_equal(fl_db_open(&conf, &other, &err), FL_E_EXISTS);
    assert_string_equal(err.msg, want);
    assert_null(other);
    assert_int_equal(put(db, 1, "still works", &err), 0);
    fl_db_close(db);
    db = open_db(*state, schema);
    fl_db_close(db);
}

static void test_db__migrations_apply_once_and_whole(void **state)
{
    static const char *const second[] = {
        "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        "CREATE TABLE u(id INTEGER PRIMARY KEY); INSERT INTO u(id) SELECT id FROM t",
        NULL,
    };
    static const char *const broken[] = {
        "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        "DELETE FROM t; INSERT INTO nowhere VALUES(1)",
        NULL,
    };
    fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
    struct fl_db_conf conf = {.path = path, .migrations = broken};
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(*state, schema);

    assert_int_equal(put(db, 7, "seven", &err), 0);
    fl_db_close(db);
    db = NULL;
    assert_int_equal(fl_db_open(&conf, &db, &err), FL_E_BUG);
    assert_non_null(strstr(err.msg, "no such table: nowhere"));
    db = open_db(*state, second);
    assert_true(has(db, 7));
    fl_db_close(db);
    db = open_db(*state, second);
    fl_db_close(db);
    db = NULL;
    conf.migrations = schema;
    assert_int_equal(fl_db_open(&conf, &db, &err), FL_E_INVALID);
    assert_string_equal(err.reason, "NewerVersion");
    assert_non_null(strstr(err.msg, "newer version of Fairlead (format 2, this program knows up "
                                    "to 1)"));
    assert_null(db);
}

/* ---- statements ---- */

static int all_types(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "SELECT ?1, ?2, ?3, ?4, ?5, ?6", err);

    (void)arg;
    fl_stmt_bind_i64(s, 1, INT64_MIN);
    fl_stmt_bind_str(s, 2, (struct fl_str){NULL, 0});
    fl_stmt_bind_blob(s, 3, FL_STR("a\0b"));
    fl_stmt_bind_null(s, 4);
    fl_stmt_bind_str(s, 5, FL_STR("c\0d"));
    fl_stmt_bind_blob(s, 6, (struct fl_str){NULL, 0});
    assert_int_equal(fl_stmt_step(s, err), 1);
    assert_true(fl_stmt_i64(s, 0) == INT64_MIN);
    assert_false(fl_stmt_is_null(s, 1));
    assert_int_equal(fl_stmt_str(s, 1).n, 0);
    assert_true(fl_str_eq(fl_stmt_str(s, 2), FL_STR("a\0b")));
    assert_true(fl_stmt_is_null(s, 3));
    assert_true(fl_str_eq(fl_stmt_str(s, 4), FL_STR("c\0d")));
    assert_false(fl_stmt_is_null(s, 5));
    assert_int_equal(fl_stmt_step(s, err), 0);
    return 0;
}

static int get_twice(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    static const char sql[] = "SELECT ?1";
    struct fl_stmt *s = fl_stmt_get(c, sql, err);

    (void)arg;
    fl_stmt_bind_i64(s, 1, 5);
    assert_int_equal(fl_stmt_step(s, err), 1);
    assert_ptr_equal(fl_stmt_get(c, sql, err), s);
    assert_int_equal(fl_stmt_step(s, err), 1);
    assert_true(fl_stmt_is_null(s, 0));
    return 0;
}

static int bind_nowhere(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "SELECT ?1", err);

    (void)arg;
    fl_stmt_bind_i64(s, 2, 5);
    return fl_stmt_step(s, err);
}

static int bad_sql(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    (void)arg;
    return fl_stmt_get(c, "SELECT x FROM nowhere", err) ? 0 : (int)err->code;
}

static void test_db__statements_carry_all_types_and_report_misuse(void **state)
{
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(*state, schema);
    struct row r = {1, FL_STR("x")};

    assert_int_equal(fl_db_read(db, all_types, NULL, &err), 0);
    assert_int_equal(fl_db_read(db, get_twice, NULL, &err), 0);
    assert_int_equal(fl_db_read(db, bind_nowhere, NULL, &err), FL_E_BUG);
    assert_int_equal(fl_db_read(db, bad_sql, NULL, &err), FL_E_BUG);
    assert_string_equal(err.msg, "prepare: no such table: nowhere");
    assert_int_equal(fl_db_read(db, put_row, &r, &err), FL_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "readonly"));
    assert_int_equal(count(db), 0);
    fl_db_close(db);
}

static int many_statements(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    /* Each has an address of its own, as literals have. */
    static char sql[200][24];

    (void)arg;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) {
            struct fl_stmt *s;

            (void)snprintf(sql[i], sizeof(sql[i]), "SELECT %d", i);
            s = fl_stmt_get(c, sql[i], err);
            assert_int_equal(fl_stmt_step(s, err), 1);
            assert_int_equal(fl_stmt_i64(s, 0), i);
        }
    }
    return 0;
}

static void test_db__statement_cache_grows(void **state)
{
    struct fl_db *db = open_db(*state, schema);

    assert_int_equal(fl_db_read(db, many_statements, NULL, NULL), 0);
    fl_db_close(db);
}

/* ---- one write, one read ---- */

static int update_and_count(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "UPDATE t SET body='new'", err);

    assert_int_equal(fl_stmt_run(s, err), 0);
    *(int *)arg = fl_db_changes(c);
    return 0;
}

static int left_in_mid_read(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "SELECT id FROM t", err);

    (void)arg;
    return fl_stmt_step(s, err) == 1 ? 0 : -1;
}

static void test_db__failing_write_alone_leaves_nothing(void **state)
{
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(*state, schema);
    struct row r = {1, FL_STR("x")};
    int changes = 0;

    assert_int_equal(fl_db_write(db, put_then_refuse, NULL, &r, &err), FL_E_CONFLICT);
    assert_string_equal(err.msg, "refused by the test");
    assert_int_equal(count(db), 0);
    assert_int_equal(put(db, 1, "a", &err), 0);
    assert_int_equal(put(db, 1, "b", &err), FL_E_EXISTS);
    assert_int_equal(put(db, 2, "b", NULL), 0);
    assert_int_equal(fl_db_write(db, update_and_count, NULL, &changes, &err), 0);
    assert_int_equal(changes, 2);
    assert_int_equal(fl_db_write(db, left_in_mid_read, NULL, NULL, &err), 0);
    assert_int_equal(fl_db_read(db, left_in_mid_read, NULL, &err), 0);
    assert_int_equal(put(db, 3, "c", &err), 0);
    assert_int_equal(count(db), 3);
    fl_db_close(db);
}

static int write_during_read(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    int64_t before = count_on(c);

    assert_int_equal(put(arg, 100, "x", err), 0);
    assert_int_equal(count(arg), before + 1);
    return count_on(c) == before ? 0 : -1;
}

static void test_db__read_sees_one_state_of_the_world(void **state)
{
    struct fl_db *db = open_db(*state, schema);

    assert_int_equal(put(db, 1, "x", NULL), 0);
    assert_int_equal(fl_db_read(db, write_during_read, db, NULL), 0);
    assert_int_equal(count(db), 2);
    fl_db_close(db);
}

/* ---- several at once ---- */

/* Holds the writer's thread until `open`, so that what comes meanwhile is one batch. */
struct gate {
    struct fl_lock lock;
    struct fl_cond changed;
    bool entered, open;
};

static int pass_gate(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct gate *g = arg;

    (void)c;
    (void)err;
    fl_lock_take(&g->lock);
    g->entered = true;
    fl_cond_broadcast(&g->changed);
    while (!g->open) {
        fl_cond_wait(&g->changed, &g->lock);
    }
    fl_lock_drop(&g->lock);
    return 0;
}

struct job {
    struct fl_db *db;
    int (*fn)(struct fl_db_conn *c, void *arg, struct fl_err *err);
    void *arg;
    int rc;
    struct fl_err err;
    int64_t id;
    int64_t seen_own, seen_committed; /* rows, by the writer and by a reader, when it ran */
    int *order;                       /* of commits, shared */
    int at;
    pthread_t thread;
};

static void job_committed(void *arg)
{
    struct job *j = arg;

    j->at = ++*j->order;
}

static int job_put(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct job *j = arg;
    struct row r = {j->id, FL_STR("x")};

    j->seen_own = count_on(c);
    j->seen_committed = count(j->db);
    return put_row(c, &r, err);
}

static int job_put_refuse(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    int rc = job_put(c, arg, err);

    return rc ? rc : fl_fail(err, FL_E_CONFLICT, "Refused", "refused by the test");
}

static void *job_main(void *arg)
{
    struct job *j = arg;

    j->rc =
        fl_db_write(j->db, j->fn, j->order ? job_committed : NULL, j->arg ? j->arg : j, &j->err);
    return NULL;
}

static void job_start(struct job *j)
{
    j->err = (struct fl_err)FL_ERR_INIT;
    fl_thread_start(&j->thread, "job", job_main, j);
}

static void gate_init(struct gate *g)
{
    *g = (struct gate){.entered = false};
    fl_lock_init(&g->lock, "gate", FL_RANK_CLOCK);
    fl_cond_init(&g->changed);
}

static void gate_await(struct gate *g)
{
    fl_lock_scope(&g->lock);
    while (!g->entered) {
        fl_cond_wait(&g->changed, &g->lock);
    }
}

static void gate_open(struct gate *g)
{
    fl_lock_scope(&g->lock);
    g->open = true;
    fl_cond_broadcast(&g->changed);
}

static void gate_release(struct gate *g)
{
    fl_cond_destroy(&g->changed);
    fl_lock_destroy(&g->lock);
}

static void await_queued(struct fl_db *db, size_t n)
{
    while (fl_db_queued(db) != n) {
        sched_yield();
    }
}

static void run_batch(struct fl_db *db, struct job *jobs, size_t n)
{
    struct gate gate;
    struct job holder = {.db = db, .fn = pass_gate, .arg = &gate};

    gate_init(&gate);
    job_start(&holder);
    gate_await(&gate);
    for (size_t i = 0; i < n; i++) {
        job_start(&jobs[i]);
        await_queued(db, i + 1);
    }
    gate_open(&gate);
    pthread_join(holder.thread, NULL);
    for (size_t i = 0; i < n; i++) {
        pthread_join(jobs[i].thread, NULL);
    }
    gate_release(&gate);
    assert_int_equal(holder.rc, 0);
}

static void test_db__batch_commits_once_in_order_and_failures_undo_their_own(void **state)
{
    struct fl_db *db = open_db(*state, schema);
    int order = 0;
    struct job jobs[] = {
        {.db = db, .fn = job_put, .id = 1, .order = &order},
        {.db = db, .fn = job_put_refuse, .id = 2, .order = &order},
        {.db = db, .fn = job_put, .id = 1, .order = &order},
        {.db = db, .fn = job_put, .id = 4, .order = &order},
        {.db = db, .fn = job_put, .id = 5, .order = &order},
    };
    const int want_rc[] = {0, FL_E_CONFLICT, FL_E_EXISTS, 0, 0};
    const int want_at[] = {1, 0, 0, 2, 3};
    const int want_own[] = {0, 1, 1, 1, 2};

    run_batch(db, jobs, FL_LEN(jobs));
    for (size_t i = 0; i < FL_LEN(jobs); i++) {
        if (jobs[i].rc != want_rc[i] || jobs[i].at != want_at[i] ||
            jobs[i].seen_own != want_own[i] || jobs[i].seen_committed != 0) {
            fail_msg("job %zu: rc %d (%s), commit %d, saw %d own, %d committed", i, jobs[i].rc,
                     jobs[i].err.msg, jobs[i].at, (int)jobs[i].seen_own,
                     (int)jobs[i].seen_committed);
        }
    }
    assert_int_equal(count(db), 3);
    fl_db_close(db);
}

static void test_db__batch_of_failures_leaves_nothing(void **state)
{
    struct fl_db *db = open_db(*state, schema);
    int order = 0;
    struct job jobs[] = {
        {.db = db, .fn = job_put_refuse, .id = 1, .order = &order},
        {.db = db, .fn = job_put_refuse, .id = 2, .order = &order},
    };

    run_batch(db, jobs, FL_LEN(jobs));
    assert_int_equal(jobs[0].rc, FL_E_CONFLICT);
    assert_int_equal(jobs[1].rc, FL_E_CONFLICT);
    assert_int_equal(order, 0);
    assert_int_equal(count(db), 0);
    assert_int_equal(put(db, 1, "x", NULL), 0);
    fl_db_close(db);
}

static void test_db__batch_max_cuts_the_queue(void **state)
{
    fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
    struct fl_db_conf conf = {.path = path, .migrations = schema, .batch_max = 2};
    struct fl_db *db = NULL;
    struct job jobs[5];

    assert_int_equal(fl_db_open(&conf, &db, NULL), 0);
    for (size_t i = 0; i < FL_LEN(jobs); i++) {
        jobs[i] = (struct job){.db = db, .fn = job_put, .id = (int64_t)i};
    }
    run_batch(db, jobs, FL_LEN(jobs));
    for (size_t i = 0; i < FL_LEN(jobs); i++) {
        assert_int_equal(jobs[i].rc, 0);
        assert_int_equal(jobs[i].seen_committed, i / 2 * 2);
    }
    fl_db_close(db);
}

static void *close_main(void *arg)
{
    fl_db_close(arg);
    return NULL;
}

static void test_db__close_runs_what_is_queued(void **state)
{
    struct fl_db *db = open_db(*state, schema);
    struct gate gate;
    struct job holder = {.db = db, .fn = pass_gate, .arg = &gate};
    struct job late = {.db = db, .fn = job_put, .id = 1};
    pthread_t closer;

    gate_init(&gate);
    job_start(&holder);
    gate_await(&gate);
    /* Its callback reads too, which no call may begin after close; so it only writes. */
    late.fn = put_row;
    late.arg = &(struct row){1, FL_STR("late")};
    job_start(&late);
    await_queued(db, 1);
    fl_thread_start(&closer, "closer", close_main, db);
    gate_open(&gate);
    pthread_join(closer, NULL);
    pthread_join(holder.thread, NULL);
    pthread_join(late.thread, NULL);
    gate_release(&gate);
    assert_int_equal(late.rc, 0);
    db = open_db(*state, schema);
    assert_true(has(db, 1));
    fl_db_close(db);
}

struct reading {
    struct fl_db *db;
    int failed;
    pthread_t thread;
};

static void *read_many(void *arg)
{
    struct reading *r = arg;

    for (int i = 0; i < 200; i++) {
        int64_t n = -1;

        r->failed += fl_db_read(r->db, count_rows, &n, NULL) != 0 || n < 0;
    }
    return NULL;
}

static void test_db__more_readers_than_connections_share_them(void **state)
{
    fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
    struct fl_db_conf conf = {.path = path, .migrations = schema, .readers = 2};
    struct fl_db *db = NULL;
    struct reading r[6];

    assert_int_equal(fl_db_open(&conf, &db, NULL), 0);
    for (size_t i = 0; i < FL_LEN(r); i++) {
        r[i] = (struct reading){.db = db};
        fl_thread_start(&r[i].thread, "reading", read_many, &r[i]);
    }
    for (int64_t id = 0; id < 100; id++) {
        assert_int_equal(put(db, id, "x", NULL), 0);
    }
    for (size_t i = 0; i < FL_LEN(r); i++) {
        pthread_join(r[i].thread, NULL);
        assert_int_equal(r[i].failed, 0);
    }
    assert_int_equal(count(db), 100);
    fl_db_close(db);
}

/* ---- faults ---- */

struct deep {
    struct fl_db *db;
    int levels;
    int64_t n;
};

/* Each level lends a connection of its own; the innermost gives memory back while all are at work. */
static int read_deeper(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct deep *d = arg;

    if (--d->levels > 0) {
        assert_int_equal(fl_db_read(d->db, read_deeper, d, err), 0);
    } else {
        fl_db_relax(d->db);
    }
    d->n += count_on(c);
    return 0;
}

static void test_db__memory_is_given_back_while_others_work(void **state)
{
    struct fl_db *db = open_db(*state, schema);
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(put(db, 1, "one", &err), 0);
    for (int i = 0; i < 3; i++) {
        struct deep d = {.db = db, .levels = 5};

        assert_int_equal(fl_db_read(db, read_deeper, &d, &err), 0);
        assert_int_equal(d.n, 5);
        fl_db_relax(db);
        fl_db_relax(db);
        assert_int_equal(count(db), 1);
    }
    assert_int_equal(put(db, 2, "two", &err), 0);
    fl_db_close(db);
}

static int delete_all(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "DELETE FROM t", err);

    (void)arg;
    return s ? fl_stmt_run(s, err) : (int)err->code;
}

static void test_db__full_database_fails_writes_and_stays_usable(void **state)
{
    static const char *const small[] = {
        "PRAGMA max_page_count=40; CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        NULL,
    };
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(*state, small);
    int64_t before;

    assert_int_equal(fill(db, 0, 20000, &err), FL_E_UNAVAILABLE);
    assert_string_equal(err.reason, "StoreFull");
    before = count(db);
    assert_true(before > 0 && before < 20);
    assert_int_equal(fl_db_write(db, delete_all, NULL, NULL, &err), 0);
    assert_int_equal(put(db, 1, "fits again", &err), 0);
    assert_int_equal(fl_db_read(db, check_file, NULL, &err), 0);
    fl_db_close(db);
}

static void test_db__full_in_a_batch_keeps_only_what_was_acknowledged(void **state)
{
    static const char *const small[] = {
        "PRAGMA max_page_count=40; CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        NULL,
    };
    fl_auto_text big = fl_malloc(60001);
    struct fl_db *db = open_db(*state, small);
    struct row rows[10];
    struct job jobs[10];
    int ok = 0;

    memset(big, 'x', 60000);
    big[60000] = '\0';
    for (size_t i = 0; i < FL_LEN(jobs); i++) {
        rows[i] = (struct row){(int64_t)i, fl_str_of(big)};
        jobs[i] = (struct job){.db = db, .fn = put_row, .arg = &rows[i]};
    }
    run_batch(db, jobs, FL_LEN(jobs));
    for (size_t i = 0; i < FL_LEN(jobs); i++) {
        ok += jobs[i].rc == 0;
        assert_true(jobs[i].rc == 0 || jobs[i].rc == FL_E_UNAVAILABLE);
        assert_int_equal(has(db, (int64_t)i), jobs[i].rc == 0);
    }
    assert_true(ok < 10);
    assert_int_equal(put(db, 100, "small", NULL), 0);
    fl_db_close(db);
}

/* 0 when all went as it must; runs in a process of its own, for its file size limit. */
static int child_disk_full(const char *dir)
{
    struct rlimit limit = {300000, RLIM_INFINITY};
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(dir, schema);
    int64_t n;

    (void)signal(SIGXFSZ, SIG_IGN);
    if (put(db, 5000, "before", &err) != 0 || getrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    limit.rlim_cur = 300000;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 2;
    }
    if (fill(db, 0, 5000, &err) != FL_E_UNAVAILABLE) {
        return 3;
    }
    n = count(db);
    if (n < 2 || !has(db, 5000)) {
        return 4;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || put(db, 6000, "after", &err) != 0) {
        return 5;
    }
    if (count(db) != n + 1 || fl_db_read(db, check_file, NULL, &err) != 0) {
        return 6;
    }
    fl_db_close(db);
    return 0;
}

static const char *self_path; /* argv[0]; /proc/self/exe would be valgrind under valgrind */

/* This program again, as a process of its own: ThreadSanitizer takes no threads after a bare fork. */
static pid_t child_start(const char *what, const char *dir, int out)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (out >= 0) {
            (void)dup2(out, STDOUT_FILENO);
        }
        (void)execl(self_path, self_path, what, dir, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void test_db__full_disk_fails_writes_and_space_helps(void **state)
{
    int status = -1;
    pid_t pid = child_start("disk-full", *state, -1);

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

struct acknowledger {
    struct fl_db *db;
    int fd;
    int64_t first;
    pthread_t thread;
};

/* Writes until it is killed; tells each id after its write was acknowledged. */
static void *acknowledge_forever(void *arg)
{
    struct acknowledger *a = arg;

    for (int64_t id = a->first;; id += 4) {
        if (put(a->db, id, "0123456789", NULL) != 0 || write(a->fd, &id, sizeof(id)) < 0) {
            return NULL;
        }
    }
}

static int child_acknowledge(const char *dir)
{
    struct acknowledger a[4];
    struct fl_db *db = open_db(dir, schema);

    for (int i = 0; i < 4; i++) {
        a[i] = (struct acknowledger){.db = db, .fd = STDOUT_FILENO, .first = i + 1};
        fl_thread_start(&a[i].thread, "ack", acknowledge_forever, &a[i]);
    }
    pthread_join(a[0].thread, NULL);
    return 1;
}

static void kill_writer_after(const char *dir, int acknowledged, bool *seen, int64_t max)
{
    int ends[2];
    int64_t id = 0;
    int n = 0;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid = child_start("acknowledge", dir, ends[1]);
    (void)close(ends[1]);
    while (read(ends[0], &id, sizeof(id)) == (ssize_t)sizeof(id)) {
        if (id < max) {
            seen[id] = true;
        }
        if (++n == acknowledged) {
            assert_int_equal(kill(pid, SIGKILL), 0);
        }
    }
    assert_true(n >= acknowledged);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)close(ends[0]);
}

static void test_db__killed_writer_loses_nothing_acknowledged(void **state)
{
    enum { MAX = 20000 };
    static const int after[] = {1, 50, 333};

    for (size_t i = 0; i < FL_LEN(after); i++) {
        bool *seen = fl_calloc(MAX, sizeof(*seen));
        fl_auto_text path = fl_asprintf("%s/db", (char *)*state);
        struct fl_db *db;

        (void)unlink(path);
        kill_writer_after(*state, after[i], seen, MAX);
        db = open_db(*state, schema);
        for (int64_t id = 0; id < MAX; id++) {
            if (seen[id] && !has(db, id)) {
                fail_msg("killed after %d: %d was acknowledged and is lost", after[i], (int)id);
            }
        }
        assert_int_equal(fl_db_read(db, check_file, NULL, NULL), 0);
        fl_db_close(db);
        fl_free(seen);
    }
}

/* ---- backup ---- */

static void test_db__backup_is_a_whole_database(void **state)
{
    fl_auto_text copy = fl_asprintf("%s/copy", (char *)*state);
    fl_auto_text bad = fl_asprintf("%s/none/copy", (char *)*state);
    struct fl_db_conf conf = {.path = copy, .migrations = schema};
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = open_db(*state, schema);
    struct stat st;

    assert_int_equal(put(db, 1, "one", &err), 0);
    assert_int_equal(fl_db_backup(db, copy, &err), 0);
    assert_int_equal(put(db, 2, "two", &err), 0);
    assert_int_equal(fl_db_backup(db, copy, &err), FL_E_EXISTS);
    assert_int_equal(fl_db_backup(db, bad, &err), FL_E_NOT_FOUND);
    fl_db_close(db);
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    db = NULL;
    assert_int_equal(fl_db_open(&conf, &db, &err), 0);
    assert_true(has(db, 1));
    assert_false(has(db, 2));
    assert_int_equal(fl_db_read(db, check_file, NULL, &err), 0);
    fl_db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_db__write_then_read_and_open_again_finds_it),
        TEST(test_db__held_writes_are_there_after_settling_and_without),
        TEST(test_db__half_made_file_is_made_again),
        TEST(test_db__bad_places_are_refused_in_words),
        TEST(test_db__second_open_is_refused_with_the_process),
        TEST(test_db__migrations_apply_once_and_whole),
        TEST(test_db__statements_carry_all_types_and_report_misuse),
        TEST(test_db__statement_cache_grows),
        TEST(test_db__failing_write_alone_leaves_nothing),
        TEST(test_db__read_sees_one_state_of_the_world),
        TEST(test_db__batch_commits_once_in_order_and_failures_undo_their_own),
        TEST(test_db__batch_of_failures_leaves_nothing),
        TEST(test_db__batch_max_cuts_the_queue),
        TEST(test_db__close_runs_what_is_queued),
        TEST(test_db__more_readers_than_connections_share_them),
        TEST(test_db__memory_is_given_back_while_others_work),
        TEST(test_db__full_database_fails_writes_and_stays_usable),
        TEST(test_db__full_in_a_batch_keeps_only_what_was_acknowledged),
        TEST(test_db__full_disk_fails_writes_and_space_helps),
        TEST(test_db__killed_writer_loses_nothing_acknowledged),
        TEST(test_db__backup_is_a_whole_database),
    };

    if (argc == 3) {
        return strcmp(argv[1], "disk-full") == 0 ? child_disk_full(argv[2])
                                                 : child_acknowledge(argv[2]);
    }
    self_path = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
