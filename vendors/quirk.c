#include "vendors/quirk.h"

#include <stddef.h>
#include <string.h>

#include "base/attr.h"

#define ROW(NAME, word, help) {word, help},

static const struct {
    const char *name, *help;
} quirks[] = {QUIRKS(ROW)};

#undef ROW

_Static_assert(ARRAY_LEN(quirks) <= 64, "a quirk is one bit of 64");

uint64_t quirk_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(quirks); i++)
        if (strcmp(quirks[i].name, name) == 0)
            return UINT64_C(1) << i;
    return 0;
}

void quirk_list(void (*print)(void *to, const char *name, const char *help),
                void *to)
{
    for (size_t i = 0; i < ARRAY_LEN(quirks); i++)
        print(to, quirks[i].name, quirks[i].help);
}
