/* SPDX-License-Identifier: Apache-2.0
 * What a mirror's pass would do. Lists are written "main=1 v1=2 tags:v1=3": a name stands under
 * refs/heads/, or under refs/tags/ after "tags:", a value for an object; names must be in order.
 * Moves are written "+a=1" (created), "a=1>2" (updated), "a=1!2" (forced), "-a=1". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reconcile/mirror_plan.h"

#define T0 "2026-01-01T00:00:00Z"

static const struct mirror_consent nobody = {.since = T0};
static const struct fl_mirror_guard usual = {.max_delete_percent = 25,
                                             .max_deletes = 100,
                                             .on_force_push = FL_FORCE_UPDATE,
                                             .kept_for_ms = 3600000};

static const char *full_name(struct fl_arena *a, struct fl_str word)
{
    if (fl_str_starts(word, "tags:")) {
        return fl_arena_fmt(a, "refs/tags/%.*s", (int)word.n - 5, word.p + 5);
    }
    if (fl_str_starts(word, "kept:")) {
        return fl_arena_fmt(a, "refs/fairlead/kept/%.*s", (int)word.n - 5, word.p + 5);
    }
    return fl_arena_fmt(a, "refs/heads/%.*s", FL_STR_ARG(word));
}

static struct fl_git_refs refs_of(struct fl_arena *a, const char *text)
{
    struct fl_git_refs r = {0};
    struct fl_str rest = fl_str_of(text);
    while (rest.n > 0) {
        struct fl_str word = {0};
        struct fl_str name = {0};
        (void)fl_str_cut(&rest, ' ', &word);
        (void)fl_str_cut(&word, '=', &name);
        r.v = fl_arena_grow(a, r.v, r.n, sizeof(*r.v));
        r.v[r.n] = (struct fl_git_ref){full_name(a, name), fl_arena_str(a, word)};
        assert_true(r.n == 0 || strcmp(r.v[r.n - 1].name, r.v[r.n].name) < 0);
        r.n++;
    }
    return r;
}

/* n refs "0000", "0001", ... */
static struct fl_git_refs refs_many(struct fl_arena *a, size_t n)
{
    struct fl_git_refs r = {.n = n, .v = fl_arena_array(a, n + 1, sizeof(*r.v))};
    for (size_t i = 0; i < n; i++) {
        r.v[i] = (struct fl_git_ref){fl_arena_fmt(a, "refs/heads/%04zu", i), "1"};
    }
    return r;
}

static void short_name(struct fl_buf *b, const char *name)
{
    static const char *const spaces[][2] = {
        {"refs/heads/", ""}, {"refs/tags/", "tags:"}, {"refs/fairlead/kept/", "kept:"}};
    for (size_t i = 0; i < FL_LEN(spaces); i++) {
        if (fl_text_starts(name, spaces[i][0])) {
            fl_buf_fmt(b, "%s%s", spaces[i][1], name + strlen(spaces[i][0]));
            return;
        }
    }
    fl_buf_text(b, name);
}

static const char *moves_text(struct fl_arena *a, const struct fl_ref_move *v, size_t n)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < n; i++) {
        fl_buf_text(&b, i > 0 ? " " : "");
        fl_buf_text(&b, !v[i].new ? "-" : !v[i].old ? "+" : "");
        short_name(&b, v[i].name);
        fl_buf_fmt(&b, "=%s", v[i].old ? v[i].old : v[i].new);
        if (v[i].old && v[i].new) {
            fl_buf_fmt(&b, "%s%s", v[i].forced ? "!" : ">", v[i].new);
        }
    }
    return fl_arena_text(a, b.data);
}

static void expect(const char *row, const char *what, const char *got, const char *want)
{
    if (!fl_text_eq(got, want)) {
        fail_msg("%s: %s is '%s', wanted '%s'", row, what, got ? got : "(none)",
                 want ? want : "(none)");
    }
}

/* ---- comparing ---- */

