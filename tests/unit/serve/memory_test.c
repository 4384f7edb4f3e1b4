/* memory_test.c - what is learnt outlives whoever writes it down. */
#include "serve/memory.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/routing/fixture.h"

enum {
    KILLS = 12,
    PATIENCE = 40, /* more, if it is too slow to have saved */
};

static const struct yaml world = {
    .vendors = "vendors:\n"
               "  a: {base_url: 'http://a/v1', currency: CNY, auth: none,\n"
               "      models: {m: {}}}\n",
    .prices = "prices:\n  a: {m: {input: 1, output: 2}}\n",
    .policy = "currency: CNY\naliases: {chat: [a/m]}\nteams: {t: }\n",
};

struct scene {
    char dir[64];
    struct arena *arena;
    struct snapshot *snapshot;
    struct memory *memory;
    struct lesson *lesson;
    const struct offer *offer;
};

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    (void)self;
    (void)offer;
    *out = (struct offer_state){.available = true, .key_ready = true};
}

static void open_scene(struct scene *s)
{
    static const char body[] =
        "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\","
        "\"content\":\"what is this\"}]}";
    const struct conditions c = {.now_unix_ms = 1795000000000, .look = look};
    struct outlook *outlook;
    struct chat_error error;
    struct decision d;
    struct memory_offers offers;
    struct query q;
    struct chat chat;

    *s = (struct scene){.dir = "/tmp/bijia-memory-XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    s->arena = arena_new();
    s->snapshot = snapshot_try(&world, &fixture_secrets);
    assert_non_null(s->snapshot);
    assert_int_equal(chat_read(&chat, slice_of(body), s->arena, &error), 0);
    query_of_chat(&q, &chat, NULL);
    s->memory = memory_new(s->dir);
    offers = memory_bind(s->memory, s->snapshot, s->arena);
    outlook = memory_decide(s->memory, &offers, &d, &q, &c, s->arena);
    assert_int_equal(d.n_listed, 1);
    s->offer = d.verdicts[0].offer;
    s->lesson =
        memory_sent(s->memory, outlook, s->snapshot, &d, s->offer, s->arena);
    assert_non_null(s->lesson);
}

static void learn_and_save(const struct scene *s)
{
    const struct usage usage = {.input_tokens = 20, .output_tokens = 30};

    memory_answered(s->memory, s->lesson, s->snapshot, s->offer, &usage,
                    1795000000000);
    memory_save(s->memory);
}

static void save_for_ever(const struct scene *s)
{
    for (;;)
        learn_and_save(s);
}

static void note_answers(void *to, const struct learnt_offer *offer)
{
    *(uint32_t *)to = offer->answers;
}

static uint32_t answers_read(const struct scene *s)
{
    struct arena *a = arena_new();
    const struct learnt *l = memory_read(s->dir, a);
    uint32_t answers = 0;

    assert_non_null(l);
    learnt_tell(l, note_answers, &answers);
    arena_free(a);
    return answers;
}

static void whoever_is_killed_while_saving_leaves_a_whole_file(void **state)
{
    char path[128];
    struct scene s;
    uint32_t most = 1;

    (void)state;
    open_scene(&s);
    learn_and_save(&s);
    assert_int_equal(answers_read(&s), 1);
    for (int i = 0; i < KILLS || (most == 1 && i < PATIENCE); i++) {
        uint32_t answers;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            save_for_ever(&s);
        usleep(15000 + 11000 * (useconds_t)i);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        answers = answers_read(&s);
        assert_true(answers >= 1);
        if (answers > most)
            most = answers;
    }
    assert_true(most > 1); /* some had saved */
    memory_free(s.memory);
    snapshot_release(s.snapshot);
    arena_free(s.arena);
    snprintf(path, sizeof(path), "%s/learnt.new", s.dir);
    (void)unlink(path);
    snprintf(path, sizeof(path), "%s/learnt", s.dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(s.dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_killed_while_saving_leaves_a_whole_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
