/*
 * price_row.c - one model's prices.
 *
 *     model: {input: 1, output: 4}                  one row
 *     model: [{...}, {...}]                         rows
 *     model: {source: X, quota: Q, rows: [...]}     rows that share words
 *
 * A word beside `rows` counts for each row that does not say it itself.
 */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

static const int64_t tokens_most = INT64_C(1000000000);
static const int64_t factor_most = INT64_C(100) * 1000000000;

/* A row as it is written. */
struct row_words {
    struct conf_price price;
    const char *per, *when;
};

#define PRICE(word, member, preset, ...)                                     \
    FIELD(row_words, word, price.member, .kind = FIELD_RATE, .init = preset, \
          .max = MOST_NANOS, .live = true, __VA_ARGS__)
#define LENGTH(word, member, text)                                        \
    FIELD(row_words, word, price.member, .kind = FIELD_COUNT, .init = "", \
          .min = 1, .max = tokens_most, .live = true, .help = (text))
#define FACTOR(word, member, text)                                      \
    FIELD(row_words, word, price.factors.member, .kind = FIELD_DECIMAL, \
          .init = "", .min = 1, .max = factor_most, .live = true,       \
          .help = (text))

static const struct field factor_rows[] = {
    FACTOR("flex", flex, "slower and cheaper"),
    FACTOR("priority", priority, "before others"),
    FACTOR("fast", fast, "faster"),
    FACTOR("scale", scale, "capacity bought before"),
    FACTOR("batch", batch, "within a day"),
};

static const struct field_table factor_fields = FIELD_TABLE(factor_rows);

static const struct field row_rows[] = {
    FIELD(row_words, "from", price.from_ms, .kind = FIELD_INSTANT, .init = "",
          .live = true,
          .help = "holds from this instant on; absent: since "
                  "ever"),
    FIELD(row_words, "until", price.until_ms, .kind = FIELD_INSTANT, .init = "",
          .live = true,
          .help = "holds until just before this instant; "
                  "absent: for ever"),
    FIELD(row_words, "when", when, .kind = FIELD_TEXT, .init = "", .max = 128,
          .live = true, .help = "holds only in this one of the windows"),
    LENGTH("input_at_most", input_at_most,
           "holds for prompts of so many tokens or fewer, cached ones "
           "counted"),
    LENGTH("input_below", input_below, "holds for prompts of fewer tokens"),
    LENGTH("output_at_most", output_at_most,
           "holds for answers of so many tokens or fewer, thinking counted"),
    LENGTH("output_below", output_below, "holds for answers of fewer tokens"),
    FIELD(row_words, "thinking", price.thinks, .kind = FIELD_YES_NO, .init = "",
          .has = offsetof(struct row_words, price.has_thinks), .live = true,
          .help = "holds only if the model thinks before it answers (yes), or "
                  "does not (no)"),
    FIELD(row_words, "per", per, .kind = FIELD_CHOICE, .init = "1M",
          .choices = "1K 10K 1M", .live = true,
          .help = "tokens that a price is for: a thousand, ten thousand, a "
                  "million"),
    PRICE("input", input, NULL, .help = "a prompt's tokens"),
    PRICE("cached_input", cached, "",
          .has = offsetof(struct row_words, price.has_cached),
          .help = "of these, read from the vendor's cache; absent: as input"),
    PRICE("cached_marked", cached_marked, "",
          .has = offsetof(struct row_words, price.has_cached_marked),
          .help = "the same where the request marks what is to be cached "
                  "(cache_control); absent: as cached_input"),
    PRICE("cache_write", cache_write, "",
          .has = offsetof(struct row_words, price.has_cache_write),
          .help = "of these, written to its cache; absent: as input"),
    PRICE("cache_write_1h", cache_write_1h, "",
          .has = offsetof(struct row_words, price.has_cache_write_1h),
          .help = "of these, written for an hour; absent: as cache_write"),
    PRICE("cache_storage", storage, "",
          .help = "tokens kept in its cache, an hour"),
    PRICE("output", output, NULL, .help = "an answer's tokens"),
    PRICE("thinking_output", thinking, "",
          .has = offsetof(struct row_words, price.has_thinking),
          .help = "of these, thinking; absent: as output"),
    FIELD(row_words, "fee", price.fee_nanos, .kind = FIELD_DECIMAL, .init = "",
          .max = MOST_NANOS, .live = true, .help = "for each request"),
    FIELD(row_words, "cache_least", price.cache_least, .kind = FIELD_COUNT,
          .init = "", .min = 1, .max = tokens_most, .live = true,
          .help = "prompts of fewer tokens are not cached"),
    FIELD(row_words, "writes_unasked", price.writes_unasked,
          .kind = FIELD_YES_NO, .init = "no", .live = true,
          .help = "new prompts are written to the cache, and billed so, "
                  "without being asked to"),
    SECTION("service_tiers", &factor_fields,
            "what the price is multiplied by in another class of service"),
    FIELD(row_words, "free", price.free, .kind = FIELD_YES_NO, .init = "no",
          .live = true, .help = "a price of 0 is meant"),
    FIELD(row_words, "currency", price.currency, .kind = FIELD_CURRENCY,
          .init = "", .live = true,
          .help = "absent: the vendor's. Of lists in both, an account's own "
                  "counts"),
    FIELD(row_words, "source", price.source, .kind = FIELD_TEXT, .init = "",
          .max = 512, .live = true, .help = "where the price was read"),
    FIELD(row_words, "as_of", price.as_of, .kind = FIELD_TEXT, .init = "",
          .max = 32, .check = check_as_of, .live = true,
          .help = "when it was read: 2026-11-15"),
    FIELD(row_words, "note", price.note, .kind = FIELD_TEXT, .init = "",
          .max = 512, .live = true, .help = "for people"),
};

