/* complaint_read.c - finds the complaint in whatever shape it comes. */
#include "vendors/complaint.h"

/* A scalar as text: a string's inside, or a number as it is written. */
static bool word_read(struct json_scan *s, struct json_text *out)
{
    enum json_kind kind = json_peek(s);
    struct slice value;

    if (kind == JSON_STRING)
        return json_text(s, out);
    if (!json_value(s, &value))
        return false;
    if (kind != JSON_NUMBER)
        return false;
    *out = (struct json_text){value, false};
    return true;
}

/* Vendors say 0, 200 or "success" when all is well. */
static bool is_good(struct json_text code)
{
    return !code.raw.len || json_text_is(code, "0") ||
           json_text_is(code, "200") || json_text_is(code, "success") ||
           json_text_is(code, "Success");
}

/* A code of 400 to 599 inside a 200 is the status that was meant. */
static void status_from(struct complaint *c, struct json_text code)
{
    const char *d = code.raw.bytes;

    if (c->status == 200 && code.raw.len == 3 && (d[0] == '4' || d[0] == '5') &&
        d[1] >= '0' && d[1] <= '9' && d[2] >= '0' && d[2] <= '9')
        c->status = (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0');
}

static void code_read(struct complaint *c, struct json_scan *s)
{
    if (word_read(s, &c->code))
        status_from(c, c->code);
}

/* Is "PerDay" in a violation's quotaId? */
static void violation_read(struct complaint *c, struct json_scan *s)
{
    struct json_text key, text;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (!json_text_is(key, "quotaId") || json_peek(s) != JSON_STRING)
            json_skip(s);
        else if (json_text(s, &text) &&
                 memmem(text.raw.bytes, text.raw.len, "PerDay", 6))
            c->type = (struct json_text){{"quota_per_day", 13}, false};
    }
}

static void delay_read(struct complaint *c, struct json_scan *s)
{
    struct json_text text;
    const char *at;
    int64_t amount;

    if (json_peek(s) != JSON_STRING) {
        json_skip(s);
        return;
    }
    if (!json_text(s, &text))
        return;
    at = text.raw.bytes;
    amount = complaint_amount(&at, at + text.raw.len);
    c->retry_after_ms = amount > 0 ? amount : 0;
}

/* Gemini: how long to wait, and whether it was the day's quota. */
static void detail_list_read(struct complaint *c, struct json_scan *s)
{
    struct json_text key;

    for (json_enter(s); json_element(s);) {
        if (json_peek(s) != JSON_OBJECT) {
            json_skip(s);
            continue;
        }
        for (json_enter(s); json_member(s, &key);) {
            if (json_text_is(key, "retryDelay")) {
                delay_read(c, s);
            } else if (json_text_is(key, "violations") &&
                       json_peek(s) == JSON_ARRAY) {
                for (json_enter(s); json_element(s);)
                    violation_read(c, s);
            } else {
                json_skip(s);
            }
        }
    }
}

static void error_member(struct complaint *c, struct json_text key,
                         struct json_scan *s)
{
    struct json_text inner;

    if (json_text_is(key, "code")) {
        code_read(c, s);
    } else if (json_text_is(key, "type")) {
        word_read(s, &c->type);
    } else if (json_text_is(key, "status")) { /* Gemini */
        if (!c->type.raw.len)
            word_read(s, &c->type);
        else
            json_skip(s);
    } else if (json_text_is(key, "message")) {
        word_read(s, &c->message);
    } else if (json_text_is(key, "details") &&
               json_peek(s) == JSON_OBJECT) { /* Anthropic */
        for (json_enter(s); json_member(s, &inner);) {
            if (json_text_is(inner, "error_code"))
                code_read(c, s);
            else
                json_skip(s);
        }
    } else if (json_text_is(key, "details") && json_peek(s) == JSON_ARRAY) {
        detail_list_read(c, s);
    } else {
        json_skip(s);
    }
}

