/* SPDX-License-Identifier: Apache-2.0 */
#include "api/v1alpha1/git_mirror.h"

#include <arpa/inet.h>

#include "api/meta/checks.h"
#include "api/scheme.h"
#include "api/v1alpha1/checks.h"
#include "base/giturl.h"
#include "base/glob.h"
#include "base/num.h"

#define AT(m) .at = offsetof(struct fl_git_mirror_spec, m)
#define AT_STATUS(m) .at = offsetof(struct fl_git_mirror_status, m)
#define AT_GUARD(m) .at = offsetof(struct fl_mirror_guard, m)
#define AT_LIMITS(m) .at = offsetof(struct fl_mirror_limits, m)
#define AT_PUSH(m) .at = offsetof(struct fl_mirror_push, m)
#define AT_WEBHOOK(m) .at = offsetof(struct fl_mirror_webhook, m)
#define AT_FETCH(m) .at = offsetof(struct fl_mirror_fetch, m)
#define AT_PEAK(m) .at = offsetof(struct fl_mirror_peak, m)
#define AT_HELD(m) .at = offsetof(struct fl_mirror_held, m)
#define AT_PUSHED(m) .at = offsetof(struct fl_mirror_pushed, m)
#define AT_MOVE(m) .at = offsetof(struct fl_mirror_move, m)

#define PATTERNS_MAX 256
#define HOSTS_MAX 64
#define MIB_MAX 10000000 /* nearly 10 TiB */
#define ALL_REFS "refs/**"
#define URL_PATTERN "^(https?://|ssh://([A-Za-z0-9._+-]+@)?)[^/?#@\\s]+/[^?#\\s]+$"

const char *const fl_git_provider_names[] = {"generic", "github", NULL};
const char *const fl_force_push_names[] = {"Update", "KeepOld", "Block", NULL};
const char *const fl_lfs_mode_names[] = {"Detect", "Fetch", "Ignore", NULL};
const char *const fl_divergence_names[] = {"Overwrite", "KeepDivergent", "FastForwardOnly", NULL};
const char *const fl_webhook_type_names[] = {
    "generic-hmac", "github", "gitlab", "gitea", "gogs", "bitbucket", "bitbucket-server", NULL};
const char *const fl_mirror_deletion_names[] = {"Orphan", "Delete", NULL};

/* The same as the defaults of the rows below. */
static const char *default_include[] = {"refs/heads/**", "refs/tags/**"};
const struct fl_mirror_refs fl_mirror_refs_default = {
    .include = {.v = default_include, .n = FL_LEN(default_include)},
};
const struct fl_mirror_guard fl_mirror_guard_default = {
    .max_delete_percent = 25,
    .max_deletes = 100,
    .on_force_push = FL_FORCE_KEEP_OLD,
    .kept_for_ms = INT64_C(720) * 3600 * 1000,
};
const struct fl_mirror_limits fl_mirror_limits_default = {
    .max_refs = 100000,
    .max_pack_mib = 10240,
    .max_repo_mib = 0,
};

/* ---- strings ---- */

static bool url_check(struct fl_str s, struct fl_err *why)
{
    struct fl_git_url u;
    return fl_git_url_parse(s, &u, why) == 0;
}

static bool pattern_check(struct fl_str s, struct fl_err *why)
{
    if (fl_git_pattern_check(s, why) != 0) {
        return false;
    }
    if (fl_str_starts(s, "refs/fairlead/") || fl_str_is(s, "refs/fairlead")) {
        (void)fl_fail(why, FL_E_INVALID, "InvalidPattern",
                      "refs/fairlead/ holds the server's own refs, which are never mirrored");
        return false;
    }
    return true;
}

/* What inet_pton makes of "address[/bits]". */
struct block {
    bool v6;
    unsigned char net[16];
    int64_t bits;
};

/* False: neither address nor block. */
static bool block_parse(struct fl_str s, struct block *ret)
{
    char text[INET6_ADDRSTRLEN];
    struct fl_str head;
    bool slash = fl_str_cut(&s, '/', &head);
    if (head.n == 0 || head.n >= sizeof(text) || memchr(head.p, 0, head.n)) {
        return false;
    }
    memcpy(text, head.p, head.n);
    text[head.n] = '\0';
    ret->v6 = inet_pton(AF_INET6, text, ret->net) == 1;
    if (!ret->v6 && inet_pton(AF_INET, text, ret->net) != 1) {
        return false;
    }
    int64_t most = ret->v6 ? 128 : 32;
    ret->bits = most;
    return !slash || (fl_num_i64(s, &ret->bits) && ret->bits >= 0 && ret->bits <= most);
}

