/* SPDX-License-Identifier: Apache-2.0
 * The Registry's loop as a whole. */
#include "contract/loop.h"

#define SRC_REG REG "/src"
#define PASSWORD "correct-horse"

static const struct fl_fake_port_conf locked = {.user = "robot", .password = PASSWORD};

static void good_secret(struct loop *l, const char *name)
{
    loop_secret(l, name, "{'username':'robot','password':'" PASSWORD "'}");
}

/* ---- ready ---- */

static void test_registry__anonymous_is_ready_with_words(void **state)
{
    struct loop *l = *state;
    loop_registry(l, "src", SRC, "");
    loop_wait_ready(l, SRC_REG, SRC " is reachable without credentials");
    loop_field_is(l, SRC_REG, "status.reachable", "true");
    loop_field_is(l, SRC_REG, "status.authenticated", "false");
    loop_field_is(l, SRC_REG, "status.auth", "Anonymous");
    loop_field_is(l, SRC_REG, "status.host", "src.example");
    loop_field_is(l, SRC_REG, "status.capabilities", "[\"Catalog\"]");
    loop_field_is(l, SRC_REG, "status.lastProbeTime", "2023-11-14T22:13:20Z");
}

static void test_registry__credentials_are_proved_or_told_to_be_idle(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &locked);
    fl_fake_port_setup(l->port, DST, &(struct fl_fake_port_conf){.listing_digests = true});
    good_secret(l, "s");
    loop_registry(l, "src", SRC, ",'secretRef':{'name':'s'}");
    loop_registry(l, "dst", DST, ",'secretRef':{'name':'s'}");
    loop_wait_ready(l, SRC_REG, "takes the credentials of Secret 's'");
    loop_field_is(l, SRC_REG, "status.authenticated", "true");
    loop_field_is(l, SRC_REG, "status.auth", "Basic");
    loop_wait_ready(l, REG "/dst", "asks for no credentials, so those of Secret 's' are not used");
    loop_field_is(l, REG "/dst", "status.authenticated", "false");
    loop_field_is(l, REG "/dst", "status.capabilities", "[\"Catalog\",\"ListingDigests\"]");
}

/* ---- what is wrong with the objects ---- */

struct wrong {
    const char *name;
    const char *more;      /* of the spec */
    const char *secret;    /* stringData of Secret s; NULL: there is none */
    struct loop_want want; /* path is filled in */
    const char *mended;    /* stringData that makes it right */
};

static void test_registry__wrong_secrets_are_told_and_recovered_from(void **state)
{
    struct loop *l = *state;
    static const struct wrong rows[] = {
        {"secret absent",
         ",'secretRef':{'name':'s'}",
         NULL,
         {.ready = "False",
          .reason = "SecretNotFound",
          .words = {"spec.secretRef", "there is no Secret 's'", "create it"},
          .stalled = "SecretNotFound"},
         "{'username':'robot','password':'" PASSWORD "'}"},
        {"secret of the wrong shape",
         ",'secretRef':{'name':'s'}",
         "{'user':'robot'}",
         {.ready = "False",
          .reason = "SecretInvalid",
          .words = {"Secret 's'", "spec.secretRef", "username"},
          .stalled = "SecretInvalid"},
         "{'username':'robot','password':'" PASSWORD "'}"},
        {"wrong password",
         ",'secretRef':{'name':'s'}",
         "{'username':'robot','password':'guess'}",
         {.ready = "False",
          .reason = "Unauthorized",
          .words = {"refused the credentials"},
          .stalled = "Unauthorized"},
         "{'password':'" PASSWORD "'}"},
    };
    fl_fake_port_setup(l->port, SRC, &locked);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct wrong *w = &rows[i];
        print_message("%s\n", w->name);
        struct loop_want want = w->want;
        want.path = SRC_REG;
        if (w->secret) {
            loop_secret(l, "s", w->secret);
        }
        loop_registry(l, "src", SRC, w->more);
        loop_wait_says(l, &want);
        if (w->secret) {
            fl_auto_text body = fl_asprintf("{'stringData':%s}", w->mended);
            loop_patch(l, SECRETS "/s", body);
        } else {
            loop_secret(l, "s", w->mended);
        }
        loop_wait_ready(l, SRC_REG, "takes the credentials");
        loop_delete(l, SRC_REG);
        loop_delete(l, SECRETS "/s");
        loop_wait_gone(l, SRC_REG);
    }
}

