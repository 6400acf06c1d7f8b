/* SPDX-License-Identifier: Apache-2.0
 * Manifests: what they refer to. The bytes themselves are never written again: a digest is over exactly them. */
#include "api/meta/oci_names.h"
#include "oci/oci.h"
#include "wire/httphead.h"
#include "wire/json.h"

#define MANIFEST_ENTRIES_MAX 10000

enum manifest_type { TYPE_OTHER, TYPE_IMAGE, TYPE_INDEX, TYPE_SCHEMA1 };

static const struct {
    const char *media_type;
    enum manifest_type type;
} manifest_types[] = {
    {"application/vnd.oci.image.manifest.v1+json", TYPE_IMAGE},
    {"application/vnd.docker.distribution.manifest.v2+json", TYPE_IMAGE},
    {"application/vnd.oci.image.index.v1+json", TYPE_INDEX},
    {"application/vnd.docker.distribution.manifest.list.v2+json", TYPE_INDEX},
    {"application/vnd.docker.distribution.manifest.v1+json", TYPE_SCHEMA1},
    {"application/vnd.docker.distribution.manifest.v1+prettyjws", TYPE_SCHEMA1},
};

/* Layers that registries refer to but do not hold. registry.md 3. */
static const char *const manifest_foreign[] = {
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
};

static enum manifest_type manifest_type_of(struct fl_str media_type)
{
    for (size_t i = 0; i < FL_LEN(manifest_types); i++) {
        if (fl_str_case_is(media_type, manifest_types[i].media_type)) {
            return manifest_types[i].type;
        }
    }
    return TYPE_OTHER;
}

/* Some proxies answer with a type that says nothing. */
static bool manifest_type_is_vague(struct fl_str t)
{
    return t.n == 0 || fl_str_case_is(t, "application/octet-stream") ||
           fl_str_case_is(t, "text/plain") || fl_str_case_is(t, "application/json");
}

static int manifest_descriptor(struct fl_arena *a, const struct fl_json *j, struct fl_descriptor *d,
                               struct fl_err *err)
{
    const char *digest = fl_json_get_text(j, "digest");
    const char *type = fl_json_get_text(j, "mediaType");
    int64_t size = -1;
    if (!digest || fl_oci_digest_wrong(fl_str_of(digest))) {
        return fl_fail(err, FL_E_BAD_DATA, "ManifestInvalid", "a descriptor has no valid digest");
    }
    if (!fl_json_as_i64(fl_json_get(j, "size"), &size) || size < 0) {
        return fl_fail(err, FL_E_BAD_DATA, "ManifestInvalid", "descriptor %s has no valid size",
                       digest);
    }
    d->digest = fl_arena_text(a, digest);
    d->media_type = fl_arena_text(a, type ? type : "");
    d->size = size;
    for (size_t i = 0; i < FL_LEN(manifest_foreign); i++) {
        d->foreign = d->foreign || fl_text_starts(d->media_type, manifest_foreign[i]);
    }
    return 0;
}

static int manifest_list(struct fl_arena *a, const struct fl_json *list, struct fl_descriptor *out,
                         struct fl_err *err)
{
    for (size_t i = 0; i < fl_json_len(list); i++) {
        int x = manifest_descriptor(a, fl_json_at(list, i), &out[i], err);
        if (x < 0) {
            return x;
        }
    }
    return 0;
}

static int manifest_check_count(const struct fl_json *list, const char *what, struct fl_err *err)
{
    if (!fl_json_is(list, FL_JSON_ARRAY) && !fl_json_is(list, FL_JSON_NULL)) { /* Go: nil */
        return fl_fail(err, FL_E_BAD_DATA, "ManifestInvalid", "the manifest has no list of %s",
                       what);
    }
    if (fl_json_len(list) > MANIFEST_ENTRIES_MAX) {
        return fl_fail(err, FL_E_TOO_BIG, "ManifestTooLarge", "the manifest lists more than %d %s",
                       MANIFEST_ENTRIES_MAX, what);
    }
    return 0;
}

