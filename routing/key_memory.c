#include "routing/key_memory.h"

#include "base/sip.h"

enum {
    PLACES_LEAST = 64,
    PLACES_MOST = 1 << 16,
    REACH = 16, /* places looked at from where a mark would stand */
};

/* A key has one mark, and only keys of the snapshot are here: so with a place
 * and a half for each, most stand where they are looked for first. */
static size_t places_for(size_t n_keys)
{
    size_t n = PLACES_LEAST;

    while (n < PLACES_MOST && n < n_keys + n_keys / 2)
        n *= 2;
    return n;
}

void key_memory_init(struct key_memory *m, const struct snapshot *s)
{
    size_t n = places_for(s->n_keys);

    m->arena = arena_new();
    m->places = arena_alloc(m->arena, n * sizeof(*m->places));
    m->last = n - 1;
    random_bytes(m->secret, sizeof(m->secret));
}

void key_memory_fini(struct key_memory *m)
{
    wipe(m->places, (m->last + 1) * sizeof(*m->places));
    wipe(m->secret, sizeof(m->secret));
    arena_free(m->arena);
}

static bool bears(const struct key_place *p, const uint64_t mark[2])
{
    return ((p->mark[0] ^ mark[0]) | (p->mark[1] ^ mark[1])) == 0;
}

/* Where it stands; else the first that is free, or with all taken the one
 * where it would have stood. */
static struct key_place *place_of(const struct key_memory *m,
                                  const uint64_t mark[2])
{
    for (size_t i = 0; i < REACH; i++) {
        struct key_place *p = &m->places[(mark[0] + i) & m->last];

        if (!p->key || bears(p, mark))
            return p;
    }
    return &m->places[mark[0] & m->last];
}

const struct team_key *key_memory_check(struct key_memory *m,
                                        const struct snapshot *s,
                                        struct slice presented)
{
    const struct team_key *key;
    struct key_place *place;
    uint64_t mark[2];

    if (presented.len != TEAM_KEY_LEN)
        return NULL;
    sip_hash(mark, m->secret, presented);
    place = place_of(m, mark);
    if (place->key && bears(place, mark))
        return place->key;
    key = team_key_check(s, presented);
    if (key)
        *place = (struct key_place){{mark[0], mark[1]}, key};
    return key;
}
