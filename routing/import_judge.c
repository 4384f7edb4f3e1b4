/*
 * import_judge.c - which of our offers a catalogue means, and whether what it
 * says of them is believed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "routing/board.h"
#include "routing/import.h"

enum {
    NAME_BYTES = 512,
    JUMP = 5,            /* times */
    SLIP_PERCENT = 15,   /* so near to the exchange rate is no accident */
    ALIKE_PERMILLE = 20, /* in another currency: the same */
    PERCENT = 100,
    PERMILLE = 1000,
};

/* A small request: catalogues and books agree on its tier. */
static const struct usage sample = {.input_tokens = 1000, .output_tokens = 500};

/* Where a catalogue's vendors are at home. An account's name is its owner's
 * choice; its address is not. */
static const struct {
    const char *provider, *host;
} homes[] = {
    {"deepseek", "api.deepseek.com"},
    {"openai", "api.openai.com"},
    {"anthropic", "api.anthropic.com"},
    {"google", "generativelanguage.googleapis.com"},
    {"gemini", "generativelanguage.googleapis.com"},
    {"mistral", "api.mistral.ai"},
    {"xai", "api.x.ai"},
    {"x-ai", "api.x.ai"},
    {"groq", "api.groq.com"},
    {"openrouter", "openrouter.ai"},
    {"alibaba-cn", "dashscope.aliyuncs.com"},
    {"alibaba", "dashscope-intl.aliyuncs.com"},
    {"dashscope", "dashscope-intl.aliyuncs.com"},
    {"zhipuai", "open.bigmodel.cn"},
    {"zai", "api.z.ai"},
    {"moonshotai-cn", "api.moonshot.cn"},
    {"moonshotai", "api.moonshot.ai"},
    {"moonshot", "api.moonshot.ai"},
    {"minimax-cn", "api.minimaxi.com"},
    {"minimax", "api.minimax.io"},
    {"stepfun", "api.stepfun.com"},
    {"siliconflow-cn", "api.siliconflow.cn"},
    {"siliconflow", "api.siliconflow.com"},
    {"volcengine", "ark.cn-beijing.volces.com"},
};

static const struct {
    const char *name;
    bool held;
} verdicts[IMPORT_VERDICTS] = {
    [IMPORT_NEW] = {"new", false},
    [IMPORT_SAME] = {"same", false},
    [IMPORT_DEARER] = {"dearer", false},
    [IMPORT_CHEAPER] = {"cheaper", false},
    [IMPORT_MIXED] = {"changed", false},
    [IMPORT_UNREADY] = {"left out", false},
    [IMPORT_HELD_GONE] = {"held: gone", true},
    [IMPORT_HELD_ZERO] = {"held: zero", true},
    [IMPORT_HELD_SLIP] = {"held: wrong currency?", true},
    [IMPORT_HELD_JUMP] = {"held: five times or more", true},
};

const char *import_verdict_name(enum import_verdict v)
{
    return verdicts[v].name;
}

bool import_held(enum import_verdict v)
{
    return verdicts[v].held;
}

/* --- names ---------------------------------------------------------------- */

/* Does a pair speak of the provider? Then *is says whether it means `v`. */
static bool paired(const struct conf_words *pairs, const char *provider,
                   const char *vendor, bool *is)
{
    size_t len = strlen(provider);
    bool any = false;

    *is = false;
    for (size_t i = 0; i < pairs->n; i++) {
        const char *pair = pairs->items[i].text;

        if (strncmp(pair, provider, len) != 0 || pair[len] != '=')
            continue;
        any = true;
        *is = *is || strcmp(pair + len + 1, vendor) == 0;
    }
    return any;
}

static bool means(const struct conf_words *pairs, const char *provider,
                  const struct vendor *v)
{
    bool is;

    if (paired(pairs, provider, v->name, &is))
        return is;
    for (size_t i = 0; i < ARRAY_LEN(homes); i++)
        if (strcmp(homes[i].provider, provider) == 0 &&
            strcmp(homes[i].host, v->host) == 0)
            return true;
    return false;
}