static const struct field_table row_fields = FIELD_TABLE(row_rows);

struct model_words {
    const char *quota;
    int64_t rpm, rpd, tpm, tpd, concurrency;
};

#define LIMIT(word, member, text)                                     \
    FIELD(model_words, word, member, .kind = FIELD_COUNT, .init = "", \
          .min = 1, .max = tokens_most, .live = true, .help = (text))

static const struct field limit_rows[] = {
    LIMIT("rpm", rpm, "requests a minute"),
    LIMIT("rpd", rpd, "requests a day"),
    LIMIT("tpm", tpm, "tokens a minute"),
    LIMIT("tpd", tpd, "tokens a day"),
    LIMIT("concurrency", concurrency, "requests at a time"),
};

static const struct field_table limit_fields = FIELD_TABLE(limit_rows);

static const struct field model_rows[] = {
    FIELD(model_words, "quota", quota, .kind = FIELD_TEXT, .init = "",
          .max = 128, .live = true,
          .help = "one of the quotas: while it lasts, tokens cost nothing"),
    SECTION("limits", &limit_fields, "what the vendor lets pass"),
    BY_HAND("rows", NULL,
            "list of rows; the words beside it count for each of them"),
};

static const struct field_table model_fields = FIELD_TABLE(model_rows);

/* For the reference: all that may stand below a model. */
static const struct field shown_rows[] = {
    SECTION("MODEL", &model_fields, "true of all its rows"),
    SECTION("ROW", &row_fields,
            "the first whose conditions hold bills the whole request"),
};

const struct field_table priced_fields = FIELD_TABLE(shown_rows);

static const struct part {
    const char *word;
    size_t offset;
} parts[] = {
    {"input", offsetof(struct conf_price, input)},
    {"cached_input", offsetof(struct conf_price, cached)},
    {"cached_marked", offsetof(struct conf_price, cached_marked)},
    {"cache_write", offsetof(struct conf_price, cache_write)},
    {"cache_write_1h", offsetof(struct conf_price, cache_write_1h)},
    {"output", offsetof(struct conf_price, output)},
    {"thinking_output", offsetof(struct conf_price, thinking)},
    {"cache_storage", offsetof(struct conf_price, storage)},
};