static void test_registry__authorities_that_are_missing_are_told_and_recovered_from(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &(struct fl_fake_port_conf){.ca_pem = "PEM"});
    loop_registry(l, "src", SRC, "");
    loop_wait_says(l, &(struct loop_want){.path = SRC_REG,
                                          .ready = "False",
                                          .reason = "CertificateNotTrusted",
                                          .words = {"not trusted"},
                                          .reconciling = "ProgressingWithRetry"});
    loop_field_is(l, SRC_REG, "status.reachable", "false");
    loop_patch(l, SRC_REG, "{'spec':{'caRef':{'name':'ca'}}}");
    loop_wait_says(l, &(struct loop_want){.path = SRC_REG,
                                          .ready = "False",
                                          .reason = "SecretNotFound",
                                          .words = {"spec.caRef", "there is no Secret 'ca'"},
                                          .stalled = "SecretNotFound"});
    loop_secret(l, "ca", "{'tls.crt':'PEM'}");
    loop_wait_says(l, &(struct loop_want){.path = SRC_REG,
                                          .ready = "False",
                                          .reason = "CAInvalid",
                                          .words = {"Secret 'ca' (spec.caRef) has no key ca.crt"},
                                          .stalled = "CAInvalid"});
    loop_patch(l, SECRETS "/ca", "{'stringData':{'ca.crt':'PEM'}}");
    loop_wait_ready(l, SRC_REG, "is reachable");
    loop_patch(l, SECRETS "/ca", "{'stringData':{'ca.crt':''}}");
    loop_wait_says(
        l, &(struct loop_want){
               .path = SRC_REG, .ready = "False", .reason = "CAInvalid", .stalled = "CAInvalid"});
}

static void test_registry__secret_changed_to_garbage_later(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &locked);
    good_secret(l, "s");
    loop_registry(l, "src", SRC, ",'secretRef':{'name':'s'}");
    loop_wait_ready(l, SRC_REG, NULL);
    loop_patch(l, SECRETS "/s", "{'data':{'username':null,'password':null,'junk':'AAAA'}}");
    loop_wait_says(l, &(struct loop_want){.path = SRC_REG,
                                          .ready = "False",
                                          .reason = "SecretInvalid",
                                          .words = {"Secret 's'"},
                                          .stalled = "SecretInvalid"});
    loop_field_is(l, SRC_REG, "status.authenticated", "false");
    loop_delete(l, SECRETS "/s");
    loop_wait_says(l, &(struct loop_want){.path = SRC_REG,
                                          .ready = "False",
                                          .reason = "SecretNotFound",
                                          .stalled = "SecretNotFound"});
    good_secret(l, "s");
    loop_wait_ready(l, SRC_REG, "takes the credentials");
}

static void test_registry__missing_secret_is_looked_for_by_event_and_slowly(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &locked);
    loop_registry(l, "src", SRC, ",'secretRef':{'name':'s'}");
    loop_wait_says(l, &(struct loop_want){.path = SRC_REG,
                                          .ready = "False",
                                          .reason = "SecretNotFound",
                                          .stalled = "SecretNotFound"});
    loop_settle(l);
    int64_t wait = loop_next_ms(l, "registry") - fl_clock_mono_ms(l->clock);
    assert_true(wait >= 570000 && wait <= 630000); /* the interval is 0: ten minutes */
    int64_t passes = loop_passes(l, "registry");
    good_secret(l, "other");
    loop_settle(l);
    assert_int_equal(loop_passes(l, "registry"), passes);
    loop_advance(l, wait);
    loop_wait_passes(l, "registry", passes);
    loop_settle(l);
    loop_field_is(l, SRC_REG, "status.reachable", "false");
    good_secret(l, "s"); /* no time goes by */
    loop_wait_ready(l, SRC_REG, "takes the credentials");
}

