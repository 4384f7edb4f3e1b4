#include <string.h>

#include "cli/tail.h"

enum {
    FIRST_ERROR = 400,
};

bool tail_status_is_fit(const char *text)
{
    if (strcmp(text, "error") == 0)
        return true;
    return strlen(text) == 3 && text[0] >= '1' && text[0] <= '5' &&
           (strcmp(text + 1, "xx") == 0 ||
            strspn(text, "0123456789") == strlen(text));
}

bool tail_filter_is_empty(const struct tail_filter *f)
{
    return !f->team && !f->vendor && !f->model && !f->status;
}

cJSON *tail_parse(const char *line, size_t len)
{
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(line, len + 1, &end, 1);

    if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "at")) &&
        cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "id")))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static bool is(const cJSON *object, const char *name, const char *want)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(item) && strcmp(item->valuestring, want) == 0;
}

static bool passes_status(const cJSON *line, const char *want)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, "status");
    int status = cJSON_IsNumber(item) ? item->valueint : 0;

    if (strcmp(want, "error") == 0)
        return status >= FIRST_ERROR;
    if (want[1] == 'x')
        return status / 100 == want[0] - '0';
    return status ==
           (want[0] - '0') * 100 + (want[1] - '0') * 10 + (want[2] - '0');
}

static bool tried_vendor(const cJSON *line, const char *want)
{
    const cJSON *attempt,
        *attempts = cJSON_GetObjectItemCaseSensitive(line, "attempts");

    cJSON_ArrayForEach(attempt, attempts)
    {
        if (is(attempt, "vendor", want))
            return true;
    }
    return is(line, "vendor", want);
}

static bool passes_model(const cJSON *line, const char *want)
{
    const cJSON *vendor = cJSON_GetObjectItemCaseSensitive(line, "vendor");
    size_t n;

    if (is(line, "asked", want) || is(line, "model", want))
        return true;
    if (!cJSON_IsString(vendor))
        return false;
    n = strlen(vendor->valuestring);
    return strncmp(want, vendor->valuestring, n) == 0 && want[n] == '/' &&
           is(line, "model", want + n + 1);
}

bool tail_passes(const cJSON *line, const struct tail_filter *f)
{
    return (!f->team || is(line, "team", f->team)) &&
           (!f->vendor || tried_vendor(line, f->vendor)) &&
           (!f->model || passes_model(line, f->model)) &&
           (!f->status || passes_status(line, f->status));
}