static struct rate *rate_of(struct conf_price *p, const struct part *part)
{
    return (void *)((char *)p + part->offset);
}

/* Missing is not zero, and zero has to be meant; but where keeping is free
 * nobody need say so twice. */
static void check_zeros(const struct load *l, struct conf_price *p,
                        const struct node *row)
{
    bool any = false;

    for (size_t i = 0; i + 1 < ARRAY_LEN(parts); i++) {
        const struct node *n = node_find(row, parts[i].word);

        if (!n || n->kind != NODE_TEXT ||
            rate_of(p, &parts[i])->nanos_per_mtok != 0)
            continue;
        any = true;
        if (!p->free)
            diag_error(l->diag, &n->place,
                       "\"%s\" is 0: if that is meant, say \"free: yes\" as "
                       "well; if it is not known, leave it out",
                       parts[i].word);
    }
    if (p->free && !any)
        diag_error(l->diag, node_head(node_find(row, "free")),
                   "\"free: yes\", but no price here is 0");
}

static void check_row(const struct load *l, struct conf_price *p,
                      const struct node *row)
{
    const struct node *n = node_find(row, "until");

    check_zeros(l, p, row);
    if (p->from_ms >= p->until_ms)
        diag_error(l->diag, n ? &n->place : &row->place,
                   "\"until\" is not later than \"from\": the row never "
                   "holds");
    if (p->input_at_most && p->input_below)
        diag_error(l->diag, &row->place,
                   "\"input_at_most\" or \"input_below\", not both");
    if (p->output_at_most && p->output_below)
        diag_error(l->diag, &row->place,
                   "\"output_at_most\" or \"output_below\", not both");
    if (p->has_cached && p->cached.nanos_per_mtok > p->input.nanos_per_mtok)
        if ((n = node_find(row, "cached_input")))
            diag_warning(l->diag, &n->place,
                         "\"cached_input\" is dearer than \"input\"");
}

/* A price per thousand or ten thousand tokens becomes one per million. */
static void normalise(const struct load *l, struct conf_price *p,
                      const char *per, const struct node *row)
{
    int64_t scale = 1;

    if (strcmp(per, "1K") == 0)
        scale = 1000;
    else if (strcmp(per, "10K") == 0)
        scale = 100;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct rate *rate = rate_of(p, &parts[i]);
        const struct node *n = node_find(row, parts[i].word);

        if (rate->nanos_per_mtok > MOST_NANOS / scale)
            diag_error(l->diag, n ? &n->place : &row->place,
                       "\"%s\" is more than a million per 1,000,000 tokens: "
                       "is \"per: %s\" meant?",
                       parts[i].word, per);
        else
            rate->nanos_per_mtok *= scale;
    }
}

static void find_window(const struct load *l, struct conf_price *p,
                        const char *name, const struct node *row)
{
    for (size_t i = 0; i < l->conf->n_windows; i++)
        if (strcmp(l->conf->windows[i].name, name) == 0)
            p->when = &l->conf->windows[i];
    if (!p->when)
        diag_error(l->diag, &node_find(row, "when")->place,
                   "\"when\": there is no window \"%.64s\"", name);
}

static void read_row(const struct load *l, struct conf_price *p,
                     const struct node *row)
{
    int before = l->diag->errors;
    struct row_words words = {.price = *p};

    fields_read(&row_fields, row, &words, l->arena, l->diag);
    *p = words.price;
    if (words.when)
        find_window(l, p, words.when, row);
    if (l->diag->errors == before)
        check_row(l, p, row);
    if (l->diag->errors == before)
        normalise(l, p, words.per, row);
    if (p->as_of && !as_of_parse(&p->as_of_ms, p->as_of))
        p->as_of_ms = INT64_MIN;
    if (!p->has_cached)
        p->cached = p->input;
    if (!p->has_cached_marked)
        p->cached_marked = p->cached;
    if (!p->has_cache_write)
        p->cache_write = p->input;
    if (!p->has_cache_write_1h)
        p->cache_write_1h = p->cache_write;
    if (!p->has_thinking)
        p->thinking = p->output;
}