static void test_registry__rotated_secret_is_used_at_once_and_the_old_remote_closed(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &locked);
    good_secret(l, "s");
    loop_registry(l, "src", SRC, ",'secretRef':{'name':'s'}");
    loop_wait_ready(l, SRC_REG, NULL);
    fl_fake_port_setup(l->port, SRC,
                       &(struct fl_fake_port_conf){.user = "robot", .password = "second"});
    loop_run(l, SRC_REG, "r1");
    loop_wait_says(l, &(struct loop_want){.path = SRC_REG,
                                          .ready = "False",
                                          .reason = "Unauthorized",
                                          .stalled = "Unauthorized"});
    loop_patch(l, SECRETS "/s", "{'stringData':{'password':'second'}}");
    loop_wait_ready(l, SRC_REG, "takes the credentials");
    loop_settle(l);
    assert_int_equal(fl_fake_port_opened(l->port), 2);
    assert_int_equal(fl_fake_port_open(l->port), 1);
    loop_run(l, SRC_REG, "r2"); /* what was opened is kept */
    assert_int_equal(fl_fake_port_opened(l->port), 2);
    loop_delete(l, SRC_REG);
    loop_wait_gone(l, SRC_REG);
    loop_registry(l, "other", DST, "");
    loop_wait_ready(l, REG "/other", NULL);
    loop_settle(l);
    assert_int_equal(fl_fake_port_open(l->port), 1);
}

/* ---- what the remote answers ---- */

struct outcome {
    const char *name;
    enum fl_code code;
    const char *reason;
    int http_status;
    bool reachable;
    const char *stalled; /* else it is tried again */
};

static void test_registry__outcomes_of_the_probe_and_their_conditions(void **state)
{
    struct loop *l = *state;
    static const struct outcome rows[] = {
        {"tls", FL_E_UNAVAILABLE, "CertificateExpired", 0, false, NULL},
        {"refused", FL_E_UNAVAILABLE, "ConnectFailed", 0, false, NULL},
        {"timeout", FL_E_TIMEOUT, "ConnectTimeout", 0, false, NULL},
        {"server error", FL_E_UNAVAILABLE, "ServerError", 503, true, NULL},
        {"limited", FL_E_LIMITED, "TooManyRequests", 429, true, NULL},
        {"page of a proxy", FL_E_BAD_DATA, "NotARegistry", 200, true, NULL},
        {"denied", FL_E_AUTH, "Denied", 403, true, "Denied"},
        {"not a registry", FL_E_INVALID, "NotARegistry", 404, true, "NotARegistry"},
        {"unsupported", FL_E_UNSUPPORTED, "NotOffered", 405, true, "NotOffered"},
    };
    loop_registry(l, "src", SRC, "");
    loop_wait_ready(l, SRC_REG, NULL);
    l->skip = true; /* recovery comes by back-off, Retry-After or the slow recheck */
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct outcome *w = &rows[i];
        print_message("%s\n", w->name);
        fl_fake_port_fail(l->port, &(struct fl_fake_port_fault){.call = FL_FAKE_PROBE,
                                                                .times = -1,
                                                                .code = w->code,
                                                                .reason = w->reason,
                                                                .message = "as the test asked",
                                                                .http_status = w->http_status,
                                                                .retry_after_ms = 7000});
        loop_request(l, SRC_REG, w->name);
        loop_wait_says(
            l, &(struct loop_want){.path = SRC_REG,
                                   .ready = "False",
                                   .reason = w->reason,
                                   .words = {"as the test asked"},
                                   .stalled = w->stalled,
                                   .reconciling = w->stalled ? NULL : "ProgressingWithRetry"});
        loop_field_is(l, SRC_REG, "status.reachable", w->reachable ? "true" : "false");
        loop_field_is(l, SRC_REG, "status.authenticated", "false");
        fl_fake_port_heal(l->port);
        loop_wait_ready(l, SRC_REG, "is reachable");
        loop_field_is(l, SRC_REG, "status.reachable", "true");
    }
}