static const struct offer *find_offer(const struct snapshot *s,
                                      const struct vendor *v, const char *model)
{
    char name[NAME_BYTES];
    struct offer_set set;

    snprintf(name, sizeof(name), "%s/%s", v->name, model);
    set = snapshot_resolve(s, NULL, name);
    return set.n == 1 && set.offers[0]->vendor == v ? set.offers[0] : NULL;
}

/* --- belief --------------------------------------------------------------- */

struct judging {
    const struct snapshot *s;
    const struct import *import;
    int64_t now_ms;
    int64_t usd_cny_nanos; /* 0: the book has no rate */
};

static int64_t in_usd(const struct judging *j, struct rate rate,
                      enum currency currency)
{
    struct money m = {rate.nanos_per_mtok, currency};

    return price_convert(&m, j->s, m, CURRENCY_USD, j->now_ms) ? m.nanos : 0;
}

/* Is a / b within some percent of r (in nanos)? */
static bool near(int64_t a, int64_t b, int64_t r)
{
    __int128 left = (__int128)a * NANOS_PER_UNIT * PERCENT;
    __int128 right = (__int128)b * r;

    return b > 0 && left >= right * (PERCENT - SLIP_PERCENT) &&
           left <= right * (PERCENT + SLIP_PERCENT);
}

/* Both prices are off by the exchange rate, the same way. */
static bool slipped(const struct judging *j, const int64_t now[2],
                    const int64_t before[2])
{
    int64_t r = j->usd_cny_nanos;

    return r > 0 &&
           ((near(now[0], before[0], r) && near(now[1], before[1], r)) ||
            (near(before[0], now[0], r) && near(before[1], now[1], r)));
}

static bool jumped(int64_t now, int64_t before)
{
    return (__int128)now >= (__int128)before * JUMP ||
           (__int128)before >= (__int128)now * JUMP;
}

/* -1, 0, 1: cheaper, alike, dearer. */
static int compare(int64_t now, int64_t before, bool same_currency)
{
    __int128 off = (__int128)(now - before) * PERMILLE;

    if (!same_currency && off <= (__int128)before * ALIKE_PERMILLE &&
        -off <= (__int128)before * ALIKE_PERMILLE)
        return 0;
    return (now > before) - (now < before);
}

static enum import_verdict compare_all(const struct judging *j,
                                       const struct price_row *before,
                                       const struct conf_price *now)
{
    const struct rate was[] = {before->input, before->output, before->cached},
                      is[] = {now->input, now->output, now->cached};
    bool cached = before->conf->has_cached && now->has_cached; /* both say */
    bool same = before->currency == CURRENCY_USD, up = false, down = false;

    for (size_t i = 0; i < ARRAY_LEN(was) - !cached; i++) {
        int64_t b = in_usd(j, was[i], before->currency);
        int c = compare(is[i].nanos_per_mtok, b, same);

        up = up || c > 0;
        down = down || c < 0;
    }
    if (up && down)
        return IMPORT_MIXED;
    if (up)
        return IMPORT_DEARER;
    return down ? IMPORT_CHEAPER : IMPORT_SAME;
}

/* A new model whose price, by another vendor of the same catalogue, is off by
 * the exchange rate: one of the two is in the wrong currency. */
static bool peer_slipped(const struct judging *j, const struct import_price *p)
{
    const int64_t now[] = {p->rows->input.nanos_per_mtok,
                           p->rows->output.nanos_per_mtok};

    for (const struct import_price *o = j->import->first; o; o = o->next) {
        if (o == p || o->n_rows == 0 || strcmp(o->model, p->model) != 0)
            continue;
        if (near(now[0], o->rows->input.nanos_per_mtok, j->usd_cny_nanos) &&
            near(now[1], o->rows->output.nanos_per_mtok, j->usd_cny_nanos))
            return true;
    }
    return false;
}

