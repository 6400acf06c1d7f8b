/* SPDX-License-Identifier: Apache-2.0
 * Encoding: protobuf.dev/programming-guides/encoding; the envelope: apimachinery pkg/runtime/generated.proto. */
#include "wire/protobuf.h"

#include "api/meta/kind.h"
#include "base/num.h"
#include "base/text.h"

#define MESSAGE_MAX ((size_t)8 << 20)
#define DEPTH_MAX 16
#define NODES_MAX 200000                  /* a tree is much larger than its message */
#define SECONDS_MIN INT64_C(-62135596800) /* year 1 */
#define SECONDS_MAX INT64_C(253402300799) /* year 9999 */

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* One field of a message, read. */
struct item {
    uint64_t number;
    enum wire_type type;
    uint64_t varint;
    struct fl_str bytes;
};

struct reader {
    struct fl_str rest;
    size_t *nodes; /* made so far, over all messages of one body */
    int depth;
};

static int bad(struct fl_err *err, const char *what)
{
    return fl_fail(err, FL_E_BAD_DATA, "BadProtobuf", "protobuf: %s", what);
}

static bool read_varint(struct fl_str *s, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < 10 && i < s->n; i++) {
        unsigned char c = (unsigned char)s->p[i];
        if (i == 9 && c > 1) {
            return false;
        }
        v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (!(c & 0x80)) {
            s->p += i + 1;
            s->n -= i + 1;
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool read_bytes(struct fl_str *s, uint64_t n, struct fl_str *ret)
{
    if (n > s->n) {
        return false;
    }
    *ret = (struct fl_str){s->p, (size_t)n};
    s->p += n;
    s->n -= (size_t)n;
    return true;
}

/* 1: read; 0: the message is at its end; negative: failure. */
static int next_item(struct fl_str *s, struct item *ret, struct fl_err *err)
{
    uint64_t key = 0;
    if (s->n == 0) {
        return 0;
    }
    if (!read_varint(s, &key) || key >> 3 == 0) {
        return bad(err, "malformed field number");
    }
    *ret = (struct item){.number = key >> 3, .type = (enum wire_type)(key & 7)};
    bool ok = false;
    switch (ret->type) {
    case WIRE_VARINT:
        ok = read_varint(s, &ret->varint);
        break;
    case WIRE_64:
        ok = read_bytes(s, 8, &ret->bytes);
        break;
    case WIRE_32:
        ok = read_bytes(s, 4, &ret->bytes);
        break;
    case WIRE_BYTES:
        ok = read_varint(s, &ret->varint) && read_bytes(s, ret->varint, &ret->bytes);
        break;
    default: /* groups: proto2's oldest form, unused by Kubernetes */
        break;
    }
    return ok ? 1 : bad(err, "cut short, or a field of unknown type");
}

/* ---- the envelope ---- */

static int read_type_meta(struct fl_str s, struct fl_str *api_version, struct fl_str *kind,
                          struct fl_err *err)
{
    struct item it = {0};
    int rc;
    while ((rc = next_item(&s, &it, err)) > 0) {
        if (it.type == WIRE_BYTES && it.number == 1) {
            *api_version = it.bytes;
        } else if (it.type == WIRE_BYTES && it.number == 2) {
            *kind = it.bytes;
        }
    }
    return rc;
}

int fl_protobuf_envelope(struct fl_str body, struct fl_str *api_version, struct fl_str *kind,
                         struct fl_str *raw, struct fl_err *err)
{
    static const char magic[] = {'k', '8', 's', 0};
    struct fl_str v = {0}, k = {0}, r = {0};
    if (body.n < sizeof(magic) || memcmp(body.p, magic, sizeof(magic)) != 0) {
        return bad(err, "the body does not begin with Kubernetes' envelope");
    }
    struct fl_str s = {body.p + sizeof(magic), body.n - sizeof(magic)};
    struct item it = {0};
    int rc;
    while ((rc = next_item(&s, &it, err)) > 0) {
        if (it.type != WIRE_BYTES) {
            continue;
        }
        if (it.number == 1 && (rc = read_type_meta(it.bytes, &v, &k, err)) < 0) {
            return rc;
        }
        if (it.number == 2) {
            r = it.bytes;
        }
        if (it.number == 3 && it.bytes.n > 0) {
            return bad(err, "an encoded envelope is not supported");
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (!fl_utf8_valid(v) || !fl_utf8_valid(k)) {
        return bad(err, "apiVersion or kind is not UTF-8");
    }
    *api_version = v;
    *kind = k;
    *raw = r;
    return 0;
}

/* ---- values ---- */

static int read_message(struct reader *r, const struct fl_field *rows, bool root,
                        struct fl_json **ret, struct fl_err *err);

static int read_text(struct fl_str s, struct fl_json **ret, struct fl_err *err)
{
    if (!fl_utf8_valid(s)) {
        return bad(err, "a text is not UTF-8");
    }
    *ret = fl_json_str(s);
    return 0;
}

static struct fl_json *base64_of(struct fl_str s)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_base64_add(&b, s.p, s.n);
    return fl_json_str(fl_buf_slice(&b));
}

/* Time and MicroTime: {1 seconds, 2 nanos}; *ret stays NULL for the zero time, which is sent as an empty message. */
static int read_time(struct fl_str s, bool micro, struct fl_json **ret, struct fl_err *err)
{
    int64_t seconds = 0, nanos = 0;
    struct item it = {0};
    int rc;
    while ((rc = next_item(&s, &it, err)) > 0) {
        if (it.type == WIRE_VARINT && it.number == 1) {
            seconds = (int64_t)it.varint;
        } else if (it.type == WIRE_VARINT && it.number == 2) {
            nanos = (int64_t)it.varint;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos > 999999999) {
        return bad(err, "a time is out of range");
    }
    if (seconds == 0 && nanos == 0) {
        return 0;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    if (micro) {
        fl_time_fmt_micro(&b, seconds * 1000000 + nanos / 1000);
    } else {
        fl_time_fmt(&b, seconds * 1000);
    }
    *ret = fl_json_str(fl_buf_slice(&b));
    return 0;
}

/* {1 raw}: JSON text within protobuf (FieldsV1). */
static int read_any(struct fl_str s, struct fl_json **ret, struct fl_err *err)
{
    struct fl_str raw = {0};
    struct item it = {0};
    int rc;
    while ((rc = next_item(&s, &it, err)) > 0) {
        if (it.type == WIRE_BYTES && it.number == 1) {
            raw = it.bytes;
        }
    }
    if (rc < 0 || raw.n == 0) {
        return rc;
    }
    return fl_json_parse(raw, MESSAGE_MAX, ret, err);
}

static int read_entry(const struct fl_field *f, struct fl_str s, struct fl_json *map,
                      struct fl_err *err)
{
    struct fl_str key = {0}, value = {0};
    struct item it = {0};
    int rc;
    while ((rc = next_item(&s, &it, err)) > 0) {
        if (it.type == WIRE_BYTES && it.number == 1) {
            key = it.bytes;
        } else if (it.type == WIRE_BYTES && it.number == 2) {
            value = it.bytes;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (!fl_utf8_valid(key) || (key.n > 0 && memchr(key.p, 0, key.n))) {
        return bad(err, "a key is not UTF-8 text");
    }
    struct fl_json *v = NULL;
    if (f->item == FL_BYTES) {
        v = base64_of(value);
    } else if ((rc = read_text(value, &v, err)) < 0) {
        return rc;
    }
    fl_json_set_str(map, key, v);
    return 0;
}

/* A value of type `type`; *ret stays NULL when it is empty or zero and `keep` is false. A wire type that does not fit is
 * skipped like an unknown field. NOLINTNEXTLINE(misc-no-recursion): depth is capped */
static int read_value(struct reader *r, const struct fl_field *f, enum fl_type type, bool keep,
                      const struct item *it, struct fl_json **ret, struct fl_err *err)
{
    bool number = type == FL_BOOL || type == FL_INT;
    if (it->type != (number ? WIRE_VARINT : WIRE_BYTES)) {
        return 0;
    }
    if ((number ? it->varint == 0 : it->bytes.n == 0) && !keep) {
        return 0;
    }
    switch (type) {
    case FL_BOOL:
        *ret = fl_json_bool(it->varint != 0);
        return 0;
    case FL_INT:
        *ret = fl_json_int((int64_t)it->varint);
        return 0;
    case FL_TIME:
        return read_time(it->bytes, f->flags & FL_MICRO, ret, err);
    case FL_BYTES:
        *ret = base64_of(it->bytes);
        return 0;
    case FL_ANY:
        return read_any(it->bytes, ret, err);
    case FL_OBJECT: {
        struct reader inner = {.rest = it->bytes, .nodes = r->nodes, .depth = r->depth + 1};
        return read_message(&inner, f->rows, false, ret, err);
    }
    default:
        return read_text(it->bytes, ret, err);
    }
}

static struct fl_json *container(struct fl_json *obj, const char *name,
                                 struct fl_json *(*make)(void))
{
    struct fl_json *c = fl_json_get(obj, name);
    if (!c) {
        c = make();
        fl_json_set(obj, name, c);
    }
    return c;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is capped */
static int read_field(struct reader *r, const struct fl_field *f, const struct item *it,
                      struct fl_json *obj, struct fl_err *err)
{
    if (++*r->nodes > NODES_MAX) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "protobuf: more than %d values", NODES_MAX);
    }
    if (f->type == FL_MAP) {
        return it->type != WIRE_BYTES
                   ? 0
                   : read_entry(f, it->bytes, container(obj, f->name, fl_json_object), err);
    }
    bool list = f->type == FL_LIST;
    bool keep = list || (f->flags & (FL_ZERO | FL_REQUIRED));
    fl_auto(fl_json) v = NULL;
    int rc = read_value(r, f, list ? f->item : f->type, keep, it, &v, err);
    if (rc < 0) {
        return fl_wrap(err, "%s", f->name);
    }
    bool empty = !v || (fl_json_is(v, FL_JSON_OBJECT) && fl_json_len(v) == 0);
    if (!v || (empty && !keep)) {
        return 0;
    }
    if (list) {
        fl_json_push(container(obj, f->name, fl_json_array), fl_take(v));
    } else {
        fl_json_set(obj, f->name, fl_take(v));
    }
    return 0;
}

static const struct fl_field *row_of(const struct fl_field *rows, uint64_t number)
{
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        if (f->pb > 0 && (uint64_t)f->pb == number) {
            return f;
        }
    }
    return NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is capped */
static int read_message(struct reader *r, const struct fl_field *rows, bool root,
                        struct fl_json **ret, struct fl_err *err)
{
    static const struct fl_field meta = {
        .name = "metadata", .type = FL_OBJECT, .rows = fl_meta_rows, .pb = 1};
    if (r->depth > DEPTH_MAX) {
        return bad(err, "messages are nested too deep");
    }
    fl_auto(fl_json) obj = fl_json_object();
    struct item it = {0};
    int rc;
    while ((rc = next_item(&r->rest, &it, err)) > 0) {
        const struct fl_field *f = row_of(rows, it.number);
        if (!f && root && it.number == 1) {
            f = &meta;
        }
        if (f && (rc = read_field(r, f, &it, obj, err)) < 0) {
            return rc;
        }
    }
    if (rc < 0) {
        return rc;
    }
    *ret = fl_take(obj);
    return 0;
}

int fl_protobuf_decode(struct fl_str msg, const struct fl_field *rows, struct fl_json **ret,
                       struct fl_err *err)
{
    if (msg.n > MESSAGE_MAX) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "protobuf: more than %zu bytes", MESSAGE_MAX);
    }
    size_t nodes = 0;
    struct reader r = {.rest = msg, .nodes = &nodes};
    return read_message(&r, rows, true, ret, err);
}