static void test_mirror_plan__compares_and_separates(void **state)
{
    (void)state;
    static const struct {
        const char *name, *here, *there;
        bool prune;
        const char *bring, *remove, *held;
    } rows[] = {
        {"both empty", "", "", true, "", "", ""},
        {"equal", "a=1 b=2", "a=1 b=2", true, "", "", ""},
        {"first fill", "", "a=1 b=2", true, "+a=1 +b=2", "", ""},
        {"created at both ends", "b=1", "a=1 b=1 c=1", true, "+a=1 +c=1", "", ""},
        {"updated", "a=1 b=2", "a=1 b=3", true, "b=2>3", "", ""},
        {"tags too", "tags:v1=1", "tags:v1=2 tags:v2=2", true, "tags:v1=1>2 +tags:v2=2", "", ""},
        {"removed", "a=1 b=2", "a=1", true, "", "-b=2", ""},
        {"all at once", "a=1 b=2 c=3", "b=4 c=3 d=5", true, "b=2>4 +d=5", "-a=1", ""},
        {"not pruned", "a=1 b=2", "a=1 c=3", false, "+c=3", "", ""},
        {"emptied, not pruned", "a=1 b=2", "", false, "", "", ""},
        {"file becomes folder", "main=1 x=1", "main/sub=2 x=1", true, "+main/sub=2", "-main=1", ""},
        {"file becomes folder, not pruned", "main=1 x=1", "main/sub=2 x=1", false, "+main/sub=2",
         "", "-main=1 +main/sub=2"},
        {"folder becomes file, not pruned", "m/a=1 m/b=1 x=1", "m=2 x=1", false, "+m=2", "",
         "+m=2 -m/a=1 -m/b=1"},
        {"not in the way: a longer name", "main2=1", "main=1", false, "+main=1", "", ""},
        {"not in the way: sorted between", "a=1 a-b=1", "a-b/c=2", false, "+a-b/c=2", "",
         "-a-b=1 +a-b/c=2"},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_refs here = refs_of(a, rows[i].here);
        struct fl_git_refs there = refs_of(a, rows[i].there);
        struct mirror_plan p;
        mirror_plan_make(a, &here, &there, rows[i].prune, &usual, &nobody, &p);
        expect(rows[i].name, "bring", moves_text(a, p.bring, p.n_bring), rows[i].bring);
        expect(rows[i].name, "remove", moves_text(a, p.remove, p.n_remove), rows[i].remove);
        expect(rows[i].name, "held", moves_text(a, p.held, p.n_held), rows[i].held);
        assert_int_equal(p.nonce[0] == '\0', p.n_held == 0);
        assert_int_equal(p.why_held == NULL, p.n_held == 0);
    }
}

/* ---- G1 ---- */

static void test_mirror_plan__g1_remote_emptied_holds_all(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 5, 6, 1000};
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(sizes); i++) {
        struct fl_git_refs here = refs_many(a, sizes[i]);
        struct fl_git_refs there = {0};
        struct fl_mirror_guard lax = {.max_delete_percent = 100, .max_deletes = 100000};
        struct mirror_plan p;
        mirror_plan_make(a, &here, &there, true, &lax, &nobody, &p);
        if (p.n_held != sizes[i] || p.n_remove != 0 || !strstr(p.why_held, "none of the refs")) {
            fail_msg("%zu refs: %zu held, %zu would go: %s", sizes[i], p.n_held, p.n_remove,
                     p.why_held);
        }
    }
}

static void test_mirror_plan__g1_removals_beyond_share_or_number_are_held(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t here, gone;
        int64_t percent, number;
        const char *why; /* NULL: not held */
    } rows[] = {
        {"few are free, whatever the share", 8, 5, 25, 100, NULL},
        {"one more is not", 8, 6, 25, 100, "6 of 8 refs would go (limit 25 %)"},
        {"at the share", 100, 25, 25, 100, NULL},
        {"above the share", 100, 26, 25, 100, "26 of 100 refs would go (limit 25 %)"},
        {"share of nothing", 100, 6, 0, 100, "6 of 100 refs would go (limit 0 %)"},
        {"share is no reason", 100, 99, 100, 100, NULL},
        {"at the number", 1000, 100, 25, 100, NULL},
        {"above the number", 1000, 101, 25, 100, "101 refs would go (limit 100)"},
        {"every removal", 1000, 1, 25, 0, "1 refs would go (limit 0)"},
        {"nothing goes", 1000, 0, 0, 0, NULL},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_refs here = refs_many(a, rows[i].here);
        struct fl_git_refs there = refs_many(a, rows[i].here - rows[i].gone);
        struct fl_mirror_guard g = {.max_delete_percent = rows[i].percent,
                                    .max_deletes = rows[i].number};
        struct mirror_plan p;
        mirror_plan_make(a, &here, &there, true, &g, &nobody, &p);
        expect(rows[i].name, "why", p.why_held, rows[i].why);
        assert_int_equal(p.n_held, rows[i].why ? rows[i].gone : 0);
        assert_int_equal(p.n_remove, rows[i].why ? 0 : rows[i].gone);
    }
}

