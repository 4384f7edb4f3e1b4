/* quota.c - of prices.yaml: tokens that cost nothing. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

static const int64_t tokens_most = INT64_C(1000000000000);

struct quota_words {
    const char *per, *zone, *source, *as_of;
    int64_t tokens, from_ms, until_ms;
};

static const struct field quota_rows[] = {
    FIELD(quota_words, "tokens", tokens, .kind = FIELD_COUNT, .min = 1,
          .max = tokens_most, .live = true,
          .help = "input and output together that cost nothing"),
    FIELD(quota_words, "per", per, .kind = FIELD_CHOICE,
          .choices = "day month once", .live = true,
          .help = "how often they are given; once: a trial, or a package paid "
                  "before"),
    FIELD(quota_words, "zone", zone, .kind = FIELD_TEXT, .init = "", .max = 64,
          .live = true, .help = "whose days and months; absent: UTC"),
    FIELD(quota_words, "from", from_ms, .kind = FIELD_INSTANT, .init = "",
          .live = true, .help = "given from this instant on"),
    FIELD(quota_words, "until", until_ms, .kind = FIELD_INSTANT, .init = "",
          .live = true, .help = "and lost at this one"),
    FIELD(quota_words, "source", source, .kind = FIELD_TEXT, .init = "",
          .max = 512, .live = true, .help = "where it was read"),
    FIELD(quota_words, "as_of", as_of, .kind = FIELD_TEXT, .init = "",
          .max = 32, .check = check_as_of, .live = true,
          .help = "when it was read"),
};

const struct field_table quota_fields = FIELD_TABLE(quota_rows);

static enum conf_per per_of(const char *word)
{
    if (word && strcmp(word, "day") == 0)
        return CONF_PER_DAY;
    return word && strcmp(word, "month") == 0 ? CONF_PER_MONTH : CONF_ONCE;
}

void quotas_read(const struct load *l, const struct node *map)
{
    size_t n;
    const struct node *entry = children(l, map, NODE_MAP, "\"quotas\"", &n);
    struct conf_quota *q = arena_alloc(l->arena, n * sizeof(*q));

    l->conf->quotas = q;
    l->conf->n_quotas = n;
    for (uint32_t i = 0; entry; entry = entry->next, q++, i++) {
        struct quota_words words = {.from_ms = INT64_MIN,
                                    .until_ms = INT64_MAX};

        *q = (struct conf_quota){.place = entry->key_place, .index = i};
        q->name = arena_strndup(l->arena, entry->key, strlen(entry->key));
        if (!check_key(entry, check_name, "a quota", l->diag))
            continue;
        fields_read(&quota_fields, entry, &words, l->arena, l->diag);
        q->zone = zone_of_entry(l, entry, words.zone);
        q->tokens = words.tokens;
        q->per = per_of(words.per);
        q->from_ms = words.from_ms;
        q->until_ms = words.until_ms;
        q->source = words.source;
        q->as_of = words.as_of;
    }
}
