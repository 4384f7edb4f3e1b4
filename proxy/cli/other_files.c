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
        snapshot_compile(&s, conf, a, 1, &secrets_assumed, &diag) == 0)
        return s;
    diag_print(&diag);
    arena_free(a);
    return NULL;
}
