/*
 * price_tool.c - the price function alone, for tests/e2e/test_prices_judge.py.
 *
 *     price_tool DIR < cases
 *
 * A case is a line: OFFER AT_MS INPUT CACHED WRITE WRITE_1H OUTPUT THINKING
 * STORED STORED_MS TIER THINKS QUOTA. For each it prints the line of the row
 * in prices.yaml, the currency, the total in nanos, what the quota covers,
 * and each part in nanos; or "none".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routing/price.h"

static const struct offer *find(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n_offers; i++)
        if (strcmp(s->offers[i].name, name) == 0)
            return &s->offers[i];
    return NULL;
}

static void print(const struct cost *cost)
{
    printf("%d %s %" PRId64 " %" PRId64, cost->row->conf->place.line,
           currency_name(cost->total.currency), cost->total.nanos,
           cost->quota_tokens);
    for (int p = 0; p < COST_PARTS; p++)
        printf(" %" PRId64, cost_part(cost, (enum cost_part)p).nanos);
    printf("\n");
}

/* The word that begins at *at, which goes on behind it; false: none, or
 * longer than that. */
static bool word(char *out, size_t size, const char **at)
{
    size_t len;

    *at += strspn(*at, " ");
    len = strcspn(*at, " \n");
    if (len == 0 || len >= size)
        return false;
    memcpy(out, *at, len);
    out[len] = '\0';
    *at += len;
    return true;
}

static bool numbers(int64_t *const *out, size_t n, const char **at)
{
    char text[24], *end;

    for (size_t i = 0; i < n; i++) {
        if (!word(text, sizeof(text), at))
            return false;
        *out[i] = strtoll(text, &end, 10);
        if (*end)
            return false;
    }
    return true;
}

/* False: the line is no case. */
static bool answer(const struct snapshot *s, const char *line)
{
    char name[128], tier[16];
    struct usage u = {0};
    int64_t at_ms, quota, thinks;
    int64_t *const before[] = {&at_ms,
                               &u.input_tokens,
                               &u.cached_tokens,
                               &u.cache_write_tokens,
                               &u.cache_write_1h_tokens,
                               &u.output_tokens,
                               &u.thinking_tokens,
                               &u.stored_tokens,
                               &u.stored_ms};
    int64_t *const behind[] = {&thinks, &quota};
    struct cost cost;
    const struct offer *o;

    if (!word(name, sizeof(name), &line) ||
        !numbers(before, ARRAY_LEN(before), &line) ||
        !word(tier, sizeof(tier), &line) ||
        !numbers(behind, ARRAY_LEN(behind), &line))
        return false;
    u.thinks = thinks != 0;
    o = find(s, name);
    if (!o || !service_tier_find(&u.tier, (struct slice){tier, strlen(tier)}))
        return false;
    if (price_cost(&cost, o, at_ms, &u, quota))
        print(&cost);
    else
        printf("none\n");
    return true;
}

int main(int argc, char **argv)
{
    static struct diag diag;
    struct snapshot *s;
    char line[512];
    int status = 0;

    if (argc != 2 ||
        snapshot_load(&s, argv[1], 1, &secrets_assumed, &diag) < 0) {
        fputs(diag.text, stderr);
        return 1;
    }
    while (status == 0 && fgets(line, sizeof(line), stdin))
        status = answer(s, line) ? 0 : 2;
    if (status)
        fprintf(stderr, "no case: %s", line);
    snapshot_release(s);
    return status;
}