static int manifest_index(struct fl_arena *a, const struct fl_json *j, struct fl_manifest *m,
                          struct fl_err *err)
{
    const struct fl_json *list = fl_json_get(j, "manifests");
    int x = manifest_check_count(list, "manifests", err);
    if (x < 0) {
        return x;
    }
    m->kind = FL_MANIFEST_INDEX;
    m->n_manifests = fl_json_len(list);
    m->manifests = fl_arena_array(a, m->n_manifests ? m->n_manifests : 1, sizeof(*m->manifests));
    return manifest_list(a, list, m->manifests, err);
}

static int manifest_image(struct fl_arena *a, const struct fl_json *j, struct fl_manifest *m,
                          struct fl_err *err)
{
    const struct fl_json *layers = fl_json_get(j, "layers");
    int x = manifest_check_count(layers, "layers", err);
    if (x < 0) {
        return x;
    }
    m->kind = FL_MANIFEST_IMAGE;
    m->n_blobs = 1 + fl_json_len(layers);
    m->blobs = fl_arena_array(a, m->n_blobs, sizeof(*m->blobs));
    x = manifest_descriptor(a, fl_json_get(j, "config"), &m->blobs[0], err);
    if (x < 0) {
        return fl_wrap(err, "config");
    }
    return manifest_list(a, layers, m->blobs + 1, err);
}

static enum manifest_type manifest_infer(const struct fl_json *j)
{
    if (fl_json_is(fl_json_get(j, "manifests"), FL_JSON_ARRAY)) {
        return TYPE_INDEX;
    }
    if (fl_json_get(j, "config") && fl_json_get(j, "layers")) {
        return TYPE_IMAGE;
    }
    return fl_json_get(j, "fsLayers") ? TYPE_SCHEMA1 : TYPE_OTHER;
}

static const char *manifest_default_type(enum manifest_type t)
{
    return t == TYPE_INDEX ? "application/vnd.oci.image.index.v1+json"
                           : "application/vnd.oci.image.manifest.v1+json";
}

/* The media type that both the answer and the document agree on; the document's own word, else the answer's, else what it
 * looks like. */
static int manifest_settle_type(struct fl_arena *a, const struct fl_json *j,
                                struct fl_str content_type, const char **ret,
                                enum manifest_type *ret_type, struct fl_err *err)
{
    struct fl_str head = fl_media_type(content_type);
    const char *own = fl_json_get_text(j, "mediaType");
    bool vague = manifest_type_is_vague(head);
    if (own && !vague && !fl_str_case_is(head, own)) {
        return fl_fail(err, FL_E_BAD_DATA, "MediaTypeMismatch",
                       "the answer is of type %.*s, the manifest says %s", FL_STR_ARG(head), own);
    }
    if (own || !vague) {
        *ret = own ? fl_arena_text(a, own) : fl_arena_str(a, head);
        *ret_type = manifest_type_of(fl_str_of(*ret));
    } else {
        *ret_type = manifest_infer(j);
        *ret = manifest_default_type(*ret_type);
    }
    return 0;
}

int fl_oci_manifest_parse(struct fl_arena *a, struct fl_str bytes, struct fl_str content_type,
                          const char *digest, struct fl_manifest *ret, struct fl_err *err)
{
    fl_auto(fl_json) j = NULL;
    int x = fl_json_parse(bytes, FL_OCI_MANIFEST_MAX, &j, err);
    if (x < 0) {
        return x == FL_E_TOO_BIG
                   ? x
                   : fl_fail(err, FL_E_BAD_DATA, "ManifestInvalid", "the manifest is not JSON");
    }
    struct fl_manifest m = {.digest = fl_arena_text(a, digest)};
    enum manifest_type type = TYPE_OTHER;
    x = manifest_settle_type(a, j, content_type, &m.media_type, &type, err);
    if (x < 0) {
        return x;
    }
    switch (type) {
    case TYPE_INDEX:
        x = manifest_index(a, j, &m, err);
        break;
    case TYPE_IMAGE:
        x = manifest_image(a, j, &m, err);
        break;
    case TYPE_SCHEMA1:
        m.kind = FL_MANIFEST_SCHEMA1;
        break;
    case TYPE_OTHER:
        return fl_fail(err, FL_E_UNSUPPORTED, "ManifestType",
                       "manifests of type %s cannot be copied", m.media_type);
    }
    if (x < 0) {
        return x;
    }
    m.bytes = (struct fl_str){fl_arena_str(a, bytes), bytes.n};
    *ret = m;
    return 0;
}
