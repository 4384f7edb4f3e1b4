#include "serve/retry_after.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

enum {
    MOST_MS = 24 * 3600 * 1000,
};

/* "12", "0.5": thousandths of it; -1: not a number. */
static int64_t milli(struct slice s)
{
    int64_t whole = 0, part = 0, scale = 100;
    size_t i = 0;

    while (i < s.len && s.bytes[i] >= '0' && s.bytes[i] <= '9' &&
           whole <= MOST_MS)
        whole = whole * 10 + (s.bytes[i++] - '0');
    if (i == 0)
        return -1;
    if (i < s.len && s.bytes[i] == '.')
        for (i++; i < s.len && s.bytes[i] >= '0' && s.bytes[i] <= '9'; i++) {
            part += scale * (s.bytes[i] - '0');
            scale /= 10;
        }
    return i == s.len ? whole * 1000 + part : -1;
}

static int64_t date_ms(struct slice s)
{
    char text[40];
    struct tm t = {0};
    const char *end;

    if (s.len >= sizeof(text))
        return -1;
    memcpy(text, s.bytes, s.len);
    text[s.len] = '\0';
    end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &t);
    if (!end || *end)
        return -1;
    return (int64_t)timegm(&t) * 1000 - clock_unix_ms();
}

static int64_t bounded(int64_t ms)
{
    if (ms < 0)
        return 0;
    return ms < MOST_MS ? ms : MOST_MS;
}

int64_t retry_after_ms(const struct http_head *head)
{
    struct slice exact = http_find(head, "retry-after-ms");
    struct slice plain = http_find(head, "retry-after");
    int64_t ms;

    if (exact.len && (ms = milli(exact)) > 0)
        return bounded(ms / 1000);
    if (!plain.len)
        return 0;
    ms = milli(plain);
    return bounded(ms >= 0 ? ms : date_ms(plain));
}