/* All of it is link-local, also in the clothes of IPv6 (::ffff:169.254.0.0/112): metadata services
 * of clouds are there. */
static bool is_link_local(const struct block *b)
{
    static const unsigned char mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254};
    if (b->v6 && b->bits >= 112 && memcmp(b->net, mapped, sizeof(mapped)) == 0) {
        return true;
    }
    if (b->v6) {
        return b->bits >= 10 && b->net[0] == 0xfe && (b->net[1] & 0xc0) == 0x80;
    }
    return b->bits >= 16 && b->net[0] == 169 && b->net[1] == 254;
}

static bool has_only(struct fl_str s, const char *set)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\0' || !strchr(set, s.p[i])) {
            return false;
        }
    }
    return true;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool host_check(struct fl_str s, struct fl_err *why)
{
    struct block b;
    if (block_parse(s, &b)) {
        if (is_link_local(&b)) {
            (void)fl_fail(why, FL_E_INVALID, "InvalidHost",
                          "must not be link-local: such addresses are never asked");
            return false;
        }
        return true;
    }
    /* Digits and dots alone are an address that went wrong, and never a name. */
    if (s.n == 0 || has_only(s, DIGITS ".") || !has_only(s, LETTERS DIGITS "-._*?[]{},^\\")) {
        (void)fl_fail(why, FL_E_INVALID, "InvalidHost",
                      "must be a host name, which may hold * and {a,b}, an IP address or a CIDR "
                      "block such as 10.0.0.0/8; without scheme, port or brackets");
        return false;
    }
    return fl_glob_check(s, why) == 0;
}

/* ---- spec ---- */

static const struct fl_field refs_rows[] = {
    {.name = "include",
     .type = FL_LIST,
     .at = offsetof(struct fl_mirror_refs, include),
     .item = FL_STRING,
     .min = 1,
     .max = PATTERNS_MAX,
     .check = pattern_check,
     .def = "[\"refs/heads/**\",\"refs/tags/**\"]",
     .doc = "Patterns over full names, such as refs/heads/main or refs/tags/v*: * within a path "
            "component, ** for any number of components, ?, [a-z], [^a-z], {a,b}. Absent = all "
            "branches and all tags. refs/** is everything, also the refs of pull requests that "
            "some hosts change all the time."},
    {.name = "exclude",
     .type = FL_LIST,
     .at = offsetof(struct fl_mirror_refs, exclude),
     .item = FL_STRING,
     .max = PATTERNS_MAX,
     .check = pattern_check,
     .doc = "Patterns of refs to leave out; wins over include. Same syntax."},
    {.type = FL_END},
};

static const struct fl_field guard_rows[] = {
    {.name = "maxDeletePercent",
     .type = FL_INT,
     AT_GUARD(max_delete_percent),
     .def = "25",
     .min = 0,
     .max = 100,
     .doc = "Removals are held when they, with those before them, are more than this share of the "
            "refs that the mirror had within a day, in percent (0 to 100); up to 5 refs go without "
            "asking for the share. 100 = the share is no reason. A remote that has no refs, no "
            "branches or no default branch left is held whatever stands here."},
    {.name = "maxDeletes",
     .type = FL_INT,
     AT_GUARD(max_deletes),
     .def = "100",
     .min = 0,
     .max = 1000000,
     .doc = "Removals are held when they are more than this number of refs at once. 0 = every "
            "removal waits for approval."},
    {.name = "onForcePush",
     .type = FL_ENUM,
     AT_GUARD(on_force_push),
     .names = fl_force_push_names,
     .def = "\"KeepOld\"",
     .doc = "What happens when a ref moves to a commit that does not descend from the old one, or "
            "a tag moves. Update: it follows. KeepOld: it follows, and the old commit is kept "
            "under refs/fairlead/kept/ for keptFor. Block: it stays until approved."},
    {.name = "keptFor",
     .type = FL_DURATION,
     AT_GUARD(kept_for_ms),
     .def = "\"720h\"",
     .doc = "How long KeepOld keeps an old commit, as a Go duration. \"0\", in quotes, = for "
            "ever."},
    {.type = FL_END},
};

