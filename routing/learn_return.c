/*
 * Does a conversation go on, and when? Each request leaves a tail; time after
 * it is cut into bins, and in each bin in which it still waits it either goes
 * on or does not: one trial of a logistic model, made once the bin is over,
 * whatever its end. (Those that went on are known sooner than those that did
 * not: to count them at once would promise too much.) So what has not ended
 * yet counts for as long as it has waited, neither more nor less.
 */
#include <math.h>
#include <string.h>

#include "routing/learn_parts.h"

static const uint32_t edges[RETURN_BINS] = {/* ticks */
                                            500,   1500,  4000, 9000,
                                            18000, 36000, 72000};

enum {
    FEATURES = 6,
    LATE = 4, /* the first bin of those that share weights as late ones */
    WAITS = RETURN_BINS, /* tail.went: it has not gone on */
    COUNTS_NOT,          /* nothing can tell whether it does */
    TURNS_AT = RETURN_BINS,
    SIZES_AT = TURNS_AT + 2 * RETURN_TURNS,
    GROWTHS_AT = SIZES_AT + 2 * RETURN_SIZES,
    GAPS_AT = GROWTHS_AT + 2 * RETURN_GROWTHS,
    KINDS_AT = GAPS_AT + RETURN_GAPS * RETURN_BINS,
};

/* Where nothing is known: as people chat (Mooncake's conversation trace, FAST
 * 2025). The more turns there were, the likelier one more; and it comes about
 * as soon as the last one did. */
static void begin_as_chats(struct returns *r)
{
    static const float first[RETURN_BINS] = {-5,    -4,    -2.8F, -2.7F,
                                             -2.6F, -2.7F, -2.8F};
    const float turn = .12F, same = .5F, sooner = -.25F;

    for (int j = 0; j < RETURN_BINS; j++) {
        float *gaps = &r->weights[GAPS_AT + j];

        r->weights[j] = first[j];
        for (int last = 0; last < RETURN_BINS; last++)
            gaps[(1 + last) * RETURN_BINS] = last == j      ? same
                                             : last > j + 2 ? sooner
                                                            : 0;
    }
    for (int t = 0; t < 2 * RETURN_TURNS; t++)
        r->weights[TURNS_AT + t] = turn * (float)(t % RETURN_TURNS);
}

void returns_init(struct returns *r)
{
    const float growth = 600;

    begin_as_chats(r);
    for (int t = 0; t < RETURN_TURNS; t++)
        r->growth[t] = growth;
    r->next = 1;
    for (int j = 0; j < RETURN_BINS; j++)
        r->swept[j] = 1;
    r->gap_ms = 60000;
}

static int log2_bucket(float x, float from, int most)
{
    int b = 0;

    while (b < most - 1 && x >= from) {
        x /= 2;
        b++;
    }
    return b;
}

static void features(int at[FEATURES], const struct tail *t, int bin)
{
    int late = bin >= LATE;

    at[0] = bin;
    at[1] = TURNS_AT + late * RETURN_TURNS + t->turn;
    at[2] = SIZES_AT + late * RETURN_SIZES + t->size;
    at[3] = GROWTHS_AT + late * RETURN_GROWTHS + t->growth;
    at[4] = GAPS_AT + t->gap * RETURN_BINS + bin;
    at[5] = KINDS_AT + t->kind;
}

static float hazard_of(float z)
{
    return 1 / (1 + expf(-z));
}

/* In each bin: what the bins of a half share is added up once; the first
 * feature and the fifth go from bin to bin. */
static void hazards(float out[RETURN_BINS], const struct returns *r,
                    const struct tail *t)
{
    const float *w = r->weights;
    float shared = 0;
    int at[FEATURES];

    for (int bin = 0; bin < RETURN_BINS; bin++) {
        if (bin == 0 || bin == LATE) {
            features(at, t, bin);
            shared = w[at[1]] + w[at[2]] + w[at[3]] + w[at[5]];
        }
        out[bin] = hazard_of(shared + w[at[0]++] + w[at[4]++]);
    }
}

