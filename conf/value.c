#include "conf/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/money.h"
#include "base/time.h"

struct unit {
    const char *name;
    int64_t worth;
};

static const struct unit size_units[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {"B", 1}};
static const struct unit duration_units[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"d", 86400000}};
static const struct unit count_units[] = {{"", 1}};

static const struct kind {
    const char *wanted;
    const struct unit *units; /* of a number written as digits and a unit */
    size_t n_units;
} kinds[FIELD_KINDS] = {
    [FIELD_TEXT] = {"a text", NULL, 0},
    [FIELD_CHOICE] = {"one of its words", NULL, 0},
    [FIELD_WORDS] = {"a text or a list of texts [one, two]", NULL, 0},
    [FIELD_YES_NO] = {"yes or no", NULL, 0},
    [FIELD_COUNT] = {"a whole number in plain digits such as 128000",
                     count_units, ARRAY_LEN(count_units)},
    [FIELD_SIZE] = {"a size such as 512, 16KiB or 8MiB", size_units,
                    ARRAY_LEN(size_units)},
    [FIELD_DURATION] = {"a duration such as 250ms, 30s, 5m or 1h",
                        duration_units, ARRAY_LEN(duration_units)},
    [FIELD_RATE] = {"a price per 1,000,000 tokens such as 2.50 or 0.02", NULL,
                    0},
    [FIELD_DECIMAL] = {"a decimal number such as 6.7195", NULL, 0},
    [FIELD_CURRENCY] = {"CNY or USD", NULL, 0},
    [FIELD_INSTANT] = {"an instant with its zone such as "
                       "2026-09-10T12:00:00+08:00, or a date such as "
                       "2026-09-10 (00:00 UTC)",
                       NULL, 0},
    [FIELD_SECTION] = {"words and their values below it", NULL, 0},
    [FIELD_BY_HAND] = {"a list, or words and their values", NULL, 0},
};

const char *value_wanted(enum field_kind kind)
{
    return kinds[kind].wanted;
}

bool value_is_number(enum field_kind kind)
{
    return kinds[kind].n_units > 0 || kind == FIELD_RATE ||
           kind == FIELD_DECIMAL || kind == FIELD_INSTANT;
}

/* Digits, no leading zero (010 is 8 to some), then one of the units. */
static bool parse_units(int64_t *out, const struct kind *k, const char *text)
{
    int64_t n = 0;
    const char *at = text;

    if (*at == '0' && at[1] >= '0' && at[1] <= '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, *at - '0', &n))
            return false;
    if (at == text)
        return false;
    for (size_t i = 0; i < k->n_units; i++)
        if (strcmp(at, k->units[i].name) == 0)
            return !__builtin_mul_overflow(n, k->units[i].worth, out);
    return false;
}

bool value_parse(int64_t *out, enum field_kind kind, const char *text)
{
    if (kinds[kind].n_units > 0)
        return parse_units(out, &kinds[kind], text);
    if (kind == FIELD_INSTANT)
        return time_parse(out, text);
    return decimal_parse(out, text);
}

const char *value_show(enum field_kind kind, int64_t n, char text[VALUE_TEXT])
{
    const struct kind *k = &kinds[kind];

    if (kind == FIELD_INSTANT)
        return time_text(n, text);
    if (k->n_units == 0)
        return decimal_text(n, text);
    for (size_t i = 0; i < k->n_units; i++) {
        if (n % k->units[i].worth == 0 && (n > 0 || k->units[i].worth == 1)) {
            snprintf(text, VALUE_TEXT, "%" PRId64 "%s", n / k->units[i].worth,
                     k->units[i].name);
            break;
        }
    }
    return text;
}

bool yes_no_parse(bool *out, const char *text)
{
    *out = strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0;
    return *out || strcasecmp(text, "no") == 0 ||
           strcasecmp(text, "false") == 0;
}
