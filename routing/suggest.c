#include "routing/suggest.h"

#include <stdio.h>

#include "conf/near.h"

void suggest(struct suggestion *s, const char *candidate)
{
    size_t rank = near_rank(s->word, candidate);

    if (rank == 0 || (s->best && rank >= s->rank))
        return;
    s->best = candidate;
    s->rank = rank;
}

const char *suggestion_text(const struct suggestion *s,
                            char text[SUGGESTION_TEXT])
{
    text[0] = '\0';
    if (s->best)
        snprintf(text, SUGGESTION_TEXT, "; did you mean \"%s\"?", s->best);
    return text;
}