static void
test_mirror_plan__g1_held_removals_let_creations_through_but_not_into_their_place(void **state)
{
    (void)state;
    static const struct fl_mirror_guard none = {.max_delete_percent = 25};
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs here = refs_of(a, "a=1 main=1");
    struct fl_git_refs there = refs_of(a, "a=2 main/sub=3 new=4");
    struct mirror_plan p;
    mirror_plan_make(a, &here, &there, true, &none, &nobody, &p);
    expect("held", "held", moves_text(a, p.held, p.n_held), "-main=1 +main/sub=3");
    struct fl_ref_move *v = NULL;
    size_t n = 0;
    mirror_plan_moves(a, &p, &none, 1000, &nobody, &v, &n);
    expect("held", "moves", moves_text(a, v, n), "a=1>2 +new=4");
    struct mirror_consent yes = {.since = T0, .approved = p.nonce};
    struct mirror_plan q;
    mirror_plan_make(a, &here, &there, true, &none, &yes, &q);
    assert_int_equal(q.n_held, 0);
    mirror_plan_moves(a, &q, &none, 1000, &yes, &v, &n);
    expect("approved", "moves", moves_text(a, v, n), "-main=1 a=1>2 +main/sub=3 +new=4");
}

static void test_mirror_plan__g1_removals_of_a_day_count_together(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t here, gone, peak;
        const char *why;
    } rows[] = {
        {"none before", 100, 25, 0, NULL},
        {"none before, at the peak", 100, 25, 100, NULL},
        {"a few before", 90, 15, 100, NULL},
        {"one too many", 90, 16, 100,
         "16 refs would go, and with those before them 26 of the 100 refs of the last day "
         "(limit 25 %)"},
        {"grown beyond the peak", 200, 50, 100, NULL},
        {"few are free, those before too", 5, 3, 7, NULL},
        {"six are not", 5, 4, 7,
         "4 refs would go, and with those before them 6 of the 7 refs of the last day (limit 25 "
         "%)"},
        {"nothing goes, whatever was before", 10, 0, 100, NULL},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_refs here = refs_many(a, rows[i].here);
        struct fl_git_refs there = refs_many(a, rows[i].here - rows[i].gone);
        const struct mirror_consent c = {.since = T0, .peak = rows[i].peak};
        struct mirror_plan p;
        mirror_plan_make(a, &here, &there, true, &usual, &c, &p);
        expect(rows[i].name, "why", p.why_held, rows[i].why);
        assert_int_equal(p.n_held, rows[i].why ? rows[i].gone : 0);
    }
}

static void test_mirror_plan__g1_branches_and_the_default_one_are_no_share(void **state)
{
    (void)state;
    static const char tags[] = "tags:a=1 tags:b=1 tags:c=1 tags:d=1 tags:e=1 tags:f=1";
    static const struct {
        const char *name, *here, *head, *there, *new_head, *why;
    } rows[] = {
        {"a branch of two", "a=1 b=1 ", "a", "a=1 ", "a", NULL},
        {"the last branch", "a=1 ", "a", "", NULL, "no branches any more"},
        {"there were none", "", NULL, "", NULL, NULL},
        {"the default one", "a=1 b=1 ", "a", "b=1 ", "a", "default branch refs/heads/a would go"},
        {"the default one, HEAD untold", "a=1 b=1 ", "a", "b=1 ", NULL, "default branch"},
        {"the default one, HEAD to nothing", "a=1 b=1 ", "a", "b=1 ", "c", "default branch"},
        {"the default one is renamed", "a=1 b=1 ", "a", "b=1 c=1 ", "c", NULL},
        {"a default one that was not there", "b=1 c=1 ", "a", "b=1 ", "a", NULL},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_refs here = refs_of(a, fl_arena_fmt(a, "%s%s", rows[i].here, tags));
        struct fl_git_refs there = refs_of(a, fl_arena_fmt(a, "%s%s", rows[i].there, tags));
        struct mirror_plan p;
        here.head = rows[i].head ? fl_arena_fmt(a, "refs/heads/%s", rows[i].head) : NULL;
        there.head = rows[i].new_head ? fl_arena_fmt(a, "refs/heads/%s", rows[i].new_head) : NULL;
        mirror_plan_make(a, &here, &there, true, &usual, &nobody, &p);
        if (rows[i].why ? !p.why_held || !strstr(p.why_held, rows[i].why) : p.why_held != NULL) {
            fail_msg("%s: held for '%s'", rows[i].name, p.why_held ? p.why_held : "nothing");
        }
    }
}

