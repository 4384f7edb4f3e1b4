#include "routing/suggest.h"

#include <stdio.h>
#include <string.h>

enum {
    WORD_MOST = 64,
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions and changes that lead from `a` to `b`. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[WORD_MOST + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t corner = row[0]; /* of the row above, one to the left */

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

void suggest(struct suggestion *s, const char *candidate)
{
    size_t len = strlen(s->word), other = strlen(candidate), d;
    size_t most = len < 3 ? 1 : len < 6 ? 2 : 3;

    if (len > WORD_MOST || other > WORD_MOST || len > other + most ||
        other > len + most)
        return;
    d = distance(s->word, len, candidate, other);
    if (d > most || d >= len || (s->best && d >= s->distance))
        return;
    s->best = candidate;
    s->distance = d;
}

const char *suggestion_text(const struct suggestion *s,
                            char text[SUGGESTION_TEXT])
{
    text[0] = '\0';
    if (s->best)
        snprintf(text, SUGGESTION_TEXT, "; did you mean \"%s\"?", s->best);
    return text;
}