/* Each step a minute after the one before: the time must be that of the last step whose outcome was another. */
static void test_registry__probe_time_moves_with_the_outcome_only(void **state)
{
    struct loop *l = *state;
    static const struct {
        const char *name;
        enum fl_code code; /* FL_OK: the probe succeeds */
        const char *reason;
        int http_status;
        bool moves;
    } rows[] = {
        {"the same", FL_OK, NULL, 0, false},
        {"refused", FL_E_UNAVAILABLE, "ConnectFailed", 0, true},
        {"refused again", FL_E_UNAVAILABLE, "ConnectFailed", 0, false},
        {"another reason", FL_E_TIMEOUT, "ConnectTimeout", 0, true},
        {"reached, denied", FL_E_AUTH, "Denied", 403, true},
        {"recovered", FL_OK, NULL, 0, true},
        {"denied", FL_E_AUTH, "Denied", 403, true},
        {"denied again", FL_E_AUTH, "Denied", 403, false},
    };
    loop_registry(l, "src", SRC, "");
    loop_wait_ready(l, SRC_REG, NULL);
    fl_auto_text time = loop_field(l, SRC_REG, "status.lastProbeTime");
    assert_non_null(time);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_fake_port_heal(l->port);
        if (rows[i].code != FL_OK) {
            fl_fake_port_fail(l->port,
                              &(struct fl_fake_port_fault){.call = FL_FAKE_PROBE,
                                                           .times = -1,
                                                           .code = rows[i].code,
                                                           .reason = rows[i].reason,
                                                           .message = "as the test asked",
                                                           .http_status = rows[i].http_status,
                                                           .retry_after_ms = -1});
        }
        loop_advance(l, 60000);
        loop_run(l, SRC_REG, rows[i].name);
        char *now = loop_field(l, SRC_REG, "status.lastProbeTime");
        if (fl_text_eq(now, time) == rows[i].moves) {
            fail_msg("%s: lastProbeTime was %s and is %s", rows[i].name, time, now);
        }
        fl_free(time);
        time = now;
    }
}

/* ---- idempotence, clock, suspend ---- */

static void test_registry__second_pass_writes_the_echo_and_nothing_else(void **state)
{
    struct loop *l = *state;
    loop_registry(l, "src", SRC, "");
    loop_wait_ready(l, SRC_REG, NULL);
    loop_run(l, SRC_REG, "r1");
    size_t writes = loop_writes(l);
    size_t events = loop_events(l);
    size_t probes = fl_fake_port_count(l->port, SRC, FL_FAKE_PROBE);
    loop_advance(l, 60000);
    loop_run(l, SRC_REG, "r2");
    if (loop_writes(l) != writes + 1) {
        loop_print_writes(l, writes);
        fail_msg("%zu writes, wanted the echo alone", loop_writes(l) - writes);
    }
    assert_int_equal(loop_events(l), events);
    assert_int_equal(fl_fake_port_count(l->port, SRC, FL_FAKE_PROBE), probes + 1);
}

static void test_registry__probed_on_its_interval_without_a_write(void **state)
{
    struct loop *l = *state;
    loop_make(l, REG, "Registry", "src", "{'url':'" SRC "','interval':'10m'}");
    loop_wait_ready(l, SRC_REG, NULL);
    loop_settle(l);
    size_t writes = loop_writes(l);
    for (size_t i = 1; i <= 5; i++) {
        int64_t wait = loop_next_ms(l, "registry") - fl_clock_mono_ms(l->clock);
        assert_true(wait >= 570000 && wait <= 630000);
        loop_advance(l, wait);
        loop_settle(l);
        assert_int_equal(fl_fake_port_count(l->port, SRC, FL_FAKE_PROBE), 1 + i);
    }
    assert_int_equal(loop_writes(l), writes);
    loop_patch(l, SRC_REG, "{'spec':{'interval':'0'}}");
    loop_wait_field(l, SRC_REG, "status.observedGeneration", "2");
    loop_settle(l);
    loop_advance(l, 24 * HOUR_MS);
    loop_settle(l);
    size_t probes = fl_fake_port_count(l->port, SRC, FL_FAKE_PROBE);
    loop_advance(l, 24 * HOUR_MS);
    loop_settle(l);
    assert_int_equal(fl_fake_port_count(l->port, SRC, FL_FAKE_PROBE), probes);
}