static const struct fl_field limits_rows[] = {
    {.name = "maxRefs",
     .type = FL_INT,
     AT_LIMITS(max_refs),
     .def = "100000",
     .min = 1,
     .max = 1000000,
     .doc = "A remote with more refs than this, after spec.refs, is not fetched (1 to 1000000)."},
    {.name = "maxPackMiB",
     .type = FL_INT,
     AT_LIMITS(max_pack_mib),
     .def = "10240",
     .min = 0,
     .max = MIB_MAX,
     .doc = "What one fetch may bring, in MiB; a fetch that passes it is ended and nothing of it "
            "is kept. 0 = no limit."},
    {.name = "maxRepoMiB",
     .type = FL_INT,
     AT_LIMITS(max_repo_mib),
     .def = "0",
     .min = 0,
     .max = MIB_MAX,
     .doc = "Nothing more is fetched into a repository that is larger than this on disk, in MiB. "
            "0 = no limit."},
    {.type = FL_END},
};

static const struct fl_field push_rows[] = {
    {.name = "name",
     .type = FL_STRING,
     AT_PUSH(name),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 63,
     .check = fl_check_dns_label,
     .pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
     .doc = "Name of the target, unique within the mirror; lower-case letters, digits and '-'. "
            "status.push speaks of it by this name."},
    {.name = "url",
     .type = FL_STRING,
     AT_PUSH(url),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = FL_GIT_URL_MAX,
     .check = url_check,
     .pattern = URL_PATTERN,
     .doc = "Where to push to: https://, http:// or ssh://. Must be another repository than "
            "spec.url and the other targets. Same rules as spec.url."},
    {.name = "provider",
     .type = FL_ENUM,
     AT_PUSH(provider),
     .names = fl_git_provider_names,
     .def = "\"generic\"",
     .doc = "Whose way to sign in the Secret of this target follows, as spec.provider."},
    {.name = "secretRef",
     .type = FL_OBJECT,
     AT_PUSH(secret_ref),
     .rows = fl_local_ref_rows,
     .size = sizeof(struct fl_local_ref),
     .doc = "Secret with the credentials for this target, in the same namespace; same keys as "
            "spec.secretRef. Those of the source are never sent here."},
    {.name = "refs",
     .type = FL_OBJECT,
     AT_PUSH(refs),
     .rows = refs_rows,
     .size = sizeof(struct fl_mirror_refs),
     .doc = "Which of the mirror's refs are pushed here. Absent = all that spec.refs means."},
    {.name = "divergence",
     .type = FL_ENUM,
     AT_PUSH(divergence),
     .names = fl_divergence_names,
     .def = "\"Overwrite\"",
     .doc = "What happens to a ref that has commits at the target which the mirror does not have. "
            "Overwrite: it is replaced. KeepDivergent: it is left as it is, the others are pushed. "
            "FastForwardOnly: only refs that move forward are pushed, tags never move."},
    {.name = "prune",
     .type = FL_BOOL,
     AT_PUSH(prune),
     .def = "true",
     .doc = "true = a ref that the mirror does not have is removed at the target too, as far as "
            "refs means it. false = nothing is removed there."},
    {.type = FL_END},
};

static const struct fl_field webhook_rows[] = {
    {.name = "type",
     .type = FL_ENUM,
     AT_WEBHOOK(type),
     .names = fl_webhook_type_names,
     .flags = FL_REQUIRED,
     .doc = "Who sends: it says how deliveries are signed. gitea is also Forgejo, "
            "bitbucket is the cloud, generic-hmac a header X-Signature: sha256=<hex HMAC of the "
            "body>."},
    {.name = "secretRef",
     .type = FL_OBJECT,
     AT_WEBHOOK(secret_ref),
     .flags = FL_REQUIRED,
     .rows = fl_local_ref_rows,
     .size = sizeof(struct fl_local_ref),
     .doc = "Secret whose key token is what the sender signs with (GitLab: sends), in the same "
            "namespace."},
    {.type = FL_END},
};

#define INTERVAL_DOC                                                                               \
    "How often the remote is asked, as a Go duration (5m, 1h30m). Absent: the server's default, "  \
    "5m unless it was started with another. \"0\", in quotes, = never by the clock: only by "      \
    "change, webhook or request."

