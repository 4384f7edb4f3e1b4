#include "routing/key_memory.h"

#include "unit/routing/fixture.h"

static const char vendors[] = "vendors:\n"
                              "  one:\n"
                              "    base_url: https://one.example\n"
                              "    currency: CNY\n"
                              "    keys: [{env: KEY}]\n"
                              "    models: {m: {}}\n";

/* A snapshot that knows the digests of `keys`. */
static struct snapshot *knowing(char keys[][TEAM_KEY_LEN + 1], size_t n,
                                const char *pepper)
{
    static char yaml[8192];
    struct yaml y = {vendors, "prices: {one: {m: {input: 1, output: 1}}}\n",
                     "currency: CNY\nteams: {blue: {}, red: {}}\n", yaml};
    struct hmac_key k;
    size_t len = 0;

    hmac_key_init(&k, slice_of(pepper));
    for (size_t i = 0; i < n; i++) {
        unsigned char digest[DIGEST_BYTES];
        struct slice id, secret;
        char hex[DIGEST_HEX];

        assert_true(team_key_parse(slice_of(keys[i]), &id, &secret));
        hmac_sha256(digest, &k, secret);
        len += (size_t)snprintf(
            yaml + len, sizeof(yaml) - len,
            "- {id: \"%.*s\", team: %s, name: Ann, digest: \"%s\"}\n",
            (int)id.len, id.bytes, i % 2 ? "red" : "blue",
            digest_text(digest, hex));
    }
    if (n == 0)
        strcpy(yaml, "[]");
    return snapshot_of(&y);
}

static void a_new_key_looks_like_one_and_no_two_are_alike(void **state)
{
    char one[TEAM_KEY_LEN + 1], two[TEAM_KEY_LEN + 1];
    struct slice id, secret;

    (void)state;
    team_key_make(one);
    team_key_make(two);
    assert_int_equal(strlen(one), 61);
    assert_memory_equal(one, "bj_", 3);
    assert_string_not_equal(one, two);
    assert_true(team_key_parse(slice_of(one), &id, &secret));
    assert_int_equal(id.len, 8);
    assert_int_equal(secret.len, 43);
    assert_ptr_equal(id.bytes, one + 3);
    assert_ptr_equal(secret.bytes, one + 12);
}

static void each_changed_letter_is_noticed_before_any_look_up(void **state)
{
    static const char others[] = "0Aa_-\n";
    char key[TEAM_KEY_LEN + 1];
    struct slice id, secret;

    (void)state;
    team_key_make(key);
    for (size_t i = 0; i < TEAM_KEY_LEN; i++) {
        char was = key[i];

        for (const char *c = others; *c; c++) {
            key[i] = *c;
            assert_int_equal(team_key_parse(slice_of(key), &id, &secret),
                             *c == was);
        }
        key[i] = was;
    }
    for (size_t len = 0; len < TEAM_KEY_LEN; len++)
        assert_false(team_key_parse((struct slice){key, len}, &id, &secret));
    assert_false(team_key_parse((struct slice){NULL, 0}, &id, &secret));
    assert_false(
        team_key_parse((struct slice){key, TEAM_KEY_LEN + 1}, &id, &secret));
}

static void a_key_opens_its_own_team_and_nothing_else(void **state)
{
    char keys[3][TEAM_KEY_LEN + 1];
    struct snapshot *s;
    const struct team_key *found;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        team_key_make(keys[i]);
    s = knowing(keys, 2, PEPPER);
    found = team_key_check(s, slice_of(keys[0]));
    assert_non_null(found);
    assert_string_equal(found->team->name, "blue");
    assert_string_equal(found->name, "Ann");
    assert_memory_equal(found->id, keys[0] + 3, 8);
    assert_string_equal(team_key_check(s, slice_of(keys[1]))->team->name,
                        "red");
    assert_null(team_key_check(s, slice_of(keys[2])));
    assert_null(team_key_check(s, slice_of("")));
    assert_null(team_key_check(s, slice_of("sk-something-else")));
    snapshot_release(s);
}

