/* SPDX-License-Identifier: Apache-2.0
 * `fairlead standalone`: the embedded API with its two doors, and the controllers behind the inner one. */
#include <stdint.h> /* tells __GLIBC__ */
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "apiserver/apiserver.h"
#include "app/home.h"
#include "app/program.h"
#include "app/work.h"
#include "wire/crypt.h"
#include "wire/httpd.h"

struct standalone {
    const struct fl_options *o;
    struct fl_arena *arena;
    struct fl_clock *clock;
    const char *host;
    uint16_t port;
    struct fl_home home;
    int home_rc;
    struct fl_err home_err;
    struct fl_apiserver *api;
    struct fl_httpd *httpd;
    struct fl_kube *kube;
    struct fl_work *work;
};

static int standalone_address(struct standalone *s, struct fl_err *err)
{
    int x = fl_options_address("listen", s->o->listen, s->arena, &s->host, &s->port, err);
    if (x == 0 && !fl_options_is_loopback(s->host) && !s->o->listen_public) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "--listen %s is an address that others can reach, with the power over "
                       "everything declared here: add "
                       "--listen-public if that is meant",
                       s->o->listen);
    }
    return x;
}

/* glibc keeps pages that are free in the middle of its heaps, until it is asked. */
static void standalone_tidy(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/* Beside the opening of the database: both wait for the disk, and the keys take a few milliseconds. */
static void *standalone_home(void *arg)
{
    struct standalone *s = arg;
    s->home_rc = fl_home_open(s->o, s->host, fl_clock_wall_ms(s->clock), &s->home, &s->home_err);
    return NULL;
}

static int standalone_open_store(struct standalone *s, struct fl_err *err)
{
    const struct fl_apiserver_conf api = {
        .data_dir = s->o->data_dir,
        .key_file = s->o->key_file,
        .clock = s->clock,
        .tidy = standalone_tidy,
        .sync_normal = strcmp(s->o->sync, "normal") == 0,
    };
    pthread_t home;
    int x = fl_home_folder(s->o->data_dir, err);
    if (x < 0) {
        return x;
    }
    fl_thread_start(&home, "home", standalone_home, s);
    x = fl_apiserver_open(&api, &s->api, err);
    (void)pthread_join(home, NULL);
    if (s->home_rc < 0) {
        *err = s->home_err;
        return s->home_rc;
    }
    return x;
}

static int standalone_listen(struct standalone *s, struct fl_err *err)
{
    fl_apiserver_set_token(s->api, &s->home.token);
    const struct fl_httpd_conf http = {
        .host = s->host,
        .port = s->port,
        .cert_pem = s->home.cert_pem.data,
        .key_pem = s->home.key_pem.data,
        .serve = fl_apiserver_serve,
        .self = s->api,
        .body_cap = fl_apiserver_body_cap,
        .too_big = fl_apiserver_too_big,
        .server_name = "api",
    };
    int x = fl_httpd_start(&http, &s->httpd, err);
    if (x == 0) {
        s->port = fl_httpd_port(s->httpd);
    }
    return x;
}

static int standalone_write_kubeconfig(struct standalone *s, struct fl_err *err)
{
    const char *path = s->o->write_kubeconfig;
    if (!path) {
        path = fl_arena_fmt(s->arena, "%s/kubeconfig", s->o->data_dir);
    }
    int x = fl_home_write_kubeconfig(&s->home, path, s->host, s->port, err);
    if (x < 0) {
        return fl_wrap(err, "--write-kubeconfig");
    }
    fl_log(FL_LOG_INFO, "the Kubernetes API answers", FL_S("host", s->host), FL_I("port", s->port),
           FL_S("kubeconfig", path));
    return 0;
}

static void standalone_metrics(void *arg, struct fl_buf *b)
{
    fl_apiserver_metrics(arg, b);
}

static bool standalone_ready(void *arg, struct fl_buf *why)
{
    return fl_apiserver_ready(arg, why);
}

static int standalone_start(struct standalone *s, struct fl_err *err)
{
    int x = standalone_address(s, err);
    x = x < 0 ? x : standalone_open_store(s, err);
    x = x < 0 ? x : standalone_listen(s, err);
    if (x < 0) {
        return x;
    }
    s->kube = fl_kube_new_local(fl_apiserver_serve, s->api, "system:fairlead", s->clock);
    const struct fl_work_conf work = {
        .options = s->o,
        .kube = s->kube,
        .clock = s->clock,
        .controllers = !s->o->no_controllers,
        .ready = standalone_ready,
        .metrics = standalone_metrics,
        .arg = s->api,
    };
    x = fl_work_open(&work, &s->work, err);
    x = x < 0 ? x : fl_work_begin(s->work, err);
    return x < 0 ? x : standalone_write_kubeconfig(s, err);
}

/* From the inside out: passes end first and can still write their status, then clients are let go. */
static void standalone_stop(struct standalone *s)
{
    fl_work_stop(s->work, s->o->grace_ms * 3 / 4);
    if (s->api) {
        fl_apiserver_stop(s->api);
    }
    if (s->httpd) {
        fl_httpd_stop(s->httpd, s->o->grace_ms / 4);
    }
    fl_kube_free(s->kube);
    if (s->api) {
        fl_apiserver_close(s->api);
    }
    fl_home_release(&s->home);
}

int fl_program_standalone(const struct fl_options *o)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    struct standalone s = {.o = o, .arena = a, .clock = fl_clock_real()};
    int x = standalone_start(&s, &err);
    if (x == 0) {
        fl_program_wait_signal();
    }
    standalone_stop(&s);
    if (x < 0) {
        return fl_program_fail("fairlead standalone cannot start", &err);
    }
    fl_log_msg(FL_LOG_INFO, "ended");
    return 0;
}

int fl_program_rotate_key(const struct fl_options *o)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    const char *path = o->key_file ? o->key_file : fl_arena_fmt(a, "%s/secrets.key", o->data_dir);
    int x = fl_keyring_rotate(path, &err);
    if (x < 0) {
        (void)fprintf(stderr, "fairlead: the key was not rotated: %s%s\n", err.msg,
                      x == FL_E_NOT_FOUND ? " (--data-dir or --key-file says where it is)" : "");
        return 1;
    }
    printf("%s: a new key stands first. Restart fairlead standalone: it encrypts with it from then "
           "on, and what older keys "
           "sealed is sealed again within minutes.\n",
           path);
    return 0;
}
