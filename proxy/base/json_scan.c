#include "base/json_scan.h"

#include "base/json_string.h"

/* One bit each of a byte's possible roles, to decide by one look. */
enum {
    SPACE = 1,
    DIGIT = 2,
};

static const unsigned char role[256] = {
    [' '] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\r'] = SPACE,
    ['0'] = DIGIT, ['1'] = DIGIT,  ['2'] = DIGIT,  ['3'] = DIGIT,
    ['4'] = DIGIT, ['5'] = DIGIT,  ['6'] = DIGIT,  ['7'] = DIGIT,
    ['8'] = DIGIT, ['9'] = DIGIT,
};

static const unsigned char kinds[256] = {
    ['n'] = JSON_NULL,   ['t'] = JSON_TRUE,   ['f'] = JSON_FALSE,
    ['"'] = JSON_STRING, ['['] = JSON_ARRAY,  ['{'] = JSON_OBJECT,
    ['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER, ['1'] = JSON_NUMBER,
    ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER, ['4'] = JSON_NUMBER,
    ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER,
    ['8'] = JSON_NUMBER, ['9'] = JSON_NUMBER,
};

static bool is(unsigned char byte, unsigned char what)
{
    return (role[byte] & what) != 0;
}

static bool refuse_at(struct json_scan *s, const char *where, const char *why)
{
    if (!s->why) {
        s->why = why;
        s->where = where;
    }
    s->at = s->end;
    return false;
}

bool json_refuse(struct json_scan *s, const char *why)
{
    return refuse_at(s, s->at, why);
}

size_t json_offset(const struct json_scan *s)
{
    return (size_t)((s->why ? s->where : s->at) - s->begin);
}

void json_scan_init(struct json_scan *s, struct slice text)
{
    *s = (struct json_scan){
        .begin = text.bytes, .at = text.bytes, .end = text.bytes + text.len};
}

static inline const char *space_end(const char *p, const char *end)
{
    while (p < end && is((unsigned char)*p, SPACE))
        p++;
    return p;
}

static const char *digits_end(const char *p, const char *end)
{
    while (p < end && is((unsigned char)*p, DIGIT))
        p++;
    return p;
}

/* Past the number at p, or NULL. */
static const char *number_end(const char *p, const char *end)
{
    const char *start;

    if (p < end && *p == '-')
        p++;
    start = p;
    p = digits_end(p, end);
    if (p == start || (*start == '0' && p - start > 1))
        return NULL;
    if (p < end && *p == '.') {
        start = ++p;
        p = digits_end(p, end);
        if (p == start)
            return NULL;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        start = p;
        p = digits_end(p, end);
        if (p == start)
            return NULL;
    }
    return p;
}

/* Past the string at p, of which *escaped is told; NULL: fault told. */
static inline const char *string_end(struct json_scan *s, const char *p,
                                     bool *escaped)
{
    struct json_string string;
    const char *end = json_string_short(p, s->end);

    *escaped = false;
    if (end)
        return end;
    if (!json_string_end(&string, p, s->end, s->any_bytes)) {
        refuse_at(s, string.end, string.why);
        return NULL;
    }
    *escaped = string.escaped;
    return string.end;
}

/* Past the value at p that is no object or array; NULL: fault told. */
static const char *scalar_end(struct json_scan *s, const char *p)
{
    static const struct {
        const char *word;
        size_t len;
    } words[] = {
        [JSON_ABSENT] = {"", 0},
        [JSON_NULL] = {"null", 4},
        [JSON_TRUE] = {"true", 4},
        [JSON_FALSE] = {"false", 5},
    };
    enum json_kind kind =
        p < s->end ? (enum json_kind)kinds[(unsigned char)*p] : JSON_ABSENT;
    const char *end = NULL;
    bool escaped;

    if (kind == JSON_STRING)
        return string_end(s, p, &escaped);
    if (kind == JSON_NUMBER)
        end = number_end(p, s->end);
    else if (kind >= JSON_NULL && kind <= JSON_FALSE &&
             (size_t)(s->end - p) >= words[kind].len &&
             memcmp(p, words[kind].word, words[kind].len) == 0)
        end = p + words[kind].len;
    if (!end)
        refuse_at(s, p, p < s->end ? "not a value" : "a value is missing");
    return end;
}

enum json_kind json_peek(struct json_scan *s)
{
    s->at = space_end(s->at, s->end);
    return s->at < s->end ? (enum json_kind)kinds[(unsigned char)*s->at]
                          : JSON_ABSENT;
}

bool json_enter(struct json_scan *s)
{
    enum json_kind kind = json_peek(s);

    if (kind != JSON_OBJECT && kind != JSON_ARRAY)
        return json_refuse(s, "not an object or a list");
    if (s->depth == JSON_DEPTH_MAX)
        return json_refuse(s, "nested too deeply");
    s->depth++;
    s->at++;
    return true;
}

/*
 * Before the next member or element: 1 there is one, 0 `closer` was passed,
 * -1 fault. Right after json_enter() the last byte read is the opener; after
 * a value it never is.
 */
static int next(struct json_scan *s, char opener, char closer)
{
    bool first;

    if (s->why)
        return -1;
    first = s->at[-1] == opener;
    s->at = space_end(s->at, s->end);
    if (s->at < s->end && *s->at == closer) {
        s->at++;
        s->depth--;
        return 0;
    }
    if (first)
        return 1;
    if (s->at == s->end || *s->at != ',') {
        json_refuse(s, s->at < s->end ? "a comma is missing"
                                      : "the text ends too early");
        return -1;
    }
    s->at = space_end(s->at + 1, s->end);
    return 1;
}

/* The key at s->at and the colon behind it. */
static bool key_read(struct json_scan *s, struct json_text *key)
{
    const char *p = s->at, *end;
    bool escaped;

    if (p == s->end || *p != '"')
        return json_refuse(s, p < s->end ? "a member's name is missing"
                                         : "the text ends too early");
    end = string_end(s, p, &escaped);
    if (!end)
        return false;
    *key = (struct json_text){{p + 1, (size_t)(end - p) - 2}, escaped};
    p = space_end(end, s->end);
    if (p == s->end || *p != ':')
        return refuse_at(s, p, "a colon is missing");
    s->at = p + 1;
    return true;
}

bool json_member(struct json_scan *s, struct json_text *key)
{
    return next(s, '{', '}') > 0 && key_read(s, key);
}

bool json_element(struct json_scan *s)
{
    return next(s, '[', ']') > 0;
}

bool json_text(struct json_scan *s, struct json_text *out)
{
    const char *p = s->at = space_end(s->at, s->end), *end;
    bool escaped;

    if (p == s->end || *p != '"')
        return json_refuse(s, "not a text");
    end = string_end(s, p, &escaped);
    if (!end)
        return false;
    *out = (struct json_text){{p + 1, (size_t)(end - p) - 2}, escaped};
    s->at = end;
    return true;
}

bool json_int(struct json_scan *s, int64_t *out)
{
    const char *start = s->at = space_end(s->at, s->end);
    const char *p = number_end(start, s->end);
    bool negative = start < s->end && *start == '-';
    int64_t value = 0;

    if (!p)
        return json_refuse(s, "not a number");
    for (const char *q = start + negative; q < p; q++) {
        if (!is((unsigned char)*q, DIGIT))
            return json_refuse(s, "not a whole number");
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *q - '0', &value))
            return json_refuse(s, "a number out of range");
    }
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return json_refuse(s, "a number out of range");
    *out = value;
    s->at = p;
    return true;
}

