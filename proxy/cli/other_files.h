/* other_files.h - a configuration with some of its files exchanged for others,
 * to decide by and to price with; not to serve. */
#pragma once

#include "routing/snapshot.h"

struct other_files { /* NULL: the directory's own */
    const char *policy, *prices;
};

/* No key is needed; nothing made of those it is given leaves the process.
 * NULL: complaints are on stderr, `who` being the command. */
struct snapshot *other_files_load(const char *dir,
                                  const struct other_files *others,
                                  const char *who) MUST_CHECK;
