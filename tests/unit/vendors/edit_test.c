#include "vendors/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t join(char *to, const struct slice *slices, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        memcpy(to + len, slices[i].bytes, slices[i].len);
        len += slices[i].len;
    }
    return len;
}

static void without_edits_the_body_is_itself(void **state)
{
    struct arena *a = arena_new();
    struct edits e;
    size_t n, len;
    struct slice *slices;

    (void)state;
    edits_init(&e, slice_of("body"), a);
    slices = edits_slices(&e, &n, &len);
    assert_int_equal(n, 1);
    assert_int_equal(len, 4);
    assert_string_equal(slices[0].bytes, "body");
    arena_free(a);
}

struct change {
    size_t at, remove;
    char insert[8];
};

/* Random edits that do not overlap, added in random order, against the same
 * changes made one by one from the back. */
static void edits_do_what_replacing_from_the_back_does(void **state)
{
    enum {
        CHANGES = 400
    };
    static struct change changes[CHANGES];
    static char want[65536], got[65536], body[8192];
    struct arena *a = arena_new();
    unsigned seed = 11;

    (void)state;
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 26);
    for (int round = 0; round < 400; round++) {
        size_t room = (size_t)rand_r(&seed) % sizeof(body), at = 0, n = 0;
        size_t len = room, n_slices, total;
        int order[CHANGES];
        struct slice *slices;
        struct edits e;

        while (n < CHANGES && at < room) {
            struct change *c = &changes[n];

            at += (size_t)rand_r(&seed) % 40 + (n ? 1 : 0);
            if (at > room)
                break;
            c->at = at;
            c->remove = (size_t)rand_r(&seed) % 10;
            if (c->remove > room - at)
                c->remove = room - at;
            snprintf(c->insert, sizeof(c->insert), "%.*s", rand_r(&seed) % 6,
                     "<12345>");
            order[n] = (int)n;
            at += c->remove;
            n++;
        }
        memcpy(want, body, room);
        for (size_t i = n; i-- > 0;) {
            const struct change *c = &changes[i];
            size_t insert = strlen(c->insert);

            memmove(want + c->at + insert, want + c->at + c->remove,
                    len - c->at - c->remove);
            memcpy(want + c->at, c->insert, insert);
            len += insert - c->remove;
        }
        for (size_t i = n; i > 1; i--) {
            size_t k = (size_t)rand_r(&seed) % i;
            int swap = order[k];

            order[k] = order[i - 1];
            order[i - 1] = swap;
        }
        edits_init(&e, (struct slice){body, room}, a);
        for (size_t i = 0; i < n; i++)
            edits_add(&e, changes[order[i]].at, changes[order[i]].remove,
                      slice_of(changes[order[i]].insert));
        slices = edits_slices(&e, &n_slices, &total);
        assert_true(n_slices <= EDIT_SLICES_MAX);
        assert_int_equal(total, len);
        assert_int_equal(join(got, slices, n_slices), len);
        assert_memory_equal(got, want, len);
        arena_reset(a);
    }
    arena_free(a);
}

static void insertions_at_one_place_keep_their_order(void **state)
{
    struct arena *a = arena_new();
    struct edits e;
    char got[32] = "";
    size_t n, len;
    struct slice *slices;

    (void)state;
    edits_init(&e, slice_of("ab"), a);
    edits_add(&e, 1, 0, slice_of("1"));
    edits_add(&e, 0, 0, slice_of("0"));
    edits_add(&e, 1, 0, slice_of("2"));
    edits_add(&e, 1, 1, slice_of("3"));
    slices = edits_slices(&e, &n, &len);
    join(got, slices, n);
    assert_string_equal(got, "0a123");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_edits_the_body_is_itself),
        cmocka_unit_test(edits_do_what_replacing_from_the_back_does),
        cmocka_unit_test(insertions_at_one_place_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
