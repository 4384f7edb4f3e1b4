/*
 * tokenizer.c - how many tokens a text is, without a tokenizer.
 *
 * All figures are estimates: millionths of a token per character of a class
 * (per run, for words and space). They choose the cheapest vendor and bound a
 * reservation before the call; the bill is the vendor's `usage`, which also
 * corrects them as it comes.
 *
 * Sources: DeepSeek's documentation (0.6 tokens a Han character, 0.3 a Latin
 * one), Tencent's (1 token = 1.8 Han characters or 3 letters), Aliyun's and
 * Moonshot's (1 token = 1.5 to 2 Han characters), Zhipu's (1 token = 1.6),
 * Baidu's rule (Han characters + 1.3 words, halved since ERNIE 4.5's larger
 * vocabulary); OpenAI, Qwen and Llama by what is public of their vocabularies
 * (o200k, 152k, 128k) and pre-splitting: Qwen splits digits one by one, the
 * others by up to three.
 */
#include <string.h>

#include "base/attr.h"

#include "vendors/adapter.h"

enum {
    PPM = 1000000,
    PER_MESSAGE_TOKENS = 4, /* role and separators of the chat template */
    PER_REQUEST_TOKENS = 3, /* the answer's opening */
};

/* clang-format off */
static const struct {
    const char *name;
    int32_t han, kana, hangul, latin, word, digit, punct, space, other;
    int32_t image_tokens; /* one image of ordinary size */
} families[] = {
    /* name        han     kana    hangul  latin   word    digit    punct   space   other    image */
    {"generic",    700000, 800000, 800000, 110000, 600000, 500000,  600000, 100000, 700000,  1000},
    {"openai",     720000, 750000, 650000, 100000, 560000, 400000,  550000,  80000, 550000,  765},
    {"deepseek",   600000, 850000, 900000, 110000, 580000, 400000,  580000, 100000, 700000,  800},
    {"qwen",       620000, 800000, 800000, 100000, 580000, 1000000, 560000,  80000, 650000,  1200},
    {"doubao",     580000, 850000, 850000, 110000, 580000, 500000,  600000, 100000, 700000,  1200},
    {"ernie",      620000, 900000, 900000, 120000, 620000, 600000,  620000, 100000, 750000,  1000},
    {"hunyuan",    560000, 850000, 900000, 110000, 600000, 500000,  600000, 100000, 700000,  1000},
    {"glm",        620000, 800000, 800000, 100000, 570000, 500000,  570000,  90000, 650000,  1100},
    {"kimi",       580000, 800000, 850000, 100000, 570000, 400000,  560000,  90000, 650000,  1024},
    {"llama",      850000, 850000, 800000, 100000, 560000, 400000,  550000,  80000, 650000,  1600},
};

/* clang-format on */

int tokenizer_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (strcmp(families[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *tokenizer_name(int family)
{
    return family >= 0 && family < (int)ARRAY_LEN(families)
               ? families[family].name
               : NULL;
}

int64_t tokenizer_estimate(int family, const struct text_count *count,
                           size_t n_messages, int64_t n_images,
                           int64_t image_bytes)
{
    size_t i =
        family >= 0 && family < (int)ARRAY_LEN(families) ? (size_t)family : 0;
    int64_t ppm =
        count->han * families[i].han + count->kana * families[i].kana +
        count->hangul * families[i].hangul + count->latin * families[i].latin +
        count->words * families[i].word + count->digits * families[i].digit +
        count->punct * families[i].punct + count->space * families[i].space +
        count->other * families[i].other;

    (void)image_bytes; /* vendors bill by pixels, which bytes do not tell */
    return (ppm + PPM - 1) / PPM + n_images * families[i].image_tokens +
           (int64_t)n_messages * PER_MESSAGE_TOKENS + PER_REQUEST_TOKENS;
}