static enum import_verdict judge(const struct judging *j,
                                 const struct import_finding *f)
{
    const struct conf_price *row = f->price->rows;
    const struct price_row *b = f->before;
    int64_t now[2], before[2];

    if (f->price->n_rows == 0)
        return IMPORT_UNREADY;
    now[0] = row->input.nanos_per_mtok;
    now[1] = row->output.nanos_per_mtok;
    if ((now[0] == 0 || now[1] == 0) && !(b && b->conf->free))
        return IMPORT_HELD_ZERO;
    if (!b)
        return j->usd_cny_nanos > 0 && peer_slipped(j, f->price)
                   ? IMPORT_HELD_SLIP
                   : IMPORT_NEW;
    before[0] = in_usd(j, b->input, b->currency);
    before[1] = in_usd(j, b->output, b->currency);
    if (slipped(j, now, before))
        return IMPORT_HELD_SLIP;
    if ((jumped(now[0], before[0]) || jumped(now[1], before[1])) &&
        (now[0] != before[0] || now[1] != before[1]))
        return IMPORT_HELD_JUMP;
    return compare_all(j, b, row);
}

/* --- all offers ----------------------------------------------------------- */

static void find_price(struct import_finding *f, const struct judging *j,
                       const struct conf_words *pairs)
{
    const struct offer *o = f->offer;

    for (const struct import_price *p = j->import->first; p; p = p->next) {
        if (strcmp(p->model, o->model) != 0 ||
            !means(pairs, p->provider, o->vendor))
            continue;
        f->price = p;
        f->before = price_row_at(o, j->now_ms, &sample);
        f->by_hand = o->priced && !o->priced->imported;
        f->verdict = judge(j, f);
        return;
    }
}

/* Did an earlier import of this format bring its price? */
static bool was_imported(const struct offer *o, enum import_format format)
{
    const char *name = import_format_name(format);

    return o->priced && o->priced->imported && o->n_rows > 0 &&
           o->rows->conf->source &&
           strncmp(o->rows->conf->source, name, strlen(name)) == 0;
}

static int64_t exchange_rate(const struct snapshot *s, int64_t now_ms)
{
    struct money one = {NANOS_PER_UNIT, CURRENCY_USD};

    return price_convert(&one, s, one, CURRENCY_CNY, now_ms) ? one.nanos : 0;
}

/* Models of vendors that we have, which we do not sell. */
static size_t count_unmatched(const struct judging *j,
                              const struct conf_words *pairs)
{
    size_t n = 0;

    for (const struct import_price *p = j->import->first; p; p = p->next)
        for (size_t i = 0; i < j->s->n_vendors; i++) {
            const struct vendor *v = &j->s->vendors[i];

            if (!means(pairs, p->provider, v))
                continue;
            n += !find_offer(j->s, v, p->model);
            break;
        }
    return n;
}

void import_judge(struct import_report *out, const struct snapshot *s,
                  const struct import *import,
                  const struct import_source *source, struct arena *a)
{
    int64_t now_ms = source->now_ms;
    struct judging j = {s, import, now_ms, exchange_rate(s, now_ms)};

    *out = (struct import_report){
        .findings = arena_alloc(a, (s->n_offers + 1) * sizeof(*out->findings)),
    };
    for (size_t i = 0; i < s->n_offers; i++) {
        struct import_finding *f = &out->findings[out->n];

        *f = (struct import_finding){.offer = &s->offers[i]};
        find_price(f, &j, source->pairs);
        if (!f->price && !was_imported(f->offer, source->format))
            continue;
        if (!f->price) {
            f->verdict = IMPORT_HELD_GONE;
            f->before = price_row_at(f->offer, now_ms, &sample);
        }
        out->n++;
        out->n_held += import_held(f->verdict);
        out->n_changed += f->verdict != IMPORT_SAME &&
                          f->verdict != IMPORT_UNREADY &&
                          !import_held(f->verdict) && !f->by_hand;
    }
    out->n_unmatched = count_unmatched(&j, source->pairs);
}
