/*
 * suggest.h - "did you mean ...?" for a word that means nothing.
 *
 * Offer it candidates; the nearest stays, if it is near enough to have been
 * meant.
 */
#pragma once

#include <stddef.h>

struct suggestion {
    const char *word;
    const char *best; /* NULL: nothing is near */
    size_t rank;
};

void suggest(struct suggestion *s, const char *candidate);

enum {
    SUGGESTION_TEXT = 192,
};

/* "" or "; did you mean \"qwen\"?". Returns `text`. */
const char *suggestion_text(const struct suggestion *s,
                            char text[SUGGESTION_TEXT]);
