/* price_rule.c - a price as people say it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fatal.h"
#include "base/time.h"

#include "routing/price.h"

const char *cost_part_name(enum cost_part part)
{
    static const char *const names[COST_PARTS] = {
        [COST_INPUT] = "input",
        [COST_CACHED] = "cached",
        [COST_CACHE_WRITE] = "cache_write",
        [COST_CACHE_WRITE_1H] = "cache_write_1h",
        [COST_OUTPUT] = "output",
        [COST_THINKING] = "thinking",
        [COST_STORAGE] = "storage",
        [COST_FEE] = "fee",
    };

    ENSURE(part < COST_PARTS);
    return names[part];
}

struct telling {
    char *text;
    size_t len;
    const char *before; /* the next condition */
};

PRINTF_LIKE(2, 3)

static void tell(struct telling *t, const char *fmt, ...)
{
    va_list args;
    int n;

    t->len += (size_t)snprintf(t->text + t->len, PRICE_RULE_TEXT - t->len, "%s",
                               t->before);
    t->before = ", ";
    if (t->len >= PRICE_RULE_TEXT)
        t->len = PRICE_RULE_TEXT - 1;
    va_start(args, fmt);
    n = vsnprintf(t->text + t->len, PRICE_RULE_TEXT - t->len, fmt, args);
    va_end(args);
    t->len += n > 0 ? (size_t)n : 0;
    if (t->len >= PRICE_RULE_TEXT)
        t->len = PRICE_RULE_TEXT - 1;
}

static void tell_instant(struct telling *t, const char *word, int64_t unix_ms)
{
    char text[TIME_TEXT];

    time_text(unix_ms, text);
    if (strcmp(text + strlen("2026-11-22"), "T00:00:00.000Z") == 0)
        text[strlen("2026-11-22")] = '\0';
    else if (strcmp(text + strlen("2026-11-22T09:00:00"), ".000Z") == 0)
        memcpy(text + strlen("2026-11-22T09:00:00"), "Z", sizeof("Z"));
    tell(t, "%s %s", word, text);
}

static void tell_length(struct telling *t, const char *what, int64_t at_most,
                        int64_t below)
{
    if (at_most > 0)
        tell(t, "%s <= %" PRId64, what, at_most);
    else if (below > 0)
        tell(t, "%s < %" PRId64, what, below);
}

static void tell_conditions(struct telling *t, const struct conf_price *p)
{
    if (p->when)
        tell(t, "window %s", p->when->name);
    if (p->has_thinks)
        tell(t, "%s", p->thinks ? "thinking" : "not thinking");
    tell_length(t, "input", p->input_at_most, p->input_below);
    tell_length(t, "output", p->output_at_most, p->output_below);
    if (p->from_ms != INT64_MIN)
        tell_instant(t, "from", p->from_ms);
    if (p->until_ms != INT64_MAX)
        tell_instant(t, "until", p->until_ms);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const char *price_rule(const struct cost *c, char text[PRICE_RULE_TEXT])
{
    const struct conf_price *p = c->row->conf;
    struct telling t = {.text = text, .before = ""};
    char factor[MONEY_TEXT];

    tell(&t, "%s:%d", base_name(p->place.file), p->place.line);
    t.before = ": ";
    tell_conditions(&t, p);
    if (p->free)
        tell(&t, "free");
    if (c->factor_nanos != NANOS_PER_UNIT)
        tell(&t, "%s x%s", service_tier_name(c->tier),
             decimal_text(c->factor_nanos, factor));
    if (c->quota_tokens > 0)
        tell(&t, "%" PRId64 " tokens of the quota", c->quota_tokens);
    if (c->beyond)
        tell(&t, "beyond its conditions: the book has a gap");
    return text;
}
