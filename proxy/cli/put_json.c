#include "cli/put_json.h"

#include <stdlib.h>

#include "base/fatal.h"
#include "base/time.h"

static void *have(void *made)
{
    if (!made)
        fatal("out of memory writing JSON");
    return made;
}

cJSON *json_new(void)
{
    return have(cJSON_CreateObject());
}

cJSON *put_object(cJSON *to, const char *word)
{
    return have(cJSON_AddObjectToObject(to, word));
}

cJSON *put_array(cJSON *to, const char *word)
{
    return have(cJSON_AddArrayToObject(to, word));
}

cJSON *put_element(cJSON *array)
{
    cJSON *o = json_new();

    cJSON_AddItemToArray(array, o);
    return o;
}

void put_text(cJSON *to, const char *word, const char *text)
{
    have(text ? cJSON_AddStringToObject(to, word, text)
              : cJSON_AddNullToObject(to, word));
}

void put_count(cJSON *to, const char *word, int64_t n)
{
    have(cJSON_AddNumberToObject(to, word, (double)n));
}

void put_yes(cJSON *to, const char *word, bool yes)
{
    have(cJSON_AddBoolToObject(to, word, yes));
}

void put_decimal(cJSON *to, const char *word, int64_t nanos)
{
    char text[MONEY_TEXT];

    put_text(to, word, decimal_text(nanos, text));
}

void put_money(cJSON *to, const char *word, struct money m)
{
    cJSON *o = put_object(to, word);

    put_decimal(o, "amount", m.nanos);
    put_text(o, "currency", currency_name(m.currency));
}

void put_instant(cJSON *to, const char *word, int64_t unix_ms)
{
    char text[TIME_TEXT];

    put_text(to, word, time_text(unix_ms, text));
}

void put_name(cJSON *array, const char *text)
{
    cJSON_AddItemToArray(array, have(cJSON_CreateString(text)));
}

void json_print(FILE *to, cJSON *root)
{
    char *text = have(cJSON_PrintUnformatted(root));

    fprintf(to, "%s\n", text);
    free(text);
    cJSON_Delete(root);
}
