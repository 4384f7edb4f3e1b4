#include "serve/headroom.h"

#include <string.h>

#include "base/clock.h"
#include "base/time.h"

enum {
    UNKNOWN_MS = 1000, /* an empty bucket, and nobody says until when */
    REST_MOST_MS = 60 * 1000,
};

static struct limit *model_limit(const struct door_key *key,
                                 const struct offer *offer)
{
    return key->model_limits[offer->index - offer->vendor->first_offer];
}

bool headroom_look(const struct door_key *key, const struct offer *offer,
                   int64_t tokens, int64_t now_ms, int64_t *wait_ms)
{
    return !limit_look(key->limit, tokens, now_ms, wait_ms) &&
           !limit_look(model_limit(key, offer), tokens, now_ms, wait_ms);
}

/* All of one limit, or nothing. */
static bool take(struct limit *l, int64_t tokens, int64_t now_ms)
{
    int64_t wait_ms;

    if (limit_enter(l, now_ms, &wait_ms))
        return false;
    if (!limit_take_tokens(l, tokens, now_ms, &wait_ms))
        return true;
    limit_return(l);
    limit_leave(l);
    return false;
}

bool headroom_enter(struct room *out, const struct door_key *key,
                    const struct offer *offer, int64_t tokens, int64_t now_ms)
{
    struct room room = {key->limit, model_limit(key, offer), tokens};

    if (!take(room.key, tokens, now_ms))
        return false;
    if (take(room.model, tokens, now_ms)) {
        *out = room;
        return true;
    }
    limit_return(room.key);
    limit_settle(room.key, tokens, 0);
    limit_leave(room.key);
    return false;
}

void headroom_leave(struct room *room, int64_t used, enum fault fault)
{
    if (!room->key)
        return;
    if (fault == FAULT_RATE_LIMITED)
        limit_learn_refused(room->model);
    if (fault == FAULT_NONE)
        limit_learn_served(room->model);
    limit_settle(room->key, room->tokens, used);
    limit_settle(room->model, room->tokens, used);
    limit_leave(room->key);
    limit_leave(room->model);
    *room = (struct room){NULL, NULL, 0};
}

/* --- the vendor's headers ------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number in thousandths, at *at; false: there is none. */
static bool take_milli(int64_t *out, struct slice s, size_t *at)
{
    int64_t whole = 0, part = 0, scale = 100;
    size_t from = *at;

    while (*at < s.len && is_digit(s.bytes[*at]) && whole < INT64_C(1) << 48)
        whole = whole * 10 + (s.bytes[(*at)++] - '0');
    if (*at == from)
        return false;
    if (*at < s.len && s.bytes[*at] == '.')
        for (++*at; *at < s.len && is_digit(s.bytes[*at]); ++*at) {
            part += scale * (s.bytes[*at] - '0');
            scale /= 10;
        }
    *out = whole * 1000 + part;
    return true;
}

/* ms in a unit of thousandths: "ms", "s", "m", "h"; 0: none of these. */
static int64_t take_unit(struct slice s, size_t *at)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i].name);

        if (s.len - *at < len || memcmp(s.bytes + *at, units[i].name, len) != 0)
            continue;
        *at += len;
        return units[i].ms;
    }
    return 0;
}

/* "6m0s", "20ms", "1.5" (seconds), or an instant in unix s or ms or as
 * 2026-11-22T09:00:00Z; -1: none. */
static int64_t reset_ms(struct slice s)
{
    const int64_t instant_s = 1000000000, instant_ms = instant_s * 1000;
    int64_t sum = 0, milli;
    size_t at = 0;
    char text[TIME_TEXT + 8];

    if (s.len < sizeof(text) && memchr(s.bytes, 'T', s.len)) { /* Anthropic */
        memcpy(text, s.bytes, s.len);
        text[s.len] = '\0';
        return time_parse(&sum, text) ? sum - clock_unix_ms() : -1;
    }
    while (at < s.len) {
        int64_t unit;

        if (!take_milli(&milli, s, &at))
            return -1;
        unit = take_unit(s, &at);
        if (!unit && at < s.len)
            return -1;
        if (!unit && milli / 1000 >= instant_ms)
            return milli / 1000 - clock_unix_ms();
        if (!unit && milli / 1000 >= instant_s)
            return milli - clock_unix_ms();
        if (milli > INT64_MAX / 3600000)
            return -1;
        sum += milli * (unit ? unit : 1000) / 1000;
        if (sum > REST_MOST_MS)
            return sum;
    }
    return s.len ? sum : -1;
}

static bool is_zero(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.bytes[i] != '0')
            return false;
    return s.len > 0;
}

/* Is any header zero whose name is long enough for those below? They are many
 * to look for in each answer. */
static bool has_zero(const struct http_head *head)
{
    const size_t name_least = strlen("x-ratelimit-remaining");

    for (size_t i = 0; i < head->n_headers; i++)
        if (head->headers[i].name.len >= name_least &&
            is_zero(head->headers[i].value))
            return true;
    return false;
}

int64_t headroom_rest_ms(const struct http_head *head)
{
    static const char *const names[][2] = {
        {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
        {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"},
        {"x-ratelimit-remaining", "x-ratelimit-reset"}, /* Moonshot */
        {"anthropic-ratelimit-requests-remaining",
         "anthropic-ratelimit-requests-reset"},
        {"anthropic-ratelimit-tokens-remaining",
         "anthropic-ratelimit-tokens-reset"},
        {"anthropic-ratelimit-input-tokens-remaining",
         "anthropic-ratelimit-input-tokens-reset"},
        {"anthropic-ratelimit-output-tokens-remaining",
         "anthropic-ratelimit-output-tokens-reset"},
    };
    int64_t longest = 0;

    if (!has_zero(head))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int64_t ms;

        if (!is_zero(http_find(head, names[i][0])))
            continue;
        ms = reset_ms(http_find(head, names[i][1]));
        if (ms < 0)
            ms = UNKNOWN_MS;
        if (ms > longest)
            longest = ms;
    }
    return longest < REST_MOST_MS ? longest : REST_MOST_MS;
}
