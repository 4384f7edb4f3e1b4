/*
 * fixture.h - snapshots made of a few lines of YAML.
 *
 * Vendors' keys come from a secret source that knows what they are called:
 * ${KEY} holds "KEY-1,KEY-2", ${NONE} nothing, and the pepper is PEPPER.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"

#include "conf/conf.h"

#include "routing/decide.h"
#include "routing/price.h"
#include "routing/snapshot.h"

#define PEPPER "0123456789abcdef0123456789abcdef"

struct yaml {
    const char *vendors, *prices, *policy, *keys;
};

static struct diag fixture_diag;

static char *fixture_secret(void *self, const struct conf_key_source *from,
                            const char *dir, struct arena *a, struct diag *diag)
{
    (void)self;
    (void)dir;
    (void)diag;
    if (from->file)
        return strstr(from->file, "pepper") ? arena_printf(a, "%s\n", PEPPER)
                                            : NULL;
    if (strcmp(from->env, "NONE") == 0)
        return NULL;
    return arena_printf(a, "%s-1,%s-2\n", from->env, from->env);
}

static const struct secret_source fixture_secrets = {.read = fixture_secret};

/* NULL: complaints are in fixture_diag.text. */
static inline struct snapshot *snapshot_try(const struct yaml *y,
                                            const struct secret_source *secrets)
{
    const struct conf_file files[] = {
        {"bijia.yaml", "{}", 2},
        {"vendors.yaml", y->vendors, strlen(y->vendors)},
        {"prices.yaml", y->prices, strlen(y->prices)},
        {"policy.yaml", y->policy, strlen(y->policy)},
        {"keys.yaml", y->keys ? y->keys : "[]", y->keys ? strlen(y->keys) : 2},
    };
    struct arena *a = arena_new();
    const struct conf *conf;
    struct snapshot *s = NULL;

    memset(&fixture_diag, 0, sizeof(fixture_diag));
    if (conf_read(&conf, files, ARRAY_LEN(files), a, &fixture_diag) == 0 &&
        snapshot_compile(&s, conf, a, 1, secrets, &fixture_diag) == 0)
        return s;
    arena_free(a);
    return NULL;
}

static inline struct snapshot *snapshot_of(const struct yaml *y)
{
    struct snapshot *s = snapshot_try(y, &fixture_secrets);

    if (!s)
        fail_msg("%s", fixture_diag.text);
    return s;
}

static inline const struct offer *offer_called(const struct snapshot *s,
                                               const char *name)
{
    for (size_t i = 0; i < s->n_offers; i++)
        if (strcmp(s->offers[i].name, name) == 0)
            return &s->offers[i];
    fail_msg("no offer %s", name);
    return NULL;
}

static inline int64_t instant(const char *text)
{
    int64_t ms = 0;

    assert_true(time_parse(&ms, text));
    return ms;
}

static inline void assert_told(const char *wanted)
{
    if (!strstr(fixture_diag.text, wanted))
        fail_msg("not told: %s\ntold:\n%s", wanted, fixture_diag.text);
}
