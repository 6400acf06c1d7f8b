/* SPDX-License-Identifier: Apache-2.0
 * The address policy with its exceptions, and resolving without connecting. */
#include "http_help.h"

static const struct {
    const char *name;
    const char *host;
    const char *hosts[3];
    const char *want; /* NULL: refused */
} rows[] = {
    {"public is not asked", "93.184.216.34", {NULL}, "93.184.216.34"},
    {"nothing private", "127.0.0.1", {NULL}, NULL},
    {"address", "127.0.0.1", {"127.0.0.1"}, "127.0.0.1"},
    {"another address", "127.0.0.2", {"127.0.0.1"}, NULL},
    {"block", "10.1.2.3", {"192.168.0.0/16", "10.0.0.0/8"}, "10.1.2.3"},
    {"beside the block", "10.1.2.3", {"10.1.0.0/23"}, NULL},
    {"in an odd block", "10.1.1.3", {"10.1.0.0/23"}, "10.1.1.3"},
    {"a block of one", "10.1.2.3", {"10.1.2.3/32"}, "10.1.2.3"},
    {"a block of all", "10.1.2.3", {"0.0.0.0/0"}, "10.1.2.3"},
    {"block with too many bits", "10.1.2.3", {"10.0.0.0/33"}, NULL},
    {"block with letters", "10.1.2.3", {"10.0.0.0/x"}, NULL},
    {"block without bits", "10.1.2.3", {"10.0.0.0/"}, NULL},
    {"IPv6 block", "fd00:1::5", {"fd00::/8"}, "fd00:1::5"},
    {"IPv6 loopback", "::1", {"::1"}, "::1"},
    {"IPv4 within IPv6", "::ffff:10.0.0.1", {"10.0.0.0/8"}, "::ffff:10.0.0.1"},
    {"not of the other family", "10.0.0.1", {"fd00::/8"}, NULL},
    {"link-local never", "169.254.169.254", {"169.254.0.0/16", "*"}, NULL},
    {"link-local of IPv6 never", "fe80::1", {"::/0", "*"}, NULL},
    {"link-local in clothes never", "64:ff9b::a9fe:a9fe", {"::/0", "*"}, NULL},
    {"unspecified never", "0.0.0.0", {"0.0.0.0/0", "*"}, NULL},
    {"name", "localhost", {"localhost"}, "127.0.0.1"},
    {"name in capitals", "LocalHost", {"localhost"}, "127.0.0.1"},
    {"glob", "localhost", {"local*"}, "127.0.0.1"},
    {"another name", "localhost", {"*.example"}, NULL},
    {"broken glob", "localhost", {"[a"}, NULL},
    {"empty", "localhost", {""}, NULL},
};

static void test_resolve__private_hosts_are_exceptions_and_link_local_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct http_env e;
        env_init(&e, NULL);
        char got[64] = "";
        int x =
            fl_http_resolve(rows[i].host, 443, FL_REACH_PUBLIC, rows[i].hosts, &e.ctx, got, &e.err);
        /* Of "localhost" either family may come first. */
        bool same =
            rows[i].want && (fl_text_eq(got, rows[i].want) ||
                             (fl_text_eq(rows[i].want, "127.0.0.1") && fl_text_eq(got, "::1")));
        row_check(rows[i].name, rows[i].want ? x == 0 && same : x == FL_E_INVALID, &e);
        row_check(rows[i].name, rows[i].want || fl_text_eq(e.err.reason, "AddressNotAllowed"), &e);
        env_release(&e);
    }
}

static void test_reach__private_host_is_connected_to_by_that_name_alone(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {{.method = "GET", .target = "/"}};
    fl_auto(fl_peer) p = fl_peer_play(steps, FL_LEN(steps));
    static const char *const hosts[] = {"localhost", NULL};
    struct http_env e;
    env_init(&e, &(struct fl_http_conf){.reach = FL_REACH_PUBLIC, .private_hosts = hosts});
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", fl_peer_port(p));
    struct fl_http_req req = {.method = "GET", .url = url};
    row_check("by address", fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err) == FL_E_INVALID, &e);
    row_check("by address", fl_text_eq(e.err.reason, "AddressNotAllowed"), &e);
    (void)snprintf(url, sizeof(url), "http://localhost:%d/", fl_peer_port(p));
    row_check("by name", fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err) == 0, &e);
    assert_int_equal(fl_peer_verify(p), 0);
    env_release(&e);
}

static void test_resolve__unknown_name_and_canceled_fail(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    char got[64];
    int x = fl_http_resolve("no-such-host.invalid", 22, FL_REACH_ANY, NULL, &e.ctx, got, &e.err);
    row_check("unknown", x == FL_E_UNAVAILABLE, &e);
    row_check("unknown", fl_text_eq(e.err.reason, "HostNotFound"), &e);
    fl_cancel_set(&e.cancel);
    x = fl_http_resolve("127.0.0.1", 22, FL_REACH_ANY, NULL, &e.ctx, got, &e.err);
    row_check("canceled", x == FL_E_CANCELED, &e);
    env_release(&e);
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve__private_hosts_are_exceptions_and_link_local_is_none),
        cmocka_unit_test(test_reach__private_host_is_connected_to_by_that_name_alone),
        cmocka_unit_test(test_resolve__unknown_name_and_canceled_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
