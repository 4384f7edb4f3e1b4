#include "cli/other_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#include "conf/conf.h"

#include "cli/options.h"

enum {
    CONF_BYTES_MOST = 16 << 20,
};

static char *assume(void *self, const struct conf_key_source *from,
                    const char *dir, struct arena *a, struct diag *diag)
{
    static const char text[] = "assumed-for-replaying-never-sent-out";

    (void)self;
    (void)from;
    (void)dir;
    (void)diag;
    return arena_strndup(a, text, sizeof(text) - 1);
}

static const struct secret_source assumed = {.read = assume};

struct snapshot *other_files_load(const char *dir,
                                  const struct other_files *others,
                                  const char *who)
{
    const struct {
        const char *name, *instead;
    } files[] = {{"bijia.yaml", NULL},
                 {"vendors.yaml", NULL},
                 {"prices.yaml", others->prices},
                 {"policy.yaml", others->policy}};
    struct conf_file given[ARRAY_LEN(files)];
    struct arena *a = arena_new();
    static struct diag diag;
    const struct conf *conf;
    struct snapshot *s = NULL;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const char *path = files[i].instead;

        if (!path)
            path = arena_printf(a, "%s/%s", dir, files[i].name);
        given[i].name = files[i].name;
        given[i].bytes = file_read(path, &given[i].len, CONF_BYTES_MOST, a);
        if (!given[i].bytes) {
            fprintf(stderr, "bijia %s: %s: %s\n", who, path, strerror(errno));
            arena_free(a);
            return NULL;
        }
    }
    if (conf_read(&conf, given, ARRAY_LEN(given), a, &diag) == 0 &&
        snapshot_compile(&s, conf, a, 1, &assumed, &diag) == 0)
        return s;
    diag_print(&diag);
    arena_free(a);
    return NULL;
}