static void test_mirror_plan__g1_nothing_of_another_repository_is_taken_unasked(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs here = refs_of(a, "a=1 b=1 tags:v1=1");
    struct fl_git_refs there = refs_of(a, "a=2 c=2 tags:v1=1");
    struct mirror_consent c = {.since = T0, .other = "the url names another one"};
    struct mirror_plan p;
    struct fl_ref_move *v = NULL;
    size_t n = 0;
    mirror_plan_make(a, &here, &there, true, &usual, &c, &p);
    p.bring[0].forced = true;
    mirror_plan_moves(a, &p, &usual, 1000, &c, &v, &n);
    expect("asked", "moves", moves_text(a, v, n), "+c=2");
    expect("asked", "held", moves_text(a, p.held, p.n_held), "a=1!2 -b=1");
    assert_string_equal(p.why_held, "the url names another one: 1 refs would go; 1 ref has another "
                                    "history there");
    c.approved = fl_arena_text(a, p.nonce);
    mirror_plan_make(a, &here, &there, true, &usual, &c, &p);
    p.bring[0].forced = true;
    mirror_plan_moves(a, &p, &usual, 1000, &c, &v, &n);
    expect("approved", "moves", moves_text(a, v, n), "-b=1 a=1!2 +c=2");
    assert_true(p.released);
}

/* Else a remote that was replaced by a larger one would lose the old refs with the second pass. */
static void test_mirror_plan__g1_held_stays_held_when_refs_have_come(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs here = refs_many(a, 100);
    struct fl_git_refs there = refs_many(a, 90);
    const struct mirror_consent before = {.since = T0, .sticky = true};
    struct mirror_plan p;
    mirror_plan_make(a, &here, &there, true, &usual, &nobody, &p);
    assert_int_equal(p.n_held, 0);
    mirror_plan_make(a, &here, &there, true, &usual, &before, &p);
    assert_int_equal(p.n_held, 10);
    mirror_plan_make(a, &here, &here, true, &usual, &before, &p);
    assert_int_equal(p.n_held, 0);
}

static void test_mirror_plan__g1_approval_is_for_one_set_and_one_time(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs here = refs_of(a, "a=1 b=1");
    struct fl_git_refs more = refs_of(a, "a=1 b=1 c=1");
    struct fl_git_refs moved = refs_of(a, "a=1 b=2");
    struct fl_git_refs there = {0};
    struct mirror_plan p;
    mirror_plan_make(a, &here, &there, true, &usual, &nobody, &p);
    assert_int_equal(strlen(p.nonce), 16);
    struct mirror_consent yes = {.since = T0, .approved = p.nonce};
    struct mirror_plan q;
    mirror_plan_make(a, &here, &there, true, &usual, &nobody, &q);
    expect("again", "nonce", q.nonce, p.nonce);
    mirror_plan_make(a, &here, &there, true, &usual, &yes, &q);
    expect("approved", "remove", moves_text(a, q.remove, q.n_remove), "-a=1 -b=1");
    mirror_plan_make(a, &more, &there, true, &usual, &yes, &q);
    assert_int_equal(q.n_held, 3);
    mirror_plan_make(a, &moved, &there, true, &usual, &yes, &q);
    assert_int_equal(q.n_held, 2);
    yes.since = "2026-02-01T00:00:00Z";
    mirror_plan_make(a, &here, &there, true, &usual, &yes, &q);
    assert_int_equal(q.n_held, 2);
    yes = (struct mirror_consent){.since = T0, .approved = ""};
    mirror_plan_make(a, &here, &there, true, &usual, &yes, &q);
    assert_int_equal(q.n_held, 2);
}

/* ---- G2 ---- */

