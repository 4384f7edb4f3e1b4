#include "record/names.h"

#include <stddef.h>

const char *receipt_team(const struct receipt *r)
{
    const struct snapshot *s = r->snapshot;

    return s && r->team < s->n_teams ? s->teams[r->team].name : NULL;
}

struct offer_name receipt_offer(const struct receipt *r, uint32_t offer)
{
    const struct snapshot *s = r->snapshot;

    if (!s || offer >= s->n_offers)
        return (struct offer_name){NULL, NULL};
    return (struct offer_name){s->offers[offer].vendor->name,
                               s->offers[offer].model};
}

const struct receipt_attempt *receipt_chosen(const struct receipt *r)
{
    if (r->chosen < 0 || (uint32_t)r->chosen >= r->n_attempts)
        return NULL;
    return &r->attempts[r->chosen];
}

struct offer_name receipt_chosen_offer(const struct receipt *r)
{
    const struct receipt_attempt *a = receipt_chosen(r);

    return a ? receipt_offer(r, a->offer) : (struct offer_name){NULL, NULL};
}

struct offer_name receipt_runner_up(const struct receipt *r)
{
    return r->has_runner_up ? receipt_offer(r, r->runner_up)
                            : (struct offer_name){NULL, NULL};
}
