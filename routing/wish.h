/*
 * wish.h - what a team wants of an offer, besides that it may be used.
 *
 * Where it computes and what it can do at least are checked of each offer;
 * what a second is worth is added to what the offer costs.
 */
#pragma once

#include "routing/compile.h"

/* `team` NULL: wants nothing. False: whatever it is asked of, the next two are
 * true. */
bool wish_any(const struct conf_team *team);
bool wish_residency(const struct conf_team *team, const struct offer *offer);
bool wish_floor(const struct conf_team *team, const struct offer *offer);

/* What a second is worth to the team when it asks for `asked`: nanos of the
 * policy's currency. */
int64_t wish_second(const struct conf_team *team, const char *asked);

/* Complaints about what only meaning can check. */
void wish_check(struct compiling *c, const struct team *team);