static const struct fl_field spec_rows[] = {
    {.name = "url",
     .type = FL_STRING,
     AT(url),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = FL_GIT_URL_MAX,
     .check = url_check,
     .pattern = URL_PATTERN,
     .doc = "The remote repository: https://, http:// or ssh://[user@]host[:port]/path. No "
            "password, query or fragment; not the short form user@host:path."},
    {.name = "provider",
     .type = FL_ENUM,
     AT(provider),
     .names = fl_git_provider_names,
     .def = "\"generic\"",
     .doc = "Whose way to sign in the Secret follows. github: a GitHub App (githubAppID and the "
            "keys beside it). generic: everything else, tokens of GitHub too."},
    {.name = "secretRef",
     .type = FL_OBJECT,
     AT(secret_ref),
     .rows = fl_local_ref_rows,
     .size = sizeof(struct fl_local_ref),
     .doc = "Secret with the credentials, in the same namespace. Its keys: username and password; "
            "or bearerToken; for ssh identity and known_hosts (and password, of the key); with "
            "provider github githubAppID, githubAppInstallationID or githubAppInstallationOwner, "
            "githubAppPrivateKey, githubAppBaseURL. Beside them ca.crt, tls.crt and tls.key. "
            "Absent = anonymous. Not with an http:// URL; required with ssh://."},
    {.name = "refs",
     .type = FL_OBJECT,
     AT(refs),
     .rows = refs_rows,
     .size = sizeof(struct fl_mirror_refs),
     .doc = "Which refs are mirrored. Absent = all branches and all tags."},
    {.name = "prune",
     .type = FL_BOOL,
     AT(prune),
     .def = "true",
     .doc = "true = refs that are gone at the remote go here too, within spec.guard. false = "
            "nothing is removed."},
    {.name = "guard",
     .type = FL_OBJECT,
     AT(guard),
     .rows = guard_rows,
     .size = sizeof(struct fl_mirror_guard),
     .doc = "Which moves of the remote's refs wait for approval by the annotation "
            "fairlead.dev/approve. Absent = the defaults of its fields."},
    {.name = "limits",
     .type = FL_OBJECT,
     AT(limits),
     .rows = limits_rows,
     .size = sizeof(struct fl_mirror_limits),
     .doc = "How large the remote may be. Absent = the defaults of its fields."},
    {.name = "fsck",
     .type = FL_BOOL,
     AT(fsck),
     .def = "true",
     .doc = "true = a fetch with malformed objects is refused. false = they are taken: for old "
            "repositories whose history has such."},
    {.name = "allowedHosts",
     .type = FL_LIST,
     AT(allowed_hosts),
     .item = FL_STRING,
     .max = HOSTS_MAX,
     .check = host_check,
     .doc = "Hosts of spec.url and of push targets that may have private or loopback addresses: "
            "names (*.corp.example.com), addresses, CIDR blocks (10.0.0.0/8). All others must be "
            "public; link-local addresses are never asked."},
    {.name = "push",
     .type = FL_LIST,
     AT(push),
     .item = FL_OBJECT,
     .flags = FL_LIST_MAP,
     .key = "name",
     .rows = push_rows,
     .size = sizeof(struct fl_mirror_push),
     .max = 16,
     .doc = "Repositories elsewhere that the mirror is pushed to whenever it has changed, at most "
            "16."},
    {.name = "lfs",
     .type = FL_ENUM,
     AT(lfs),
     .names = fl_lfs_mode_names,
     .def = "\"Detect\"",
     .doc = "Large files (Git LFS), whose contents are no part of a git repository. Detect: the "
            "condition LFSIncomplete tells that there are some. Fetch: they are fetched too, with "
            "the program git-lfs. Ignore: not looked for."},
    {.name = "webhook",
     .type = FL_OBJECT,
     AT(webhook),
     .rows = webhook_rows,
     .size = sizeof(struct fl_mirror_webhook),
     .doc = "Lets the remote's host tell of pushes; status.webhookPath says where. Absent = by "
            "the clock and on request only."},
    {.name = "deletionPolicy",
     .type = FL_ENUM,
     AT(deletion_policy),
     .names = fl_mirror_deletion_names,
     .def = "\"Orphan\"",
     .doc = "What becomes of the repository on disk when the GitMirror is deleted. Orphan: it "
            "stays, and is taken up again by a GitMirror of the same name. Delete: it is "
            "removed."},
    FL_COMMON_ROWS_SAID(struct fl_git_mirror_spec, NULL, INTERVAL_DOC, "\"10m\"",
                        "How long one fetch or one push may take before it is given up (1s to "
                        "24h)."),
    {.type = FL_END},
};

/* ---- status ---- */

static const struct fl_field head_rows[] = {
    {.name = "ref",
     .type = FL_STRING,
     .at = offsetof(struct fl_mirror_head, ref),
     .doc = "Full name of the default branch."},
    {.name = "oid",
     .type = FL_STRING,
     .at = offsetof(struct fl_mirror_head, oid),
     .doc = "The commit it is at. Absent: the branch does not exist, as in an empty repository."},
    {.type = FL_END},
};