/* Steps over what opens, closes and separates until a scalar or the end of
 * the value entered at `depth`. True: more to skip. */
static bool container_step(struct json_scan *s, uint64_t objects, unsigned base)
{
    bool object = objects >> (s->depth - base - 1) & 1;
    struct json_text key;
    int more = object ? next(s, '{', '}') : next(s, '[', ']');

    return more > 0 && (!object || key_read(s, &key));
}

bool json_skip(struct json_scan *s)
{
    unsigned base = s->depth;
    uint64_t objects = 0; /* by level above base: is it an object? */
    const char *p;

    for (;;) {
        enum json_kind kind = json_peek(s);

        if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
            uint64_t bit = UINT64_C(1) << ((s->depth - base) & 63);

            objects = kind == JSON_OBJECT ? objects | bit : objects & ~bit;
            if (!json_enter(s))
                return false;
        } else {
            p = scalar_end(s, s->at);
            if (!p)
                return false;
            s->at = p;
        }
        while (s->depth > base && !container_step(s, objects, base))
            if (s->why)
                return false;
        if (s->depth == base)
            return true;
    }
}

bool json_value(struct json_scan *s, struct slice *out)
{
    const char *start = s->at = space_end(s->at, s->end);

    if (!json_skip(s))
        return false;
    *out = (struct slice){start, (size_t)(s->at - start)};
    return true;
}

bool json_end(struct json_scan *s)
{
    if (s->why)
        return false;
    s->at = space_end(s->at, s->end);
    return s->at == s->end || json_refuse(s, "something follows the end");
}