/* An id that is known with a secret that is not, its check digits right. */
static void a_known_id_with_another_secret_opens_nothing(void **state)
{
    static const char base62[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char keys[2][TEAM_KEY_LEN + 1];
    struct slice id, secret;
    struct snapshot *s;
    uint32_t crc;

    (void)state;
    team_key_make(keys[0]);
    team_key_make(keys[1]);
    s = knowing(keys, 1, PEPPER);
    memcpy(keys[1], keys[0], 12);
    crc = digest_crc32((struct slice){keys[1], TEAM_KEY_LEN - 6});
    for (size_t i = 0; i < 6; i++, crc /= 62)
        keys[1][TEAM_KEY_LEN - 1 - i] = base62[crc % 62];
    assert_true(team_key_parse(slice_of(keys[1]), &id, &secret));
    assert_non_null(snapshot_find_key(s, id));
    assert_null(team_key_check(s, slice_of(keys[1])));
    assert_non_null(team_key_check(s, slice_of(keys[0])));
    snapshot_release(s);
}

static void another_pepper_opens_nothing(void **state)
{
    char keys[1][TEAM_KEY_LEN + 1];
    struct snapshot *s;

    (void)state;
    team_key_make(keys[0]);
    s = knowing(keys, 1, "fedcba9876543210fedcba9876543210");
    assert_null(team_key_check(s, slice_of(keys[0])));
    snapshot_release(s);
}

static void a_revoked_key_opens_nothing_in_the_next_edition(void **state)
{
    char keys[2][TEAM_KEY_LEN + 1];
    struct snapshot *before, *after;

    (void)state;
    team_key_make(keys[0]);
    team_key_make(keys[1]);
    before = knowing(keys, 2, PEPPER);
    after = knowing(keys, 1, PEPPER);
    assert_non_null(team_key_check(before, slice_of(keys[1])));
    assert_null(team_key_check(after, slice_of(keys[1])));
    snapshot_release(before);
    snapshot_release(after);
}

static void a_key_that_is_remembered_opens_what_it_opened(void **state)
{
    char keys[3][TEAM_KEY_LEN + 1], wrong[TEAM_KEY_LEN + 1];
    struct key_memory memory;
    struct snapshot *s;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        team_key_make(keys[i]);
    s = knowing(keys, 2, PEPPER);
    key_memory_init(&memory, s);
    for (int again = 0; again < 3; again++) {
        for (size_t i = 0; i < 2; i++) {
            struct slice key = slice_of(keys[i]);

            assert_ptr_equal(key_memory_check(&memory, s, key),
                             team_key_check(s, key));
            assert_non_null(key_memory_check(&memory, s, key));
        }
        assert_null(key_memory_check(&memory, s, slice_of(keys[2])));
        assert_null(key_memory_check(&memory, s, slice_of("")));
        assert_null(key_memory_check(
            &memory, s, (struct slice){keys[0], TEAM_KEY_LEN - 1}));
        for (size_t i = 0; i < TEAM_KEY_LEN; i++) {
            memcpy(wrong, keys[0], sizeof(wrong));
            wrong[i] = wrong[i] == 'a' ? 'b' : 'a';
            assert_null(key_memory_check(&memory, s, slice_of(wrong)));
        }
    }
    key_memory_fini(&memory);
    snapshot_release(s);
}

static void a_memory_that_is_full_forgets_and_errs_not(void **state)
{
    char keys[24][TEAM_KEY_LEN + 1];
    struct key_memory memory;
    struct snapshot *s;

    (void)state;
    for (size_t i = 0; i < 24; i++)
        team_key_make(keys[i]);
    s = knowing(keys, 24, PEPPER);
    for (size_t places = 1; places <= 64; places *= 2) {
        key_memory_init(&memory, s);
        memory.last = places - 1;
        for (size_t i = 0; i < 72; i++)
            assert_ptr_equal(
                key_memory_check(&memory, s, slice_of(keys[i % 24])),
                team_key_check(s, slice_of(keys[i % 24])));
        key_memory_fini(&memory);
    }
    snapshot_release(s);
}

/* Each stands in a place of its own, whatever their hashes are. */
static void a_memory_has_room_for_each_key_of_its_snapshot(void **state)
{
    char keys[24][TEAM_KEY_LEN + 1];
    struct key_memory memory;
    struct snapshot *s;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 24; i++)
        team_key_make(keys[i]);
    s = knowing(keys, 24, PEPPER);
    key_memory_init(&memory, s);
    for (size_t i = 0; i < 24; i++)
        assert_non_null(key_memory_check(&memory, s, slice_of(keys[i])));
    for (size_t i = 0; i <= memory.last; i++)
        n += memory.places[i].key != NULL;
    assert_int_equal(n, 24);
    key_memory_fini(&memory);
    snapshot_release(s);
}