static void trial(struct returns *r, const struct tail *t, int bin, float went)
{
    const float rate = .12F, least = .3F;
    float z = 0, g, square, step;
    int at[FEATURES];

    features(at, t, bin);
    for (int i = 0; i < FEATURES; i++)
        z += r->weights[at[i]];
    g = hazard_of(z) - went;
    square = g * g;
    step = rate * g;
    for (int i = 0; i < FEATURES; i++) {
        float seen = r->seen[at[i]] + square;

        r->seen[at[i]] = seen;
        r->weights[at[i]] -= step / sqrtf(seen + least);
    }
}

static int bin_of(uint32_t age)
{
    int bin = 0;

    while (bin < RETURN_BINS && age >= edges[bin])
        bin++;
    return bin;
}

/* Each tail teaches each bin that it saw, once that is over. Bounded per
 * request. */
static void sweep(struct learnt *l, uint32_t now)
{
    struct returns *r = &l->returns;

    for (int j = 0; j < RETURN_BINS; j++) {
        if (r->next - r->swept[j] > l->limits.tails)
            r->swept[j] = r->next - l->limits.tails;
        for (int n = 0; n < 64 && r->swept[j] != r->next; n++) {
            struct tail *t = tail_at(l, r->swept[j]);

            if (t->number == r->swept[j] && now - t->at < edges[j])
                break;
            if (t->number == r->swept[j] && t->went <= WAITS && t->went >= j)
                trial(r, t, j, t->went == j);
            r->swept[j]++;
        }
    }
}

/* Where the beginning is too short to say anything, the client's word for it
 * does. A long one that is another's is not gone on from, whatever it is
 * called: no cache will serve it. */
static struct tail *parent_hinted(struct learnt *l, const struct outlook *o)
{
    const int32_t brief = 1024;
    struct tail *t = o->hinted ? tail_at(l, o->hinted->tail) : NULL;

    return t && o->input < brief && o->hinted->tail != 0 &&
                   t->number == o->hinted->tail &&
                   o->now - t->at < edges[RETURN_BINS - 1]
               ? t
               : NULL;
}

static struct tail *find_parent(struct learnt *l, const struct outlook *o)
{
    enum {
        BRANCHES_MOST = 3
    };

    for (uint32_t i = o->known; i-- > 0;) {
        const struct block *b = o->blocks[i];
        struct tail *t = tail_at(l, b->tail);

        if (b->branches >= BRANCHES_MOST)
            return NULL;
        if (b->tail != 0 && t->number == b->tail)
            return i + 2 >= t->blocks ? t : NULL;
    }
    return NULL;
}

/* What the next turn adds, by its number and by the kind of conversation. */
static float grows(const struct returns *r, const struct tail *t)
{
    const float doubt = 4;
    float n = r->grows_n[t->kind];

    return (r->grows[t->kind] * n + r->growth[t->turn] * doubt) / (n + doubt);
}

static int likeliest(const struct chance *c)
{
    float most = 0, before = 0;
    int bin = 0;

    for (int j = 0; j < RETURN_BINS; j++) {
        if (c->by[j] - before > most) {
            most = c->by[j] - before;
            bin = j;
        }
        before = c->by[j];
    }
    return bin;
}

void returns_expect(struct outlook *o)
{
    const struct returns *r = &o->l->returns;
    struct tail t = o->tail;

    if (o->expects)
        return;
    o->expects = true;
    o->input_then[0] = (float)o->input;
    for (int k = 0; k < LEARNT_TURNS; k++) {
        float waits = 1, went[RETURN_BINS], growth = grows(r, &t);

        hazards(went, r, &t);
        for (int j = 0; j < RETURN_BINS; j++) {
            waits *= 1 - went[j];
            o->chance[k].by[j] = 1 - waits;
        }
        o->input_then[k + 1] = o->input_then[k] + growth;
        t.growth = (uint8_t)log2_bucket(growth, 4, RETURN_GROWTHS);
        if (t.turn + 1 < RETURN_TURNS)
            t.turn++;
        t.size = (uint8_t)log2_bucket(o->input_then[k + 1], 512, RETURN_SIZES);
        t.gap = (uint8_t)(1 + likeliest(&o->chance[k]));
    }
}

