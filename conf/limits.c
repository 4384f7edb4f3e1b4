/* limits.c - `limits` of teams, keys, vendors and models: so many a minute,
 * so many at a time. */
#include "conf/files.h"

enum {
    RATE_MOST = 100000000,
};

#define LIMIT(word, member, text)                                     \
    FIELD(conf_limits, word, member, .kind = FIELD_COUNT, .init = "", \
          .min = 1, .max = RATE_MOST, .live = true, .help = (text))

static const struct field limit_rows[] = {
    LIMIT("rpm", rpm, "requests a minute; that many may come at once"),
    LIMIT("tpm", tpm, "tokens a minute, of prompts and answers together"),
    LIMIT("concurrency", concurrency, "requests at a time"),
};

const struct field_table limits_fields = FIELD_TABLE(limit_rows);

struct conf_limits limits_read(const struct load *l, const struct node *map)
{
    struct conf_limits limits = {0, 0, 0};

    if (map)
        fields_read(&limits_fields, map, &limits, l->arena, l->diag);
    return limits;
}