static const struct fl_field fetch_rows[] = {
    {.name = "time", .type = FL_TIME, AT_FETCH(time), .doc = "When it ended."},
    {.name = "trigger",
     .type = FL_STRING,
     AT_FETCH(trigger),
     .doc = "What made the mirror look: Interval, Webhook, Manual or Spec."},
    {.name = "created", .type = FL_INT, AT_FETCH(created), .doc = "Refs that were new."},
    {.name = "updated", .type = FL_INT, AT_FETCH(updated), .doc = "Refs that moved forward."},
    {.name = "forced",
     .type = FL_INT,
     AT_FETCH(forced),
     .doc = "Refs that moved to a commit which does not descend from the old one."},
    {.name = "deleted", .type = FL_INT, AT_FETCH(deleted), .doc = "Refs that were removed."},
    {.name = "durationMs",
     .type = FL_INT,
     AT_FETCH(duration_ms),
     .doc = "How long it took, in milliseconds."},
    {.type = FL_END},
};

static const struct fl_field peak_rows[] = {
    {.name = "time",
     .type = FL_TIME,
     AT_PEAK(time),
     .doc = "When the mirror came to have so many."},
    {.name = "refs", .type = FL_INT, AT_PEAK(refs), .doc = "How many."},
    {.type = FL_END},
};

static const struct fl_field held_rows[] = {
    {.name = "nonce",
     .type = FL_STRING,
     AT_HELD(nonce),
     .doc = "The value for the annotation fairlead.dev/approve that lets these moves happen. "
            "Other moves have another one."},
    {.name = "since", .type = FL_TIME, AT_HELD(since), .doc = "Since when something is held."},
    {.name = "deletions", .type = FL_INT, AT_HELD(deletions), .doc = "Removals that wait."},
    {.name = "forced",
     .type = FL_INT,
     AT_HELD(forced),
     .doc = "Force pushes that wait (onForcePush Block)."},
    {.name = "refs",
     .type = FL_LIST,
     AT_HELD(refs),
     .item = FL_STRING,
     .max = 50,
     .doc = "Which refs; the first 50."},
    {.type = FL_END},
};

static const struct fl_field rejected_rows[] = {
    {.name = "ref",
     .type = FL_STRING,
     .at = offsetof(struct fl_mirror_rejected, ref),
     .doc = "Full name of the ref."},
    {.name = "message",
     .type = FL_STRING,
     .at = offsetof(struct fl_mirror_rejected, message),
     .doc = "Why, in the words of the target."},
    {.type = FL_END},
};

static const struct fl_field pushed_held_rows[] = {
    {.name = "nonce",
     .type = FL_STRING,
     AT_HELD(nonce),
     .doc = "The value for the annotation fairlead.dev/approve that lets just these removals "
            "happen at this target. Absent: they wait for what the mirror itself holds."},
    {.name = "since", .type = FL_TIME, AT_HELD(since), .doc = "Since when something is held."},
    {.name = "deletions", .type = FL_INT, AT_HELD(deletions), .doc = "Removals that wait."},
    {.name = "refs",
     .type = FL_LIST,
     AT_HELD(refs),
     .item = FL_STRING,
     .max = 20,
     .doc = "Which refs; the first 20."},
    {.type = FL_END},
};

static const struct fl_field pushed_rows[] = {
    {.name = "name",
     .type = FL_STRING,
     AT_PUSHED(name),
     .flags = FL_REQUIRED,
     .doc = "Name of the target in spec.push."},
    {.name = "url",
     .type = FL_STRING,
     AT_PUSHED(url),
     .doc = "Where this was pushed to. With another url in spec.push all begins anew."},
    {.name = "followsSince",
     .type = FL_TIME,
     AT_PUSHED(follows_since),
     .doc = "Since when the target follows the mirror by this spec: nothing of its own was left "
            "to remove. Absent: not yet, and every removal there waits for approval."},
    {.name = "time",
     .type = FL_TIME,
     AT_PUSHED(time),
     .doc = "When something was last changed there."},
    {.name = "digest",
     .type = FL_STRING,
     AT_PUSHED(digest),
     .doc = "Digest of the refs that it has, where they are all that they should be. Absent: it "
            "differs, or is not known."},
    {.name = "updated",
     .type = FL_INT,
     AT_PUSHED(updated),
     .doc = "Refs that the last push created or moved."},
    {.name = "deleted",
     .type = FL_INT,
     AT_PUSHED(deleted),
     .doc = "Refs that the last push removed."},
    {.name = "rejected",
     .type = FL_INT,
     AT_PUSHED(rejected),
     .doc = "Refs that the target did not take, or that were left alone because they diverge."},
    {.name = "rejections",
     .type = FL_LIST,
     AT_PUSHED(rejections),
     .item = FL_OBJECT,
     .rows = rejected_rows,
     .size = sizeof(struct fl_mirror_rejected),
     .max = 20,
     .doc = "Which refs and why; the first 20."},
    {.name = "held",
     .type = FL_OBJECT,
     AT_PUSHED(held),
     .rows = pushed_held_rows,
     .size = sizeof(struct fl_mirror_held),
     .doc = "Removals at the target that wait. Absent: none does."},
    {.name = "message",
     .type = FL_STRING,
     AT_PUSHED(message),
     .doc = "Why the target as a whole could not be pushed to. Absent: it could."},
    {.type = FL_END},
};