static void a_memory_made_anew_opens_nothing_by_itself(void **state)
{
    char keys[2][TEAM_KEY_LEN + 1];
    struct snapshot *before, *after;
    struct key_memory memory;

    (void)state;
    team_key_make(keys[0]);
    team_key_make(keys[1]);
    before = knowing(keys, 2, PEPPER);
    after = knowing(keys, 1, PEPPER);
    key_memory_init(&memory, before);
    assert_non_null(key_memory_check(&memory, before, slice_of(keys[1])));
    key_memory_fini(&memory);
    key_memory_init(&memory, after);
    assert_null(key_memory_check(&memory, after, slice_of(keys[1])));
    assert_ptr_equal(key_memory_check(&memory, after, slice_of(keys[0])),
                     team_key_check(after, slice_of(keys[0])));
    key_memory_fini(&memory);
    snapshot_release(before);
    snapshot_release(after);
}

static const char *pepper_given; /* NULL: there is no such file */

static char *give_pepper(void *self, const struct conf_key_source *from,
                         const char *dir, struct arena *a, struct diag *diag)
{
    (void)self;
    (void)dir;
    (void)diag;
    if (from->env)
        return NULL;
    assert_string_equal(from->file, "state/pepper");
    return pepper_given ? arena_strndup(a, pepper_given, strlen(pepper_given))
                        : NULL;
}

static void keys_without_a_proper_pepper_are_an_error(void **state)
{
    static const struct secret_source source = {.read = give_pepper};
    static const char digest[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    static const struct {
        const char *pepper, *told;
    } rows[] = {
        {NULL, "does not exist"},
        {"", "is too short"},
        {"\n", "is too short"},
        {"0123456789abcdef0123456789abcde", "is too short"},
        {"0123456789abcdef0123456789abcdef\n", NULL},
    };

    char keys[128];
    struct yaml y = {vendors, "prices: {one: {m: {input: 1, output: 1}}}\n",
                     "currency: CNY\nteams: {t: {}}\n", keys};

    (void)state;
    snprintf(keys, sizeof(keys), "- {id: abcdefgh, team: t, digest: \"%s\"}\n",
             digest);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct snapshot *s;

        pepper_given = rows[i].pepper;
        s = snapshot_try(&y, &source);
        assert_int_equal(s != NULL, rows[i].told == NULL);
        if (rows[i].told)
            assert_told(rows[i].told);
        snapshot_release(s);
    }
    pepper_given = NULL;
    y.keys = NULL; /* and without keys there is no need of one */
    snapshot_release(snapshot_try(&y, &source));
    assert_int_equal(fixture_diag.errors, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_key_looks_like_one_and_no_two_are_alike),
        cmocka_unit_test(each_changed_letter_is_noticed_before_any_look_up),
        cmocka_unit_test(a_key_opens_its_own_team_and_nothing_else),
        cmocka_unit_test(a_known_id_with_another_secret_opens_nothing),
        cmocka_unit_test(another_pepper_opens_nothing),
        cmocka_unit_test(a_revoked_key_opens_nothing_in_the_next_edition),
        cmocka_unit_test(a_key_that_is_remembered_opens_what_it_opened),
        cmocka_unit_test(a_memory_that_is_full_forgets_and_errs_not),
        cmocka_unit_test(a_memory_has_room_for_each_key_of_its_snapshot),
        cmocka_unit_test(a_memory_made_anew_opens_nothing_by_itself),
        cmocka_unit_test(keys_without_a_proper_pepper_are_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