static void test_registry__suspended_is_not_probed(void **state)
{
    struct loop *l = *state;
    loop_registry(l, "src", SRC, ",'suspend':true");
    loop_wait_field(l, SRC_REG, "status.observedGeneration", "1");
    loop_settle(l);
    assert_int_equal(fl_fake_port_calls(l->port), 0);
    loop_patch(l, SRC_REG, "{'spec':{'suspend':false}}");
    loop_wait_ready(l, SRC_REG, NULL);
    assert_int_equal(fl_fake_port_count(l->port, SRC, FL_FAKE_PROBE), 1);
}

/* ---- what is told ---- */

static void test_registry__events_tell_what_is_new_and_no_secret(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &locked);
    loop_secret(l, "s", "{'username':'robot','password':'guessed-wrong'}");
    loop_registry(l, "src", SRC, ",'secretRef':{'name':'s'}");
    loop_wait_field(l, SRC_REG, "status.reachable", "true");
    loop_run(l, SRC_REG, "r1");
    loop_run(l, SRC_REG, "r2");
    assert_int_equal(loop_events(l), 1); /* the same failure three times */
    loop_patch(l, SECRETS "/s", "{'stringData':{'password':'" PASSWORD "'}}");
    loop_wait_ready(l, SRC_REG, NULL);
    loop_settle(l);
    assert_int_equal(loop_events(l), 2);
    fl_auto_text events = loop_get(l, "/api/v1/namespaces/default/events");
    fl_auto_text registries = loop_get(l, REG);
    assert_non_null(strstr(events, "\"reason\":\"Unauthorized\""));
    assert_non_null(strstr(events, "\"reason\":\"Succeeded\""));
    const char *const secrets[] = {PASSWORD, "guessed-wrong"};
    for (size_t i = 0; i < FL_LEN(secrets); i++) {
        assert_null(strstr(events, secrets[i]));
        assert_null(strstr(registries, secrets[i]));
    }
}

static void test_registry__goes_on_after_a_crash(void **state)
{
    struct loop *l = *state;
    loop_registry(l, "src", SRC, "");
    loop_wait_ready(l, SRC_REG, NULL);
    loop_settle(l);
    size_t writes = loop_writes(l);
    loop_crash(l);
    loop_start(l);
    loop_run(l, SRC_REG, "r1");
    assert_int_equal(loop_writes(l), writes + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(test_registry__anonymous_is_ready_with_words),
        loop_test(test_registry__credentials_are_proved_or_told_to_be_idle),
        loop_test(test_registry__wrong_secrets_are_told_and_recovered_from),
        loop_test(test_registry__authorities_that_are_missing_are_told_and_recovered_from),
        loop_test(test_registry__secret_changed_to_garbage_later),
        loop_test(test_registry__missing_secret_is_looked_for_by_event_and_slowly),
        loop_test(test_registry__rotated_secret_is_used_at_once_and_the_old_remote_closed),
        loop_test(test_registry__outcomes_of_the_probe_and_their_conditions),
        loop_test(test_registry__probe_time_moves_with_the_outcome_only),
        loop_test(test_registry__second_pass_writes_the_echo_and_nothing_else),
        loop_test(test_registry__probed_on_its_interval_without_a_write),
        loop_test(test_registry__suspended_is_not_probed),
        loop_test(test_registry__events_tell_what_is_new_and_no_secret),
        loop_test(test_registry__goes_on_after_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