void returns_look(struct learnt *l, struct outlook *o)
{
    const struct tail *parent;
    uint32_t grown = 0;

    sweep(l, o->now);
    o->parent = find_parent(l, o);
    if (!o->parent)
        o->parent = parent_hinted(l, o);
    parent = o->parent;
    o->parent_number = parent ? parent->number : 0;
    o->tail = (struct tail){
        .at = o->now,
        .input = (uint32_t)o->input,
        .blocks = (uint16_t)o->query->prefix.n,
        .size = (uint8_t)log2_bucket((float)o->input, 512, RETURN_SIZES),
        .growth = RETURN_GROWTHS - 1,
        .kind = (uint8_t)(mix(o->contexts[2], 7) % RETURN_KINDS),
        .went = o->query->prefix.n > 0 ? WAITS : COUNTS_NOT,
    };
    if (parent) {
        if (o->tail.input > parent->input)
            grown = o->tail.input - parent->input;
        o->tail.turn =
            (uint8_t)(parent->turn + 1 < RETURN_TURNS ? parent->turn + 1
                                                      : RETURN_TURNS - 1);
        o->tail.growth =
            (uint8_t)log2_bucket((float)grown, 4, RETURN_GROWTHS - 1);
        o->tail.gap = (uint8_t)(1 + bin_of(o->now - parent->at));
    }
}

void returns_start(struct learnt *l, struct outlook *o)
{
    const float slow = 300;
    struct returns *r = &l->returns;
    struct tail *parent = o->parent;

    if (parent) {
        int t = parent->turn;
        float grown = o->tail.input > parent->input
                          ? (float)(o->tail.input - parent->input)
                          : 0;

        if (parent->went == WAITS)
            parent->went = (uint8_t)bin_of(o->now - parent->at);
        if (r->growth_n[t] < slow)
            r->growth_n[t]++;
        r->growth[t] += (grown - r->growth[t]) / (r->growth_n[t] + 2);
        if (r->grows_n[parent->kind] < slow)
            r->grows_n[parent->kind]++;
        r->grows[parent->kind] +=
            (grown - r->grows[parent->kind]) / r->grows_n[parent->kind];
        if (r->gap_n < slow)
            r->gap_n++;
        r->gap_ms += ((float)(o->now - parent->at) * TICK_MS - r->gap_ms) /
                     (r->gap_n + 2);
    }
    o->tail.number = r->next++;
    if (r->next == 0)
        r->next = 1;
    *tail_at(l, o->tail.number) = o->tail;
}

bool tail_is_sound(const struct tail *t)
{
    return t->turn < RETURN_TURNS && t->size < RETURN_SIZES &&
           t->growth < RETURN_GROWTHS && t->gap < RETURN_GAPS &&
           t->kind < RETURN_KINDS && t->went <= COUNTS_NOT;
}

/* Within a bin it is as likely at any moment to come in the next one. */
float chance_by(const struct chance *c, uint32_t ticks)
{
    float before = 1; /* that it still waits */
    uint32_t from = 0;

    for (int j = 0; j < RETURN_BINS; j++) {
        float waits = 1 - c->by[j];

        if (ticks < edges[j])
            return ticks == from || before <= 0
                       ? 1 - before
                       : 1 - before * powf(waits / before,
                                           (float)(ticks - from) /
                                               (float)(edges[j] - from));
        before = waits;
        from = edges[j];
    }
    return 1 - before;
}
