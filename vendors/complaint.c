/*
 * complaint.c - from a vendor's error to a fault: a table, first match wins
 * (facts: vendors.md, 1.5).
 */
#include "vendors/complaint.h"

#include "vendors/quirk.h"
#include "vendors/redact.h"

#define ALWAYS QUIRK_COUNT

/*
 * status: 0 is any. word: the code or the type, case aside; after a ~ it need
 * only be a part of either. text: a part of the message. quirk: the row is
 * for vendors of this quirk only.
 */
struct row {
    int status;
    const char *word, *text;
    enum quirk quirk;
    enum fault fault;
};

/* clang-format off */
static const struct row rows[] = {
    /* no money: signals that cannot be mistaken */
    {0,   NULL, "free allocated quota exceeded", ALWAYS, FAULT_VENDOR_MONEY}, /* DashScope */
    {0,   "~FreeTierOnly", NULL,                 ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "Arrearage", NULL,                     ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "1113", NULL,                          ALWAYS, FAULT_VENDOR_MONEY}, /* Zhipu */
    {0,   "1308", NULL,                          ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "1310", NULL,                          ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "exceeded_current_quota_error", NULL,  ALWAYS, FAULT_VENDOR_MONEY}, /* Moonshot */
    {0,   "access_terminated_error", NULL,       ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "QuotaExceeded", NULL,                 ALWAYS, FAULT_VENDOR_MONEY}, /* Ark */
    {0,   "SetLimitExceeded", NULL,              ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "AccountOverdueError", NULL,           ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "~FREE_QUOTA_EXHAUSTED", NULL,         ALWAYS, FAULT_VENDOR_MONEY}, /* TokenHub */
    {0,   "401007", NULL,                        ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "401008", NULL,                        ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "403004", NULL,                        ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "enforced_spend_limit_reached", NULL,  ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "billing_error", NULL,                 ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "payment_required", NULL,              ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "1008", NULL,                          ALWAYS, FAULT_VENDOR_MONEY}, /* MiniMax */
    {400, NULL, "specified api usage limits",    ALWAYS, FAULT_VENDOR_MONEY}, /* Anthropic */
    {0,   "quota_per_day", NULL,                 ALWAYS, FAULT_VENDOR_MONEY}, /* Gemini */
    {200, "11200", "licc",                       ALWAYS, FAULT_VENDOR_MONEY}, /* Spark */
    {0,   "11201", NULL,                         ALWAYS, FAULT_VENDOR_MONEY},
    {0,   NULL, "insufficient balance",          ALWAYS, FAULT_VENDOR_MONEY},
    {403, NULL, "out of credits",                ALWAYS, FAULT_VENDOR_MONEY}, /* xAI */
    {403, NULL, "balance",                       ALWAYS, FAULT_VENDOR_MONEY}, /* SiliconFlow */
    {403, NULL, "arrears",                       ALWAYS, FAULT_VENDOR_MONEY}, /* Qianfan */
    {402, NULL, NULL,                            ALWAYS, FAULT_VENDOR_MONEY},
    {0,   "insufficient_quota", NULL, QUIRK_QUOTA_IS_RATE_LIMIT, FAULT_RATE_LIMITED},
    {0,   "insufficient_quota", NULL,            ALWAYS, FAULT_VENDOR_MONEY}, /* OpenAI */

    /* before codes that mean something else elsewhere (Zhipu's 1002) */
    {401, NULL, NULL,                            ALWAYS, FAULT_VENDOR_KEY},

    /* the vendor is too busy, whatever the status */
    {0,   "ServerOverloaded", NULL,              ALWAYS, FAULT_OVERLOADED}, /* Ark */
    {0,   "engine_overloaded_error", NULL,       ALWAYS, FAULT_OVERLOADED}, /* Moonshot */
    {0,   "overloaded_error", NULL,              ALWAYS, FAULT_OVERLOADED},
    {0,   "1305", NULL,                          ALWAYS, FAULT_OVERLOADED}, /* Zhipu */
    {0,   "provider_overloaded", NULL,           ALWAYS, FAULT_OVERLOADED}, /* OpenRouter */
    {0,   "provider_unavailable", NULL,          ALWAYS, FAULT_OVERLOADED},

    /* a rate limit, whatever the status */
    {0,   "1302", NULL,                          ALWAYS, FAULT_RATE_LIMITED}, /* Zhipu */
    {0,   "rate_limit_reached_error", NULL,      ALWAYS, FAULT_RATE_LIMITED}, /* Moonshot */
    {0,   "~rate_limit_exceeded", NULL,          ALWAYS, FAULT_RATE_LIMITED},
    {0,   "~RateLimitExceeded", NULL,            ALWAYS, FAULT_RATE_LIMITED}, /* Ark */
    {0,   "RequestBurstTooFast", NULL,           ALWAYS, FAULT_RATE_LIMITED},
    {0,   "InflightBatchsizeExceeded", NULL,     ALWAYS, FAULT_RATE_LIMITED},
    {0,   "~Throttling", NULL,                   ALWAYS, FAULT_RATE_LIMITED}, /* DashScope */
    {0,   "429001", NULL,                        ALWAYS, FAULT_RATE_LIMITED}, /* TokenHub */
    {0,   "11202", NULL,                         ALWAYS, FAULT_RATE_LIMITED}, /* Spark */
    {0,   "11203", NULL,                         ALWAYS, FAULT_RATE_LIMITED},
    {0,   "1002", NULL,                          ALWAYS, FAULT_RATE_LIMITED}, /* MiniMax */

    /* too long for the model */
    {0,   "context_length_exceeded", NULL,       ALWAYS, FAULT_TOO_LONG},
    {0,   "exceed_context_size_error", NULL,     ALWAYS, FAULT_TOO_LONG}, /* llama.cpp */
    {0,   "tokens_too_long", NULL,               ALWAYS, FAULT_TOO_LONG}, /* Qianfan */
    {0,   "characters_too_long", NULL,           ALWAYS, FAULT_TOO_LONG},
    {0,   "token_limit_exceeded", NULL,          ALWAYS, FAULT_TOO_LONG}, /* OpenRouter */
    {0,   "string_too_long", NULL,               ALWAYS, FAULT_TOO_LONG},
    {0,   "1261", NULL,                          ALWAYS, FAULT_TOO_LONG}, /* Zhipu */
    {0,   "1039", NULL,                          ALWAYS, FAULT_TOO_LONG}, /* MiniMax */
    {400, NULL, "token length too long",         ALWAYS, FAULT_TOO_LONG}, /* Moonshot */
    {400, NULL, "exceeded model token limit",    ALWAYS, FAULT_TOO_LONG},
    {400, NULL, "maximum context length",        ALWAYS, FAULT_TOO_LONG}, /* vLLM */
    {400, NULL, "range of input length",         ALWAYS, FAULT_TOO_LONG}, /* DashScope */
    {400, NULL, "prompt is too long",            ALWAYS, FAULT_TOO_LONG}, /* Anthropic */
    {400, NULL, "exceeds the maximum number of tokens", ALWAYS, FAULT_TOO_LONG}, /* Gemini */
    {400, NULL, "maximum prompt length",         ALWAYS, FAULT_TOO_LONG}, /* xAI */
    {400, NULL, "max_seq_len",                   ALWAYS, FAULT_TOO_LONG}, /* SiliconFlow */
    {400, NULL, "longer than the model's context", ALWAYS, FAULT_TOO_LONG}, /* SGLang */
    {0,   "10907", NULL,                         ALWAYS, FAULT_TOO_LONG}, /* Spark */
    {413, NULL, NULL,                            ALWAYS, FAULT_TOO_LONG},

    /* the content displeased */
    {0,   "~content_filter", NULL,               ALWAYS, FAULT_FILTERED},
    {0,   "~RiskDetection", NULL,                ALWAYS, FAULT_FILTERED}, /* Ark */
    {0,   "~SensitiveContentDetected", NULL,     ALWAYS, FAULT_FILTERED},
    {0,   "~data_inspection_failed", NULL,       ALWAYS, FAULT_FILTERED}, /* DashScope */
    {0,   "~DataInspectionFailed", NULL,         ALWAYS, FAULT_FILTERED},
    {0,   "1301", NULL,                          ALWAYS, FAULT_FILTERED}, /* Zhipu */
    {0,   "1026", NULL,                          ALWAYS, FAULT_FILTERED}, /* MiniMax */
    {0,   "1027", NULL,                          ALWAYS, FAULT_FILTERED},
    {400, NULL, "content filtering policy",      ALWAYS, FAULT_FILTERED}, /* Anthropic */
    {0,   "PROHIBITED_CONTENT", NULL,            ALWAYS, FAULT_FILTERED}, /* Gemini */
    {403, "moderation_blocked", NULL,            ALWAYS, FAULT_FILTERED}, /* Mistral */
    {403, NULL, "usage guidelines",              ALWAYS, FAULT_FILTERED}, /* xAI */
    {0,   "10013", NULL,                         ALWAYS, FAULT_FILTERED}, /* Spark */
    {0,   "10014", NULL,                         ALWAYS, FAULT_FILTERED},
    {0,   "10019", NULL,                         ALWAYS, FAULT_FILTERED},
    {400, NULL, "content exists risk",           ALWAYS, FAULT_FILTERED}, /* DeepSeek */
    {0,   "content_policy_violation", NULL,      ALWAYS, FAULT_FILTERED}, /* OpenAI */
    {403, NULL, "flagged",                       ALWAYS, FAULT_FILTERED}, /* OpenRouter */
    {422, NULL, "sensitive",                     ALWAYS, FAULT_FILTERED},
    {451, NULL, NULL,                            ALWAYS, FAULT_FILTERED},

    /* no such model here, or not opened for us */
    {0,   "~model_not_found", NULL,              ALWAYS, FAULT_NO_MODEL},
    {0,   "~ModelNotFound", NULL,                ALWAYS, FAULT_NO_MODEL},
    {0,   "ModelNotOpen", NULL,                  ALWAYS, FAULT_NO_MODEL}, /* Ark */
    {0,   "invalid_model", NULL,                 ALWAYS, FAULT_NO_MODEL}, /* Qianfan */
    {0,   "1211", NULL,                          ALWAYS, FAULT_NO_MODEL}, /* Zhipu */
    {0,   "10404", NULL,                         ALWAYS, FAULT_NO_MODEL}, /* Spark */
    {400, NULL, "model not exist",               ALWAYS, FAULT_NO_MODEL}, /* DeepSeek */
    {400, NULL, "model does not exist",          ALWAYS, FAULT_NO_MODEL}, /* SiliconFlow */
    {0,   "2013", "unknown model",               ALWAYS, FAULT_NO_MODEL}, /* MiniMax */
    {404, NULL, NULL,                            ALWAYS, FAULT_NO_MODEL},
    {405, NULL, NULL,                            ALWAYS, FAULT_NO_MODEL}, /* a wrong path */

    /* our key is bad */
    {0,   "invalid_api_key", NULL,               ALWAYS, FAULT_VENDOR_KEY},
    {0,   "AuthenticationError", NULL,           ALWAYS, FAULT_VENDOR_KEY},
    {0,   "authentication_error", NULL,          ALWAYS, FAULT_VENDOR_KEY},
    {0,   "invalid_authentication_error", NULL,  ALWAYS, FAULT_VENDOR_KEY},
    {0,   "incorrect_api_key_error", NULL,       ALWAYS, FAULT_VENDOR_KEY},
    {0,   "11200", NULL,                         ALWAYS, FAULT_VENDOR_KEY}, /* Spark */
    {200, "1004", NULL,                          ALWAYS, FAULT_VENDOR_KEY}, /* MiniMax */
    {400, NULL, "incorrect api key",             ALWAYS, FAULT_VENDOR_KEY}, /* xAI */
    {400, NULL, "api key not valid",             ALWAYS, FAULT_VENDOR_KEY}, /* Gemini */
    {400, "FAILED_PRECONDITION", NULL,           ALWAYS, FAULT_VENDOR_KEY}, /* its region */
    {403, NULL, NULL,                            ALWAYS, FAULT_VENDOR_KEY},

    /* the rest by status */
    {429, NULL, NULL,                            ALWAYS, FAULT_RATE_LIMITED},
    {408, NULL, NULL,                            ALWAYS, FAULT_OVERLOADED},
    {425, NULL, NULL,                            ALWAYS, FAULT_OVERLOADED},
    {498, NULL, NULL,                            ALWAYS, FAULT_OVERLOADED}, /* Groq: flex */
    {499, NULL, NULL,                            ALWAYS, FAULT_OVERLOADED},
    {200, "~invalid_request", NULL,              ALWAYS, FAULT_BAD_REQUEST},
    {200, "2013", NULL,                          ALWAYS, FAULT_BAD_REQUEST}, /* MiniMax */
    {200, "10163", NULL,                         ALWAYS, FAULT_BAD_REQUEST}, /* Spark */
    {200, NULL, NULL,                            ALWAYS, FAULT_OVERLOADED},
};