static const struct fl_field plan_rows[] = {
    {.name = "action",
     .type = FL_STRING,
     AT_MOVE(action),
     .doc = "What would be done: Create, Update, Delete, Hold (it would wait for approval), Push "
            "(at a target)."},
    {.name = "ref", .type = FL_STRING, AT_MOVE(ref), .doc = "Full name of the ref."},
    {.name = "old",
     .type = FL_STRING,
     AT_MOVE(old),
     .doc = "What it points at now. Absent: it does not exist."},
    {.name = "new",
     .type = FL_STRING,
     AT_MOVE(new),
     .doc = "What it would point at. Absent: it would be removed."},
    {.type = FL_END},
};

static const struct fl_field status_rows[] = {
    FL_STATUS_COMMON_ROWS(struct fl_git_mirror_status),
    {.name = "path",
     .type = FL_STRING,
     AT_STATUS(path),
     .doc = "Folder of the bare repository on the server's disk, for other programs to read."},
    {.name = "refsDigest",
     .type = FL_STRING,
     AT_STATUS(refs_digest),
     .doc = "sha256: and the digest over all refs that the mirror has, and the remote was last "
            "seen to have."},
    {.name = "refCount", .type = FL_INT, AT_STATUS(ref_count), .doc = "How many refs these are."},
    {.name = "peak",
     .type = FL_OBJECT,
     AT_STATUS(peak),
     .rows = peak_rows,
     .size = sizeof(struct fl_mirror_peak),
     .doc = "The most refs that the mirror had within the last day: spec.guard.maxDeletePercent is "
            "a share of these, so that many small removals count together."},
    {.name = "source",
     .type = FL_STRING,
     AT_STATUS(source),
     .doc = "The repository whose refs these are, as host and path. Where spec.url names another "
            "one, removals and force pushes wait for approval."},
    {.name = "head",
     .type = FL_OBJECT,
     AT_STATUS(head),
     .rows = head_rows,
     .size = sizeof(struct fl_mirror_head),
     .doc = "The default branch (HEAD)."},
    {.name = "protocol",
     .type = FL_STRING,
     AT_STATUS(protocol),
     .doc = "How the remote lists its refs: v2, v0, dumb (a static host) or ssh."},
    {.name = "lastPollTime",
     .type = FL_TIME,
     AT_STATUS(last_poll_time),
     .doc = "When the outcome of asking the remote last changed; a poll with the same outcome does "
            "not move it."},
    {.name = "lastFetch",
     .type = FL_OBJECT,
     AT_STATUS(last_fetch),
     .rows = fetch_rows,
     .size = sizeof(struct fl_mirror_fetch),
     .doc = "The last fetch that changed something."},
    {.name = "held",
     .type = FL_OBJECT,
     AT_STATUS(held),
     .rows = held_rows,
     .size = sizeof(struct fl_mirror_held),
     .doc = "Moves of refs that wait for approval. Absent: none does."},
    {.name = "keptTips",
     .type = FL_INT,
     AT_STATUS(kept_tips),
     .doc = "Old commits of force-pushed refs that are kept under refs/fairlead/kept/."},
    {.name = "push",
     .type = FL_LIST,
     AT_STATUS(push),
     .item = FL_OBJECT,
     .flags = FL_LIST_MAP,
     .key = "name",
     .rows = pushed_rows,
     .size = sizeof(struct fl_mirror_pushed),
     .max = 16,
     .doc = "How far each push target is."},
    {.name = "webhookPath",
     .type = FL_STRING,
     AT_STATUS(webhook_path),
     .doc = "Path on the server's webhook address to which the remote's host sends; cannot be "
            "guessed, changes with the token."},
    {.name = "lfs",
     .type = FL_BOOL,
     AT_STATUS(lfs),
     .doc = "Whether the default branch has large files (Git LFS), by its .gitattributes."},
    {.name = "plan",
     .type = FL_LIST,
     AT_STATUS(plan),
     .item = FL_OBJECT,
     .rows = plan_rows,
     .size = sizeof(struct fl_mirror_move),
     .max = 200,
     .doc = "What would be done, under the modes Plan and Observe; the first 200."},
    {.type = FL_END},
};

