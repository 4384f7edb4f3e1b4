#include "cli/again.h"

#include <string.h>

#include "routing/price.h"

#include "cli/replay.h"

void again_begin(struct again *w, struct arena *kept)
{
    w->learnt = replay_learnt(kept);
    w->numbers = learnt_bind(w->learnt, w->snapshot, kept);
}

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    const struct again *w = self;

    *out = (struct offer_state){
        .available =
            !w->without || strcmp(w->without, offer->vendor->name) != 0,
        .key_ready = true,
    };
    learnt_look(w->outlook, offer, out);
    out->input_tokens = w->request->input;
    out->cached_tokens = w->request->cached;
}

static void pay(struct again *w, const struct decision *d,
                struct again_answer *out, struct arena *a)
{
    const struct again_request *r = w->request;
    const struct verdict *v = &d->verdicts[0];
    struct money told = {0, w->snapshot->currency};
    struct usage u = v->expected;
    struct lesson *lesson;
    struct cost cost;

    u.output_tokens = r->output;
    u.thinking_tokens = r->thinking;
    u.marked = r->marked;
    u.estimated = false;
    out->offer = v->offer;
    if (price_bill(&cost, v->offer, r->at_unix_ms, &u, 0))
        out->cost = cost.total;
    if (!price_convert(&told, w->snapshot, out->cost, w->snapshot->currency,
                       r->at_unix_ms))
        told.nanos = 0;
    lesson = learnt_sent(w->learnt, w->outlook, w->snapshot, d, v, a);
    if (lesson)
        learnt_answered(w->learnt, lesson, &u, told.nanos);
}

void again_decide(struct again *w, const struct again_request *request,
                  struct again_answer *out, struct arena *a)
{
    struct conditions conditions = {
        .now_unix_ms = request->at_unix_ms, .look = look, .self = w};
    struct query query = {
        .asked = request->asked,
        .team = snapshot_find_team(w->snapshot, request->team),
        .needs = request->thinking > 0 ? NEED_THINKING : 0,
        .n = 1,
    };
    struct decision d;

    *out = (struct again_answer){.cost = {0, w->snapshot->currency}};
    w->request = request;
    trace_text(&query.text, "en", request->input);
    w->outlook =
        learnt_prepare(w->learnt, w->numbers, &query, request->at_unix_ms, a);
    decide(&d, w->snapshot, &query, &conditions, a);
    if (d.n_listed > 0)
        pay(w, &d, out, a);
}