/* clang-format on */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same(const char *bytes, const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(bytes[i]) != lower(word[i]))
            return false;
    return true;
}

/* Is `word` in the text, case aside; or, if `whole`, all of it? */
static bool holds(struct slice text, const char *word, bool whole)
{
    size_t len = strlen(word);

    if (whole)
        return text.len == len && same(text.bytes, word, len);
    for (size_t i = 0; i + len <= text.len; i++)
        if (same(text.bytes + i, word, len))
            return true;
    return false;
}

static bool row_matches(const struct row *row, const struct complaint *c,
                        const struct manner *manner)
{
    if (row->status && row->status != c->status)
        return false;
    if (row->quirk != ALWAYS && !quirk_has(manner, row->quirk))
        return false;
    if (row->word) {
        bool part = *row->word == '~';
        const char *word = row->word + part;

        if (!holds(c->code.raw, word, !part) &&
            !holds(c->type.raw, word, !part))
            return false;
    }
    return !row->text || holds(c->message.raw, row->text, false);
}

/* In words of its own, a vendor says that the prompt has too many tokens. */
static bool speaks_of_length(struct slice message)
{
    static const char *const too_many[] = {"exceed", "too long", "too many",
                                           "more than", "longer than"};

    if (!holds(message, "tokens", false) ||
        holds(message, "max_tokens", false) ||
        holds(message, "max_completion_tokens", false))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(too_many); i++)
        if (holds(message, too_many[i], false))
            return true;
    return false;
}

