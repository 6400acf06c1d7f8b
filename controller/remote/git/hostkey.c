/* SPDX-License-Identifier: Apache-2.0
 * The line of known_hosts that a host's key would be: ssh tells only that there is none. */
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "remote/git/command.h"

enum { SCAN_MS = 6000, LINE_MAX = 300 /* an RSA key would fill the whole message */ };

/* "HOST TYPE KEY" of ssh-keyscan; what stands for HOST is the address. */
static bool key_of_line(struct fl_str line, struct fl_str *ret)
{
    struct fl_str host;

    if (line.n == 0 || line.p[0] == '#' || !fl_str_cut(&line, ' ', &host)) {
        return false;
    }
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] < ' ' || line.p[i] > '~') {
            return false;
        }
    }
    *ret = line;
    return line.n > 0 && line.n <= LINE_MAX;
}

static bool scan(struct fl_remote *r, const char *host, const struct fl_ctx *ctx,
                 struct fl_buf *ret)
{
    static const char *const env[] = {"LANG=C", NULL};
    char address[64];
    char port[16];
    fl_auto_val(fl_proc_resp) out;

    fl_proc_resp_init(&out);
    (void)snprintf(port, sizeof(port), "%u", (unsigned)r->url.port);
    if (fl_http_resolve(host, r->url.port, r->private_hosts ? FL_REACH_PUBLIC : FL_REACH_ANY,
                        r->private_hosts, ctx, address, NULL) < 0) {
        return false;
    }
    const char *const argv[] = {"ssh-keyscan", "-T", "5",  "-t",    "ed25519,ecdsa",
                                "-p",          port, "--", address, NULL};
    const struct fl_proc_req req = {.argv = argv, .env = env, .keep_fd = -1};
    if (fl_proc_run(&req, ctx, &out, NULL) < 0) {
        return false;
    }
    struct fl_str rest = fl_buf_slice(&out.out);
    bool found = false;
    while (rest.n > 0) {
        struct fl_str line;
        struct fl_str key;

        (void)fl_str_cut(&rest, '\n', &line);
        if (key_of_line(fl_str_trim(line), &key) &&
            (!found || fl_str_starts(key, "ssh-ed25519 "))) {
            fl_buf_truncate(ret, 0);
            fl_buf_str(ret, key);
            found = true;
        }
    }
    return found;
}

int git_host_key_say(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_err *err)
{
    fl_auto_text host = fl_strndup(r->url.host.p, r->url.host.n);
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_ctx short_ctx = fl_ctx_timeout(ctx, SCAN_MS);

    if (!err || !fl_text_eq(err->reason, "HostKeyUnknown") || !scan(r, host, &short_ctx, &key)) {
        return err ? err->code : FL_E_AUTH;
    }
    bool other = strstr(err->msg, "another one") != NULL;
    bool usual = r->url.port == 22;
    char port[16] = "";
    if (!usual) {
        (void)snprintf(port, sizeof(port), "]:%u", (unsigned)r->url.port);
    }
    return fl_fail(err, FL_E_AUTH, "HostKeyUnknown",
                   "%s: the host's key is %s; compare it with what the host's owner publishes, "
                   "then add this line: %s%s%s %s",
                   r->url_text, other ? "another one than known_hosts has" : "not in known_hosts",
                   usual ? "" : "[", host, port, key.data);
}
