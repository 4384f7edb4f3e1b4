/*
 * openai_mend.h - what the files that mend an answer share.
 *
 *     openai_mend.c          the walk; names, finish words, snapshots
 *     openai_mend_content.c  texts: lists of parts, <think> tags
 *     openai_mend_calls.c    tool calls
 *
 * State that outlives a chunk stands in struct mend_choice, one per choice.
 *
 * Decided: a model's own marks that a careless host lets slip into the text
 * (DeepSeek's DSML, Kimi's tool_calls_section) are no business of a repair.
 * They come in too many shapes, opened and never closed, within thinking,
 * beside the same call told properly, for a proxy to know a call from an answer
 * that speaks of such marks; a call guessed wrong is carried out, and a text
 * taken away is missed by nobody. They are passed on and billed as text: who
 * meets them does without that offer (`deny` in the policy).
 */
#pragma once

#include "vendors/openai.h"
#include "vendors/quirk.h"

enum {
    MEND_CALLS_MAX = 128, /* of one answer; further ones stay as they are */
    MEND_HELD_MAX = 16,   /* bytes of a text that may yet be a tag */
};

enum think_state {
    THINK_START,  /* nothing but blanks so far */
    THINK_OPENED, /* behind <think>: blanks are left out */
    THINK_WITHIN,
    THINK_BEHIND, /* behind </think>: blanks are left out */
    THINK_OVER,   /* all that comes is the answer */
};

struct mend_call {
    uint64_t id_digest; /* 0: none yet */
    bool begun, named;
};

struct mend_choice {
    struct mend_choice *next;
    int index;
    size_t snapshot_len;
    uint64_t snapshot_digest;
    enum think_state think;
    char held[MEND_HELD_MAX];
    size_t n_held;
    struct mend_call calls[MEND_CALLS_MAX];
    int n_calls;
};

struct mending {
    struct mend_choice *choices;
    struct buf text, thought; /* of the chunk at hand */
    uint64_t seed;            /* of ids that the vendor did not give */
};

/* One chunk being mended. */
struct mend {
    struct openai_reader *r;
    struct intake *in;
    struct json_scan s;
    const char *from; /* behind what was copied or replaced last */
    struct mend_choice *choice;
    bool stream;
    bool ended; /* the choice ends with this chunk */
    bool quiet; /* its delta says nothing */
    bool has_reasoning, has_reasoning_content;
    bool has_content;
};

bool mend_has(const struct mend *m, enum quirk quirk);
void mend_add(struct mend *m, struct slice bytes);
/* [at, end) makes way for `insert`; what lies before goes on as it is. */
void mend_put(struct mend *m, const char *at, const char *end,
              struct slice insert);

uint64_t mend_digest(struct slice bytes);

/* Each mends the value at m->s, and moves past it. */
void mend_content(struct mend *m);
void mend_details(struct mend *m, struct json_text key);
void mend_calls(struct mend *m);

/* At the end of a choice whose delta had no content: what is still held. */
void mend_held(struct mend *m, const char *before);