enum fault complaint_fault(const struct complaint *c,
                           const struct manner *manner)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (row_matches(&rows[i], c, manner))
            return rows[i].fault;
    if (c->status >= 500)
        return FAULT_OVERLOADED;
    if (c->status >= 400 && speaks_of_length(c->message.raw))
        return FAULT_TOO_LONG;
    return c->status >= 400 ? FAULT_BAD_REQUEST : FAULT_GARBLED;
}

enum {
    WAIT_MAX_MS = 3600 * 1000,
    AMOUNT_DIGITS_MAX = 9,
};

int64_t complaint_amount(const char **at, const char *end)
{
    int64_t value = 0, parts = 0, unit;
    const char *p = *at;

    for (int i = 0; p < end && i < AMOUNT_DIGITS_MAX; p++, i++) {
        if (*p == '.' && i > 0 && !parts) {
            parts = 1;
            continue;
        }
        if (*p < '0' || *p > '9')
            break;
        value = value * 10 + (*p - '0');
        parts *= 10;
    }
    if (p == *at || p == end)
        return -1;
    if (end - p >= 2 && p[0] == 'm' && p[1] == 's')
        unit = 1;
    else if (*p == 's' || *p == 'm' || *p == 'h')
        unit = *p == 's' ? 1000 : *p == 'm' ? 60 * 1000 : 3600 * 1000;
    else
        return -1;
    *at = p + (unit == 1 ? 2 : 1);
    return value * unit / (parts ? parts : 1);
}

/* "... try again in 1m2.5s": in milliseconds, at most an hour; or 0. */
static int64_t wait_of(struct slice text)
{
    static const char sentence[] = "try again in ";
    const size_t len = sizeof(sentence) - 1;
    const char *p = text.bytes, *end = p + text.len;
    int64_t sum = 0, amount;

    while ((size_t)(end - p) >= len && !same(p, sentence, len))
        p++;
    if ((size_t)(end - p) < len)
        return 0;
    p += len;
    while (sum < WAIT_MAX_MS && (amount = complaint_amount(&p, end)) >= 0)
        sum += amount;
    return sum < WAIT_MAX_MS ? sum : WAIT_MAX_MS;
}

void complaint_tell(const struct complaint *c, struct reader *r)
{
    r->answer.fault = complaint_fault(c, r->manner);
    r->answer.retry_after_ms = c->retry_after_ms;
    r->answer.error = (struct slice){"", 0};
    if (!c->message.raw.len)
        return;
    if (!c->retry_after_ms)
        r->answer.retry_after_ms = wait_of(c->message.raw);
    r->answer.error = redact(r->arena, c->message, COMPLAINT_TEXT_MAX);
}
