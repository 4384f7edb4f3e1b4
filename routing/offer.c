#include <ctype.h>
#include <string.h>

#include "routing/compile.h"

static uint32_t abilities(const struct conf_model *m)
{
    uint32_t provides = m->always_thinks ? 0 : NEED_NO_THINKING;

    provides |= m->tools ? NEED_TOOLS : 0;
    provides |= m->vision ? NEED_VISION : 0;
    provides |= m->json_schema ? NEED_JSON_SCHEMA : 0;
    provides |= m->json_object ? NEED_JSON_OBJECT : 0;
    provides |= m->thinking ? NEED_THINKING : 0;
    return provides;
}

/* The path with {model} filled in; what a path may not hold is escaped. */
static const char *path_of(struct arena *a, const char *path, const char *model)
{
    const char *at = path ? strstr(path, "{model}") : NULL;
    const char *name = "";

    if (!at)
        return path;
    for (; *model; model++)
        name = arena_printf(a,
                            isalnum((unsigned char)*model) ||
                                    strchr("-._~", *model)
                                ? "%s%c"
                                : "%s%%%02X",
                            name, (unsigned char)*model);
    return arena_printf(a, "%.*s%s%s", (int)(at - path), path, name,
                        at + strlen("{model}"));
}

static void compile_manner(struct compiling *c, struct offer *o)
{
    const struct conf_model *conf = o->conf;
    struct manner *m = &o->manner;

    *m = o->vendor->manner;
    o->sent_as = conf->sent_as ? conf->sent_as : conf->name;
    if (conf->chat_path) {
        m->chat_path = conf->chat_path;
        m->stream_path = NULL;
    }
    m->chat_path = path_of(c->arena, m->chat_path, o->sent_as);
    m->stream_path = path_of(c->arena, m->stream_path, o->sent_as);
    m->quirks |= compile_quirks(c, &conf->quirks);
    m->max_output_tokens = conf->max_output_tokens;
}

static void compile_offer(struct compiling *c, struct offer *o)
{
    const struct offer **place = &c->each[o->index];
    struct offer_set *alone = arena_alloc(c->arena, sizeof(*alone));

    compile_manner(c, o);
    o->model = o->conf->name;
    o->provides = abilities(o->conf);
    o->name = arena_printf(c->arena, "%s/%s", o->vendor->name, o->model);
    *place = o;
    *alone = (struct offer_set){place, 1};
    if (!names_add(c->names, NAMES_OFFER, o->name, alone))
        diag_error(c->diag, &o->conf->place,
                   "\"%s\" sells two models called \"%s\"", o->vendor->name,
                   o->model);
}

/* A model that several vendors sell under one name. */
struct shared_model {
    struct offer_set set; /* first, so that names lead to it */
    const struct offer **offers;
    size_t n, most;
};

static void group_by_model(struct compiling *c)
{
    size_t n = c->s->n_offers;
    struct shared_model *all = arena_alloc(c->arena, n * sizeof(*all));
    struct shared_model **of =
        arena_alloc(c->arena, n * sizeof(struct shared_model *));
    const struct offer **room =
        arena_alloc(c->arena, n * sizeof(const struct offer *));

    for (size_t i = 0; i < n; i++) {
        const struct shared_model *seen =
            names_find(c->names, NAMES_MODEL, slice_of(c->offers[i].model));

        of[i] = seen ? &all[seen - all] : &all[i];
        if (!seen &&
            !names_add(c->names, NAMES_MODEL, c->offers[i].model, &all[i].set))
            continue;
        of[i]->most++;
    }
    for (size_t i = 0; i < n; i++) {
        struct shared_model *m = of[i];

        if (!m->offers) {
            m->offers = room;
            room += m->most;
        }
        m->offers[m->n++] = &c->offers[i];
        m->set = (struct offer_set){m->offers, m->n};
    }
}

void compile_offers(struct compiling *c)
{
    const struct conf *conf = c->conf;
    size_t n = 0;

    for (size_t i = 0; i < conf->n_vendors; i++)
        n += conf->vendors[i].n_models;
    if (n > OFFERS_MOST) {
        diag_error(c->diag, &conf->vendors[0].place,
                   "%zu models in all; %d is the most", n, OFFERS_MOST);
        n = 0;
    }
    c->offers = arena_alloc(c->arena, n * sizeof(*c->offers));
    c->each = arena_alloc(c->arena, n * sizeof(const struct offer *));
    c->s->offers = c->offers;
    c->s->n_offers = n;
    for (size_t i = 0, at = 0; n > 0 && i < conf->n_vendors; i++) {
        struct vendor *v = &c->vendors[i];

        v->first_offer = (uint32_t)at;
        v->n_offers = (uint32_t)v->conf->n_models;
        for (size_t j = 0; j < v->conf->n_models; j++, at++) {
            c->offers[at].vendor = v;
            c->offers[at].conf = &v->conf->models[j];
            c->offers[at].index = (uint32_t)at;
            compile_offer(c, &c->offers[at]);
        }
    }
    group_by_model(c);
}
