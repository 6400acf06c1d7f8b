/* SPDX-License-Identifier: Apache-2.0
 * Self reviews: answered, never stored. There is one user, who may do everything. kubernetes.md 3.10. */
#include "api/scheme.h"
#include "apiserver/admit.h"
#include "apiserver/body.h"
#include "apiserver/object.h"
#include "apiserver/options.h"

static struct fl_json *user_status(const struct fl_call *c)
{
    struct fl_json *status =
        fl_json_literal("{\"userInfo\":{\"username\":\"\",\"groups\":[\"system:masters\","
                        "\"system:authenticated\"]}}");
    fl_json_set(fl_json_get(status, "userInfo"), "username", fl_json_text(c->user));
    return status;
}

static struct fl_json *rules_status(void)
{
    return fl_json_literal(
        "{\"resourceRules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}],"
        "\"nonResourceRules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}],"
        "\"incomplete\":false}");
}

static struct fl_json *status_of(const struct fl_call *c)
{
    if (c->kind == &fl_kind_self_subject_review) {
        return user_status(c);
    }
    if (c->kind == &fl_kind_self_subject_rules_review) {
        return rules_status();
    }
    return fl_json_literal("{\"allowed\":true}");
}

void fl_verb_review(struct fl_call *c)
{
    fl_auto(fl_json) obj = NULL;
    if (!fl_options_write(c, "CreateOptions") || !fl_body_object(c, &obj) ||
        !fl_admit_decode(c, obj, false)) {
        return;
    }
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_set(obj, "status", status_of(c));
    fl_json_set(fl_object_meta(obj), "creationTimestamp", fl_json_text(fl_call_now(c)));
    fl_object_text(c->kind, obj, NULL, &text, NULL);
    fl_call_answer_text(c, 201, fl_buf_slice(&text));
}
