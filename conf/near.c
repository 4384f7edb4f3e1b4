#include "conf/near.h"

#include <string.h>

enum {
    LONGEST = 40,
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t near_distance(const char *a, const char *b, size_t most)
{
    size_t rows[3][LONGEST + 1], n = strlen(a), m = strlen(b);

    if (n > LONGEST || m > LONGEST || n > m + most || m > n + most)
        return most + 1;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *up = rows[(i + 2) % 3],
               *upper = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(row[j - 1], up[j]) + 1,
                           up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], upper[j - 2] + 1);
        }
    }
    return least(rows[n % 3][m], most + 1);
}

size_t near_rank(const char *written, const char *meant)
{
    size_t most = strlen(meant) < 4 ? 1 : strlen(meant) / 3;
    size_t d = near_distance(written, meant, most);

    return d > most ? 0 : d + 1;
}
