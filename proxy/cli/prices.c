/* prices.c - what the commands of `bijia prices` share. */
#include "cli/prices.h"

#include <string.h>

#include "base/clock.h"

#include "routing/suggest.h"

enum {
    INSTANT_MINUTE = sizeof("2026-11-22T09:00") - 1,
    INSTANT_DAY = sizeof("2026-11-22") - 1,
};

int prices_open(struct prices_call *p, const struct args *args, const char *dir)
{
    static struct diag diag;
    const char *when = option_find(args, "--at");

    *p = (struct prices_call){.args = args, .at_unix_ms = clock_unix_ms()};
    if (when && !time_parse(&p->at_unix_ms, when))
        return usage_error(args,
                           "--at wants an instant such as "
                           "2026-11-22T09:00:00Z, not \"%s\"",
                           when);
    if (snapshot_load(&p->s, dir ? dir : option_conf_dir(args, NULL), 1,
                      &secrets_of_process, &diag) < 0) {
        diag_print(&diag);
        return 1;
    }
    p->arena = arena_new();
    return 0;
}

void prices_close(struct prices_call *p)
{
    arena_free(p->arena);
    snapshot_release(p->s);
}

bool prices_currency(const struct prices_call *p, enum currency *out)
{
    const char *name = option_value(p->args, "--currency");

    *out = p->s->currency;
    if (!name || currency_parse(out, name))
        return true;
    usage_error(p->args, "--currency wants CNY or USD, not \"%s\"", name);
    return false;
}

const struct offer *prices_offer(const struct prices_call *p, const char *name)
{
    struct offer_set set = snapshot_resolve(p->s, NULL, name);
    struct suggestion meant = {.word = name};
    char near[SUGGESTION_TEXT];

    if (set.n == 1)
        return set.offers[0];
    if (set.n > 1) {
        fprintf(stderr, "bijia %s: %zu vendors sell \"%s\": which?\n",
                p->args->command->name, set.n, name);
        return NULL;
    }
    for (size_t i = 0; i < p->s->n_offers; i++) {
        suggest(&meant, p->s->offers[i].name);
        suggest(&meant, p->s->offers[i].model);
    }
    fprintf(stderr, "bijia %s: no offer or model is called \"%s\"%s\n",
            p->args->command->name, name, suggestion_text(&meant, near));
    return NULL;
}

const char *prices_instant(int64_t unix_ms, char text[TIME_TEXT])
{
    time_text(unix_ms, text);
    if (strcmp(text + INSTANT_DAY, "T00:00:00.000Z") == 0) {
        text[INSTANT_DAY] = '\0';
        return text;
    }
    text[INSTANT_DAY] = ' ';
    memcpy(text + INSTANT_MINUTE, "Z", sizeof("Z"));
    return text;
}

void prices_put_row(cJSON *to, const struct price_row *row)
{
    cJSON *tiers;

    put_text(to, "currency", currency_name(row->currency));
    put_decimal(to, "input", row->input.nanos_per_mtok);
    put_decimal(to, "cached_input", row->cached.nanos_per_mtok);
    put_decimal(to, "cache_write", row->cache_write.nanos_per_mtok);
    put_decimal(to, "cache_write_1h", row->cache_write_1h.nanos_per_mtok);
    put_decimal(to, "output", row->output.nanos_per_mtok);
    put_decimal(to, "thinking_output", row->thinking.nanos_per_mtok);
    put_decimal(to, "cache_storage", row->storage.nanos_per_mtok);
    put_decimal(to, "fee", row->fee_nanos);
    put_yes(to, "free", row->conf->free);
    if (!row->factors)
        return;
    tiers = put_object(to, "service_tiers");
    for (int t = 0; t < TIER_COUNT; t++)
        if (row->factors[t] != NANOS_PER_UNIT)
            put_decimal(tiers, service_tier_name((enum service_tier)t),
                        row->factors[t]);
}