static bool is_model_word(const char *key)
{
    for (size_t i = 0; i < model_fields.n_rows; i++)
        if (strcmp(model_fields.rows[i].name, key) == 0)
            return true;
    return false;
}

/* `row` with the words of `model` that count for it too; or, with `own`, the
 * words of the model alone. */
static struct node *with_words(const struct load *l, const struct node *row,
                               const struct node *model, bool own)
{
    struct node *map = arena_alloc(l->arena, sizeof(*map));
    struct node **end = &map->child;
    const struct node *from[] = {row, model};

    *map = *(row ? row : model);
    map->child = NULL;
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        if (!from[i] || from[i]->kind != NODE_MAP)
            continue;
        for (const struct node *n = from[i]->child; n; n = n->next) {
            if (from[i] == model &&
                (is_model_word(n->key) != own || node_find(row, n->key)))
                continue;
            *end = arena_alloc(l->arena, sizeof(**end));
            **end = *n;
            (*end)->next = NULL;
            end = &(*end)->next;
        }
    }
    return map;
}

static void read_model_words(const struct load *l, struct conf_priced *priced,
                             const struct node *model)
{
    struct model_words words = {0};

    fields_read(&model_fields, with_words(l, NULL, model, true), &words,
                l->arena, l->diag);
    priced->rpm = words.rpm;
    priced->rpd = words.rpd;
    priced->tpm = words.tpm;
    priced->tpd = words.tpd;
    priced->concurrency = words.concurrency;
    if (!words.quota)
        return;
    for (size_t i = 0; i < l->conf->n_quotas; i++)
        if (strcmp(l->conf->quotas[i].name, words.quota) == 0)
            priced->quota = &l->conf->quotas[i];
    if (!priced->quota)
        diag_error(l->diag, &node_find(model, "quota")->place,
                   "\"quota\": there is no quota \"%.64s\"", words.quota);
}

/* The list of rows below a model, or NULL: it is one row itself. */
static const struct node *rows_of(const struct node *model)
{
    const struct node *rows = node_find(model, "rows");

    if (rows)
        return rows;
    return model->kind == NODE_LIST ? model : NULL;
}

size_t priced_count(const struct node *model)
{
    const struct node *rows = rows_of(model);

    return rows && rows->kind == NODE_LIST ? rows->n_children : 1;
}

void priced_read(const struct load *l, struct conf_priced *priced,
                 const struct node *model, enum currency currency,
                 struct conf_price **next)
{
    const struct node *rows = rows_of(model), *row = model;
    int before = l->diag->errors;

    priced->rows = *next;
    if (model->kind == NODE_MAP)
        read_model_words(l, priced, model);
    if (rows && rows->kind != NODE_LIST) {
        diag_error(l->diag, node_head(rows),
                   "\"rows\" wants a list: each row behind a '-'");
        return;
    }
    if (rows)
        row = rows->child;
    if (!row)
        diag_error(l->diag, &model->key_place,
                   "an empty list: leave the model out if it has no price");
    for (; row; row = rows ? row->next : NULL) {
        **next = (struct conf_price){
            .place = row->place,
            .list = priced->list,
            .model = priced->model,
            .as_of_ms = INT64_MIN,
            .from_ms = INT64_MIN,
            .until_ms = INT64_MAX,
            .currency = currency,
        };
        read_row(l, *next,
                 model->kind == NODE_MAP
                     ? with_words(l, rows ? row : NULL, model, false)
                     : row);
        (*next)++;
        priced->n_rows++;
        if (model->kind == NODE_MAP && l->diag->errors > before)
            return; /* else a word they share is complained of each time */
    }
}