static const struct fl_field rows[] = {
    {.name = "spec",
     .type = FL_OBJECT,
     .flags = FL_REQUIRED,
     .rows = spec_rows,
     .doc = "Which repository is mirrored, and how carefully."},
    {.name = "status",
     .type = FL_OBJECT,
     .flags = FL_STATUS_ONLY,
     .rows = status_rows,
     .doc = "What the mirror has; written by Fairlead."},
    {.type = FL_END},
};

static const struct fl_column columns[] = {
    {.name = "URL", .type = "string", .path = ".spec.url", .doc = "The remote repository."},
    FL_COLUMN_READY,
    FL_COLUMN_STATUS,
    FL_COLUMN_AGE,
    {.name = "Refs",
     .type = "integer",
     .path = ".status.refCount",
     .priority = 1,
     .doc = "How many refs the mirror has."},
    {.name = "Head",
     .type = "string",
     .path = ".status.head.ref",
     .priority = 1,
     .doc = "The default branch."},
    {.name = "Interval",
     .type = "string",
     .path = ".spec.interval",
     .priority = 1,
     .doc = "How often the remote is asked; empty = the server's default."},
    {.name = "Last Fetch",
     .type = "date",
     .path = ".status.lastFetch.time",
     .priority = 1,
     .doc = "How long ago something last changed."},
    FL_COLUMN_MESSAGE,
    {.path = NULL},
};

/* ---- across fields ---- */

/* A URL with what it says of the Secret beside it; field: "spec" or "spec.push[2]". */
static void check_credentials(const char *field, const struct fl_git_url *u, bool secret,
                              struct fl_violations *vs)
{
    fl_auto_val(fl_buf) at = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&at, "%s.secretRef", field);
    if (u->scheme == FL_GIT_HTTP && secret) {
        fl_violate(vs, FL_CAUSE_FORBIDDEN, at.data, NULL,
                   "may not be set when %s.url is http://: credentials are never sent unencrypted; "
                   "use https:// or ssh://",
                   field);
    } else if (u->scheme == FL_GIT_SSH && !secret) {
        fl_violate(vs, FL_CAUSE_REQUIRED, at.data, NULL,
                   "ssh:// needs a Secret with the keys identity (the private key) and known_hosts "
                   "(what ssh-keyscan %.*s prints, compared with what the host's owner says)",
                   FL_STR_ARG(u->host));
    }
}

/* field: as above. */
static void check_provider(const char *field, const struct fl_git_url *u, int provider, bool secret,
                           struct fl_violations *vs)
{
    fl_auto_val(fl_buf) at = FL_BUF_INIT(FL_BUF_ANY);
    if (provider != FL_GIT_GITHUB) {
        return;
    }
    if (u->scheme != FL_GIT_HTTPS) {
        fl_buf_fmt(&at, "%s.provider", field);
        fl_violate_text(vs, at.data, fl_git_provider_names[provider],
                        "signs in with tokens, which go over https:// only");
    } else if (!secret) {
        fl_buf_fmt(&at, "%s.secretRef", field);
        fl_violate(vs, FL_CAUSE_REQUIRED, at.data, NULL, "%s",
                   "provider github needs a Secret with githubAppID, githubAppPrivateKey and "
                   "githubAppInstallationID or githubAppInstallationOwner");
    }
}

static const struct fl_mirror_push *target(const struct fl_git_mirror_spec *spec, size_t i)
{
    return &((const struct fl_mirror_push *)spec->push.v)[i];
}

/* Whether both are one repository; a URL that cannot be read is none. */
static bool same_place(const char *a, const char *b)
{
    struct fl_git_url u;
    struct fl_git_url v;
    fl_auto_val(fl_buf) place_a = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) place_b = FL_BUF_INIT(FL_BUF_ANY);
    if (fl_git_url_parse(fl_str_of(a), &u, NULL) != 0 ||
        fl_git_url_parse(fl_str_of(b), &v, NULL) != 0) {
        return false;
    }
    fl_git_url_place(&place_a, &u);
    fl_git_url_place(&place_b, &v);
    return fl_str_eq(fl_buf_slice(&place_a), fl_buf_slice(&place_b));
}