/* Marks what was written with "!" in the list of the remote's: the values there. */
static void force(struct mirror_plan *p, const char *name)
{
    for (size_t i = 0; i < p->n_bring; i++) {
        if (strcmp(p->bring[i].name, name) == 0) {
            assert_non_null(p->bring[i].old);
            p->bring[i].forced = true;
        }
    }
}

static void test_mirror_plan__g2_force_push_is_taken_kept_or_blocked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int on;
        const char *moves, *held;
    } rows[] = {
        {"Update", FL_FORCE_UPDATE, "-old=1 main=1!2 +new=1 next=1>2 tags:v1=1!2", ""},
        {"KeepOld", FL_FORCE_KEEP_OLD,
         "-old=1 main=1!2 +kept:1700/heads/main=1 +new=1 next=1>2 tags:v1=1!2 "
         "+kept:1700/tags/v1=1",
         ""},
        {"Block", FL_FORCE_BLOCK, "-old=1 +new=1 next=1>2", "main=1!2 tags:v1=1!2"},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_refs here = refs_of(a, "main=1 next=1 old=1 tags:v1=1");
        struct fl_git_refs there = refs_of(a, "main=2 new=1 next=2 tags:v1=2");
        struct fl_mirror_guard g = usual;
        g.on_force_push = rows[i].on;
        struct mirror_plan p;
        mirror_plan_make(a, &here, &there, true, &g, &nobody, &p);
        force(&p, "refs/heads/main");
        force(&p, "refs/tags/v1");
        struct fl_ref_move *v = NULL;
        size_t n = 0;
        mirror_plan_moves(a, &p, &g, 1700, &nobody, &v, &n);
        expect(rows[i].name, "moves", moves_text(a, v, n), rows[i].moves);
        expect(rows[i].name, "held", moves_text(a, p.held, p.n_held), rows[i].held);
        assert_int_equal(p.nonce[0] == '\0', p.n_held == 0);
    }
}

static void test_mirror_plan__g2_blocked_and_deleted_are_released_together(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs here = refs_of(a, "a=1 main=1");
    struct fl_git_refs there = refs_of(a, "main=2");
    struct fl_mirror_guard g = {.max_delete_percent = 25, .on_force_push = FL_FORCE_BLOCK};
    struct fl_ref_move *v = NULL;
    size_t n = 0;
    struct mirror_plan p;
    mirror_plan_make(a, &here, &there, true, &g, &nobody, &p);
    struct mirror_consent half = {.since = T0, .approved = fl_arena_text(a, p.nonce)};
    force(&p, "refs/heads/main");
    mirror_plan_moves(a, &p, &g, 1700, &nobody, &v, &n);
    expect("held", "moves", moves_text(a, v, n), "");
    expect("held", "held", moves_text(a, p.held, p.n_held), "-a=1 main=1!2");
    expect("held", "why", p.why_held, "1 refs would go (limit 0); 1 ref was force-pushed");
    struct mirror_consent whole = {.since = T0, .approved = fl_arena_text(a, p.nonce)};
    mirror_plan_make(a, &here, &there, true, &g, &whole, &p);
    force(&p, "refs/heads/main");
    mirror_plan_moves(a, &p, &g, 1700, &whole, &v, &n);
    expect("approved", "moves", moves_text(a, v, n), "-a=1 main=1!2");
    assert_int_equal(p.n_held, 0);
    assert_null(p.why_held);
    mirror_plan_make(a, &here, &there, true, &g, &half, &p);
    force(&p, "refs/heads/main");
    mirror_plan_moves(a, &p, &g, 1700, &half, &v, &n);
    expect("the deletion alone", "moves", moves_text(a, v, n), "-a=1");
    expect("the deletion alone", "held", moves_text(a, p.held, p.n_held), "main=1!2");
}

