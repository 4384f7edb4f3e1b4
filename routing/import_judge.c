/*
 * import_judge.c - which of our offers a catalogue means, and whether what it
 * says of them is believed.
 */
#include <string.h>

#include "routing/board.h"
#include "routing/import.h"

enum {
    JUMP = 5, /* times */
    EDGES_MOST = 32,
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
    {"azure", ".openai.azure.com"}, /* each account has a host of its own */
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
    {"stepfun-ai", "api.stepfun.ai"},
    {"tencent-tokenhub", "tokenhub.tencentmaas.com"},
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

/* A home that begins with a dot is all hosts below it. */
static bool lives_at(const struct vendor *v, const char *home)
{
    size_t len = strlen(v->host), end = strlen(home);

    if (*home != '.')
        return strcmp(v->host, home) == 0;
    return len > end && strcmp(v->host + len - end, home) == 0;
}

static bool means(const struct conf_words *pairs, const char *provider,
                  const struct vendor *v)
{
    bool is;

    if (paired(pairs, provider, v->name, &is))
        return is;
    for (size_t i = 0; i < ARRAY_LEN(homes); i++)
        if (strcmp(homes[i].provider, provider) == 0 &&
            lives_at(v, homes[i].host))
            return true;
    return false;
}

/* --- belief --------------------------------------------------------------- */

struct judging {
    const struct snapshot *s;
    const struct import *import;
    int64_t now_ms;
    int64_t usd_cny_nanos; /* 0: the book has no rate */
};

/* Is a / b within some percent of r (in nanos)? */
static bool near(int64_t a, int64_t b, int64_t r)
{
    __int128 left = (__int128)a * NANOS_PER_UNIT * PERCENT;
    __int128 right = (__int128)b * r;

    return b > 0 && left >= right * (PERCENT - SLIP_PERCENT) &&
           left <= right * (PERCENT + SLIP_PERCENT);
}

/* Input and output are off by the exchange rate, the same way. */
static bool slipped(const struct judging *j, const struct import_part *p)
{
    int64_t r = j->usd_cny_nanos;

    return r > 0 &&
           ((near(p[0].now, p[0].before, r) &&
             near(p[1].now, p[1].before, r)) ||
            (near(p[0].before, p[0].now, r) && near(p[1].before, p[1].now, r)));
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

/* What differs between f->row and f->before. */
static enum import_verdict compare_all(const struct judging *j,
                                       const struct import_finding *f)
{
    bool same = f->before->currency == CURRENCY_USD, up = false, down = false;
    struct import_part parts[IMPORT_PARTS_MOST];
    size_t n = import_parts(parts, f, j->s, j->now_ms);

    for (size_t i = 0; i < n; i++) {
        int c = compare(parts[i].now, parts[i].before, same);

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

/* Prices that nobody may believe without looking: f->row's against f->before's
 * at some length. IMPORT_SAME: there are none. */
static enum import_verdict doubt(const struct judging *j,
                                 const struct import_finding *f)
{
    struct import_part parts[IMPORT_PARTS_MOST];
    const struct price_row *b = f->before;
    size_t n;

    if ((f->row->input.nanos_per_mtok == 0 ||
         f->row->output.nanos_per_mtok == 0) &&
        !(b && b->conf->free))
        return IMPORT_HELD_ZERO;
    if (!b)
        return IMPORT_SAME;
    n = import_parts(parts, f, j->s, j->now_ms);
    if (slipped(j, parts))
        return IMPORT_HELD_SLIP;
    for (size_t i = 0; i < n; i++)
        if (parts[i].now != parts[i].before &&
            jumped(parts[i].now, parts[i].before))
            return IMPORT_HELD_JUMP;
    return IMPORT_SAME;
}

static bool row_takes(const struct conf_price *row, int64_t tokens)
{
    return (!row->input_at_most || tokens <= row->input_at_most) &&
           (!row->input_below || tokens < row->input_below);
}

/* Both rows for a prompt of that length; false: the catalogue has none. */
static bool look_at(struct import_finding *f, const struct judging *j,
                    int64_t tokens)
{
    const struct usage usage = {.input_tokens = tokens,
                                .output_tokens = sample.output_tokens};

    for (size_t i = 0; i < f->price->n_rows; i++)
        if (row_takes(&f->price->rows[i], tokens)) {
            f->row = &f->price->rows[i];
            f->before = price_row_at(f->offer, j->now_ms, &usage);
            return true;
        }
    return false;
}

/* The lengths at which either's price changes. */
static size_t edges_of(int64_t edges[EDGES_MOST],
                       const struct import_finding *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->price->n_rows; i++) {
        const struct conf_price *row = &f->price->rows[i];

        if (row->input_at_most || row->input_below)
            edges[n++] =
                row->input_at_most ? row->input_at_most : row->input_below - 1;
    }
    for (size_t i = 0; i < f->offer->n_rows && n < EDGES_MOST; i++)
        if (f->offer->rows[i].input_most < INT64_MAX)
            edges[n++] = f->offer->rows[i].input_most;
    return n;
}

/* Vendors and catalogues differ in whether an edge belongs to the tier below
 * or above it: that one token is not looked at. */
static bool is_looked_at(const int64_t *edges, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++)
        if (edges[k] == edges[i] + 1 || (k < i && edges[k] == edges[i]))
            return false;
    return edges[i] >= sample.input_tokens;
}

/* Long prompts: a tier may differ, or jump, alone. The first that does is what
 * the finding then shows. */
static enum import_verdict judge_tiers(struct import_finding *f,
                                       const struct judging *j,
                                       enum import_verdict base)
{
    int64_t edges[EDGES_MOST];
    size_t n = edges_of(edges, f);
    struct import_finding shown = *f;

    for (size_t i = 0; i < n; i++) {
        enum import_verdict v;

        if (!is_looked_at(edges, n, i) || !look_at(f, j, edges[i] + 1))
            continue;
        f->beyond_tokens = edges[i];
        v = doubt(j, f);
        if (v != IMPORT_SAME) /* tiers are no slips of a currency */
            return v == IMPORT_HELD_SLIP ? IMPORT_HELD_JUMP : v;
        v = f->before ? compare_all(j, f) : IMPORT_SAME;
        if (v != IMPORT_SAME && base == IMPORT_SAME)
            shown = *f;
        if (v != IMPORT_SAME)
            base = base == IMPORT_SAME || base == v ? v : IMPORT_MIXED;
    }
    *f = shown;
    return base;
}

static enum import_verdict judge(const struct judging *j,
                                 struct import_finding *f)
{
    const struct price_row *b = f->before;
    enum import_verdict v;

    if (f->price->n_rows == 0)
        return IMPORT_UNREADY;
    v = doubt(j, f);
    if (v == IMPORT_SAME)
        v = judge_tiers(f, j, b ? compare_all(j, f) : IMPORT_SAME);
    if (b || import_held(v))
        return v;
    return j->usd_cny_nanos > 0 && peer_slipped(j, f->price) ? IMPORT_HELD_SLIP
                                                             : IMPORT_NEW;
}

/* --- all offers ----------------------------------------------------------- */

static const struct import_price *price_of(const struct offer *o,
                                           const struct judging *j,
                                           const struct conf_words *pairs)
{
    for (int how = 0; how < IMPORT_NAMES; how++)
        for (const struct import_price *p = j->import->first; p; p = p->next)
            if (import_names(p, o->model, (enum import_name)how) &&
                means(pairs, p->provider, o->vendor))
                return p;
    return NULL;
}

static void find_price(struct import_finding *f, const struct judging *j,
                       const struct conf_words *pairs)
{
    const struct offer *o = f->offer;

    f->price = price_of(o, j, pairs);
    if (!f->price)
        return;
    f->row = f->price->rows;
    f->before = price_row_at(o, j->now_ms, &sample);
    f->by_hand = o->priced && !o->priced->imported;
    f->verdict = judge(j, f);
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

static bool is_found(const struct import_report *r,
                     const struct import_price *p)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->findings[i].price == p)
            return true;
    return false;
}

/* Models of vendors that we have, which we do not sell. */
static size_t count_unmatched(const struct import_report *r,
                              const struct judging *j,
                              const struct conf_words *pairs)
{
    size_t n = 0;

    for (const struct import_price *p = j->import->first; p; p = p->next)
        for (size_t i = 0; i < j->s->n_vendors; i++) {
            if (!means(pairs, p->provider, &j->s->vendors[i]))
                continue;
            n += !is_found(r, p);
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
    out->n_unmatched = count_unmatched(out, &j, source->pairs);
}