static void check_target_place(const struct fl_git_mirror_spec *spec, size_t i, const char *field,
                               struct fl_violations *vs)
{
    const char *url = target(spec, i)->url;
    fl_auto_val(fl_buf) at = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) why = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&at, "%s.url", field);
    if (same_place(url, spec->url)) {
        fl_violate_text(vs, at.data, url, "must be another repository than spec.url");
        return;
    }
    for (size_t j = 0; j < i; j++) {
        if (same_place(url, target(spec, j)->url)) {
            fl_buf_fmt(&why, "must be another repository than spec.push[%zu].url", j);
            fl_violate_text(vs, at.data, url, why.data);
            return;
        }
    }
}

static bool list_has(const struct fl_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++) {
        if (fl_text_eq(((const char *const *)l->v)[i], text)) {
            return true;
        }
    }
    return false;
}

/* Lists that plainly leave nothing: all that is included is excluded word for word. */
static void check_refs(const char *field, const struct fl_mirror_refs *refs,
                       struct fl_violations *vs)
{
    bool left = !refs || refs->include.n == 0;
    for (size_t i = 0; !left && i < refs->include.n; i++) {
        left = !list_has(&refs->exclude, ((const char *const *)refs->include.v)[i]);
    }
    if (refs && (!left || list_has(&refs->exclude, ALL_REFS))) {
        fl_auto_val(fl_buf) at = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&at, "%s.refs.exclude", field);
        fl_violate(vs, FL_CAUSE_FORBIDDEN, at.data, NULL, "%s",
                   "may not leave out all that include takes: nothing would be mirrored");
    }
}

static void check_target(const struct fl_git_mirror_spec *spec, size_t i, struct fl_violations *vs)
{
    const struct fl_mirror_push *t = target(spec, i);
    struct fl_git_url u;
    fl_auto_val(fl_buf) field = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&field, "spec.push[%zu]", i);
    if (t->url && fl_git_url_parse(fl_str_of(t->url), &u, NULL) == 0) {
        check_credentials(field.data, &u, t->secret_ref != NULL, vs);
        check_provider(field.data, &u, t->provider, t->secret_ref != NULL, vs);
        check_target_place(spec, i, field.data, vs);
    }
    check_refs(field.data, t->refs, vs);
}

static void check_guard(const struct fl_mirror_guard *g, struct fl_violations *vs)
{
    if (g && g->kept_for_ms > 0 && g->kept_for_ms < 1000) {
        fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
        fl_duration_fmt(&text, g->kept_for_ms);
        fl_violate_text(vs, "spec.guard.keptFor", text.data, "must be 0 (for ever) or at least 1s");
    }
}

static void check(const void *spec_, const void *old_spec, struct fl_violations *vs)
{
    const struct fl_git_mirror_spec *spec = spec_;
    struct fl_git_url u;
    (void)old_spec;
    fl_check_common(&spec->common, vs);
    if (spec->url && fl_git_url_parse(fl_str_of(spec->url), &u, NULL) == 0) {
        check_credentials("spec", &u, spec->secret_ref != NULL, vs);
        check_provider("spec", &u, spec->provider, spec->secret_ref != NULL, vs);
    }
    check_refs("spec", spec->refs, vs);
    check_guard(spec->guard, vs);
    for (size_t i = 0; i < spec->push.n; i++) {
        check_target(spec, i, vs);
    }
}

static const char *const short_names[] = {"gm", NULL};
static const char *const categories[] = {"fairlead", NULL};

const struct fl_kind fl_kind_git_mirror = {
    .group = FL_GROUP,
    .version = FL_VERSION_V1ALPHA1,
    .kind = "GitMirror",
    .plural = "gitmirrors",
    .singular = "gitmirror",
    .short_names = short_names,
    .categories = categories,
    .namespaced = true,
    .flags = FL_KIND_STATUS | FL_KIND_CUSTOM,
    .doc = "GitMirror is a bare mirror on local disk of a remote git repository. It is kept "
           "current by webhook and interval, guarded against remotes that were emptied or "
           "rewritten, and pushed on to other repositories where asked.",
    .rows = rows,
    .spec_rows = spec_rows,
    .spec_size = sizeof(struct fl_git_mirror_spec),
    .status_rows = status_rows,
    .status_size = sizeof(struct fl_git_mirror_status),
    .columns = columns,
    .check = check,
};