static void test_mirror_plan__g2_kept_tips_expire(void **state)
{
    (void)state;
    static const struct {
        const char *name, *kept;
        int64_t kept_for_ms, now_s;
        const char *gone;
        int64_t next_s;
    } rows[] = {
        {"none", "", 1000, 5000, "", INT64_MAX},
        {"young", "kept:1000/heads/a=1", 10000, 1009, "", 1010},
        {"due", "kept:1000/heads/a=1", 10000, 1010, "-kept:1000/heads/a=1", INT64_MAX},
        {"one of two", "kept:1000/heads/a=1 kept:1005/heads/a=2", 10000, 1012,
         "-kept:1000/heads/a=1", 1015},
        {"rounded up", "kept:1000/heads/a=1", 1, 1000, "", 1001},
        {"for ever", "kept:1000/heads/a=1", 0, INT64_C(1) << 40, "", INT64_MAX},
        {"not ours", "kept:x/heads/a=1 kept:y=1", 1, INT64_C(1) << 40, "", INT64_MAX},
        {"other space", "1000/a=1", 1, INT64_C(1) << 40, "", INT64_MAX},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_refs kept = refs_of(a, rows[i].kept);
        struct fl_ref_move *v = NULL;
        int64_t next = 0;
        size_t n = mirror_plan_expired(a, &kept, rows[i].kept_for_ms, rows[i].now_s, &v, &next);
        expect(rows[i].name, "gone", moves_text(a, v, n), rows[i].gone);
        if (next != rows[i].next_s) {
            fail_msg("%s: next is %lld", rows[i].name, (long long)next);
        }
    }
}

/* ---- push targets, digest ---- */

static void test_mirror_plan__push_brings_the_target_what_it_lacks(void **state)
{
    (void)state;
    static const struct {
        const char *name, *want, *have;
        bool prune;
        const char *moves;
    } rows[] = {
        {"equal", "a=1", "a=1", true, ""},
        {"new target", "a=1 b=2", "", true, "+a=1 +b=2"},
        {"old: the target's, new: ours", "a=2", "a=1", true, "a=1>2"},
        {"pruned", "b=1", "a=1 b=1", true, "-a=1"},
        {"not pruned", "b=1", "a=1 b=1", false, ""},
        {"in order", "b=2 d=1", "a=1 b=1 c=1", true, "-a=1 b=1>2 -c=1 +d=1"},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_refs want = refs_of(a, rows[i].want);
        struct fl_git_refs have = refs_of(a, rows[i].have);
        struct fl_ref_move *v = NULL;
        size_t n = 0;
        mirror_plan_push(a, &want, &have, rows[i].prune, &v, &n);
        expect(rows[i].name, "moves", moves_text(a, v, n), rows[i].moves);
    }
}

static void test_mirror_plan__digest_text_has_all_refs_and_head(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs r = refs_of(a, "a=1 tags:v1=2");
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    mirror_digest_text(&b, &r);
    assert_string_equal(b.data, "1 refs/heads/a\n2 refs/tags/v1\n");
    fl_buf_clear(&b);
    r.head = "refs/heads/a";
    mirror_digest_text(&b, &r);
    assert_string_equal(b.data, "1 refs/heads/a\n2 refs/tags/v1\nHEAD refs/heads/a\n");
    assert_string_equal(mirror_ref_find(&r, "refs/tags/v1")->oid, "2");
    assert_null(mirror_ref_find(&r, "refs/heads/"));
    assert_null(mirror_ref_find(&r, "refs/tags/v2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mirror_plan__compares_and_separates),
        cmocka_unit_test(test_mirror_plan__g1_remote_emptied_holds_all),
        cmocka_unit_test(test_mirror_plan__g1_removals_beyond_share_or_number_are_held),
        cmocka_unit_test(
            test_mirror_plan__g1_held_removals_let_creations_through_but_not_into_their_place),
        cmocka_unit_test(test_mirror_plan__g1_removals_of_a_day_count_together),
        cmocka_unit_test(test_mirror_plan__g1_branches_and_the_default_one_are_no_share),
        cmocka_unit_test(test_mirror_plan__g1_nothing_of_another_repository_is_taken_unasked),
        cmocka_unit_test(test_mirror_plan__g1_held_stays_held_when_refs_have_come),
        cmocka_unit_test(test_mirror_plan__g1_approval_is_for_one_set_and_one_time),
        cmocka_unit_test(test_mirror_plan__g2_force_push_is_taken_kept_or_blocked),
        cmocka_unit_test(test_mirror_plan__g2_blocked_and_deleted_are_released_together),
        cmocka_unit_test(test_mirror_plan__g2_kept_tips_expire),
        cmocka_unit_test(test_mirror_plan__push_brings_the_target_what_it_lacks),
        cmocka_unit_test(test_mirror_plan__digest_text_has_all_refs_and_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