/* The value of `error`. */
static void error_read(struct complaint *c, struct json_scan *s)
{
    struct json_text key;

    switch (json_peek(s)) {
    case JSON_OBJECT:
        c->stated = true;
        for (json_enter(s); json_member(s, &key);)
            error_member(c, key, s);
        break;
    case JSON_STRING:
        if (json_text(s, &c->message))
            c->stated = c->message.raw.len > 0;
        break;
    case JSON_TRUE:
    case JSON_NUMBER:
    case JSON_ARRAY:
        c->stated = true;
        json_skip(s);
        break;
    case JSON_FALSE:
    case JSON_NULL:
    case JSON_ABSENT: json_skip(s); break;
    }
}

/* MiniMax: {"status_code":1008,"status_msg":"..."}; 0 is well. */
static void base_resp_read(struct complaint *c, struct json_scan *s)
{
    struct json_text key, code = {{"", 0}, false};

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "status_code"))
            word_read(s, &code);
        else if (json_text_is(key, "status_msg"))
            word_read(s, &c->message);
        else
            json_skip(s);
    }
    if (is_good(code))
        return;
    c->code = code;
    c->stated = true;
}

static void bare_code_read(struct complaint *c, struct json_scan *s)
{
    struct json_text code = {{"", 0}, false};

    if (!word_read(s, &code) || is_good(code))
        return;
    c->hinted = true;
    c->code = code;
    status_from(c, code);
}

static void bare_status_read(struct complaint *c, struct json_scan *s)
{
    if (json_peek(s) == JSON_NUMBER)
        bare_code_read(c, s);
    else
        json_skip(s);
}

static void bare_text_read(struct complaint *c, struct json_scan *s)
{
    struct json_text text;

    if (word_read(s, &text) && !c->message.raw.len)
        c->message = text;
}

/* Mistral; everybody's {"type":"error"} says nothing. */
static void bare_type_read(struct complaint *c, struct json_scan *s)
{
    struct json_text word = {{"", 0}, false};

    if (word_read(s, &word) && !c->type.raw.len && !json_text_is(word, "error"))
        c->type = word;
}

static void object_read(struct complaint *c, struct json_scan *s)
{
    struct json_text word = {{"", 0}, false};

    if (word_read(s, &word) && json_text_is(word, "error"))
        c->stated = true;
}

static void detail_read(struct complaint *c, struct json_scan *s)
{
    c->hinted = true;
    bare_text_read(c, s);
}

static void error_code_read(struct complaint *c, struct json_scan *s)
{
    bare_code_read(c, s);
    c->stated |= c->hinted;
}

bool complaint_member(struct complaint *c, const struct json_text *key,
                      struct json_scan *s)
{
    static const struct {
        const char *word;
        void (*read)(struct complaint *c, struct json_scan *s);
    } members[] = {
        {"error", error_read},           {"code", bare_code_read},
        {"status", bare_status_read},    {"message", bare_text_read},
        {"msg", bare_text_read},         {"object", object_read},
        {"detail", detail_read},         {"base_resp", base_resp_read},
        {"error_code", error_code_read}, {"error_msg", bare_text_read},
        {"type", bare_type_read},
    };

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!json_text_is(*key, members[i].word))
            continue;
        members[i].read(c, s);
        return true;
    }
    return false;
}

bool complaint_read(struct complaint *c, struct slice body)
{
    struct json_text key;
    struct json_scan s;

    json_scan_init(&s, body);
    s.any_bytes = true;
    if (json_peek(&s) == JSON_ARRAY) { /* Gemini: a list of one */
        json_enter(&s);
        if (!json_element(&s))
            return false;
    }
    if (json_peek(&s) != JSON_OBJECT)
        return false;
    for (json_enter(&s); json_member(&s, &key);)
        if (!complaint_member(c, &key, &s))
            json_skip(&s);
    return c->stated || c->hinted || c->message.raw.len;
}
