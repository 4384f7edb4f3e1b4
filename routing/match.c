#include "routing/match.h"

#include <string.h>

#include "routing/names.h"

size_t bits_words(const struct snapshot *s)
{
    return s->n_offers / 64 + 1;
}

bool word_is_pattern(const char *word)
{
    size_t len = strlen(word);

    return len > 0 && word[len - 1] == '*';
}

static void set_vendor(const struct vendor *v, uint64_t *bits)
{
    for (uint32_t i = 0; i < v->n_offers; i++)
        bits_set(bits, v->first_offer + i);
}

static size_t match_begin(const struct snapshot *s, const char *begin,
                          size_t len, uint64_t *bits)
{
    const char *slash = memchr(begin, '/', len);
    const struct vendor *v = NULL;
    uint32_t first = 0, end = (uint32_t)s->n_offers;
    size_t n = 0;

    if (slash)
        v = names_find(s->names, NAMES_VENDOR,
                       (struct slice){begin, (size_t)(slash - begin)});
    if (v) {
        len -= (size_t)(slash + 1 - begin);
        begin = slash + 1;
        first = v->first_offer;
        end = first + v->n_offers;
    }
    for (uint32_t i = first; i < end; i++) {
        if (strncmp(s->offers[i].model, begin, len) != 0)
            continue;
        bits_set(bits, i);
        n++;
    }
    return n;
}

size_t match_offers(const struct snapshot *s, const char *word, uint64_t *bits)
{
    const struct offer_set *set;

    if (word_is_pattern(word))
        return match_begin(s, word, strlen(word) - 1, bits);
    set = names_find(s->names, NAMES_OFFER, slice_of(word));
    if (!set)
        set = names_find(s->names, NAMES_MODEL, slice_of(word));
    if (!set)
        return 0;
    for (size_t i = 0; i < set->n; i++)
        bits_set(bits, set->offers[i]->index);
    return set->n;
}

size_t match_vendors(const struct snapshot *s, const char *word, uint64_t *bits)
{
    const struct vendor *v;
    size_t n = 0;

    if (!word_is_pattern(word)) {
        v = names_find(s->names, NAMES_VENDOR, slice_of(word));
        if (v)
            set_vendor(v, bits);
        return v != NULL;
    }
    for (size_t i = 0; i < s->n_vendors; i++) {
        if (strncmp(s->vendors[i].name, word, strlen(word) - 1) != 0)
            continue;
        set_vendor(&s->vendors[i], bits);
        n++;
    }
    return n;
}
