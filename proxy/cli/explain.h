/* explain.h - a decision as people and as programs read it. */
#pragma once

#include <stdio.h>

#include "routing/learn.h"

struct explanation {
    const struct snapshot *snapshot;
    const struct team *team; /* NULL: nobody in particular */
    const struct query *query;
    int64_t at_unix_ms;
    struct decision decision;
    struct outlook *outlook; /* NULL: nothing has been learnt */
};

void explain_table(FILE *to, const struct explanation *e, struct arena *a);
void explain_json(FILE *to, const struct explanation *e);
