/* openai_write.h - what the files that write a request share. */
#pragma once

#include "vendors/chat_look.h"
#include "vendors/openai.h"
#include "vendors/quirk.h"

struct writer {
    struct edits edits;
    const struct manner *manner;
    const struct chat *chat;
    struct arena *arena;
    const char *added; /* members to come first: each ends in a comma */
    bool drop[CHAT_KEY_COUNT];
};

static inline bool writer_has(const struct writer *w, enum quirk quirk)
{
    return quirk_has(w->manner, quirk);
}

static inline bool writer_is_there(const struct writer *w, enum chat_key key)
{
    return w->chat->field[key].kind != JSON_ABSENT;
}

void writer_replace(struct writer *w, struct span span, struct slice by);
/* "\"name\":value" */
void writer_add(struct writer *w, const char *member);
void writer_drop(struct writer *w, enum chat_key key);

/* openai_thinking.c: thinking, in the vendor's spelling. */
void writer_thinking(struct writer *w);

/* openai_member.c: takes the member [from, to) of an object out, with the
 * comma before it; with the one behind it, if it comes first or all before it
 * went: `gone` is where the last one ended. Returns where this one did. */
size_t edits_drop_member(struct edits *e, size_t from, size_t to, size_t gone);

/* Takes out of the object at `span` the members that `drops` says. `value`
 * is told its kind. */
void edits_drop_members(struct edits *e, struct span span,
                        bool (*drops)(void *self, const struct json_text *key,
                                      enum json_kind kind),
                        void *self);
