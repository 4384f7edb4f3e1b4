/*
 * world.h - a small market for the tests of this room, and receipts in it.
 *
 * Two vendors of three offers, one team. Made of plain structs, so that these
 * tests do not hang on how a configuration is spelt.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fatal.h"

#include "conf/conf.h"

#include "routing/snapshot.h"

#include "record/receipt.h"
#include "record/recorder.h"

enum {
    WORLD_FLASH, /* deepseek/deepseek-flash */
    WORLD_PRO,   /* deepseek/deepseek-pro */
    WORLD_QWEN,  /* qwen/qwen3.7-flash */
};

static const struct conf_model world_deepseek[] = {
    {.name = "deepseek-flash"},
    {.name = "deepseek-pro"},
};

static const struct conf_model world_qwen[] = {
    {.name = "qwen3.7-flash"},
};

static const struct conf_vendor world_vendors[] = {
    {.name = "deepseek",
     .adapter = "openai",
     .base_url = "https://api.deepseek.com",
     .auth = "none",
     .tokenizer = "generic",
     .models = world_deepseek,
     .n_models = ARRAY_LEN(world_deepseek)},
    {.name = "qwen",
     .adapter = "openai",
     .base_url = "https://dashscope.aliyuncs.com/compatible-mode/v1",
     .auth = "none",
     .tokenizer = "generic",
     .models = world_qwen,
     .n_models = ARRAY_LEN(world_qwen)},
};

static const struct conf_team world_teams[] = {{.name = "demo"}};

static inline struct snapshot *world_new(uint64_t edition)
{
    static struct diag diag;
    struct arena *a = arena_new();
    struct conf *conf = arena_alloc(a, sizeof(*conf));
    struct snapshot *s;

    *conf = (struct conf){
        .dir = ".",
        .vendors = world_vendors,
        .n_vendors = ARRAY_LEN(world_vendors),
        .teams = world_teams,
        .n_teams = ARRAY_LEN(world_teams),
        .currency = CURRENCY_CNY,
    };
    if (snapshot_compile(&s, conf, a, edition, &secrets_of_process, &diag))
        fatal("the tests' world: %s", diag.text);
    return s;
}

/* One that went well at the second vendor asked, with all there is to say. */
static inline void world_receipt(struct receipt *r, struct snapshot *s)
{
    *r = (struct receipt){
        .at_unix_ms = 1795338000123,
        .snapshot = snapshot_retain(s),
        .key_id = "k1a2b3c4",
        .asked = "chat",
        .stream = true,
        .status = 200,
        .n_attempts = 2,
        .n_others = 1,
        .chosen = 1,
        .estimated_input = 12,
        .expected_output = 300,
        .expected = {123000, CURRENCY_CNY},
        .cost = {31000, CURRENCY_CNY},
        .has_runner_up = true,
        .runner_up = WORLD_QWEN,
        .runner_up_cost = {47500, CURRENCY_CNY},
        .first_byte_ms = 210,
        .total_ms = 1834,
        .attempts = {{.offer = WORLD_QWEN,
                      .fault = FAULT_RATE_LIMITED,
                      .status = 429,
                      .first_byte_ms = 12,
                      .total_ms = 15},
                     {.offer = WORLD_FLASH,
                      .status = 200,
                      .first_byte_ms = 195,
                      .total_ms = 1819,
                      .usage = {.input_tokens = 11,
                                .cached_tokens = 4,
                                .output_tokens = 5,
                                .thinking_tokens = 2},
                      .cost = {31000, CURRENCY_CNY},
                      .stated = {4600, CURRENCY_USD}}},
        .others = {{.offer = WORLD_PRO, .why = WHY_PRICE_CAP}},
    };
    receipt_id_new(r->id);
    receipt_id_new(r->attempts[0].id);
    receipt_id_new(r->attempts[1].id);
}

/* A fresh directory below $TMPDIR; removed by world_remove(). */
static inline const char *world_directory(char path[128])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(path, 128, "%s/bijia-record-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(path))
        fatal("cannot make %s", path);
    return path;
}

static inline void world_remove(const char *path)
{
    static const char *const names[] = {
        "ledger.db",
        "ledger.db-wal",
        "ledger.db-shm",
        "ledger.db-journal",
        "ledger.db.disk",
        "ledger.db-wal.disk",
        "ledger.db-journal.disk",
        "ledger.lock",
        "intents",
        "routing.jsonl",
        "routing.jsonl.1",
    };
    char file[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        remove(file);
    }
    remove(path);
}
