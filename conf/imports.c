/* imports.c - prices that were not written by hand: `imports`, the feed's. */
#include "conf/files.h"

static const struct field rows[] = {
    BY_HAND("prices", NULL, "as in prices.yaml"),
};

static const struct field_table fields = FIELD_TABLE(rows);

static void read_import(const struct load *l, const struct conf_file *file)
{
    struct arena *scratch = arena_new();
    const struct node *root =
        yaml_read(file->bytes, file->len, file->name, scratch, l->diag);

    if (root) {
        fields_read(&fields, root, l->conf, l->arena, l->diag);
        if (node_find(root, "prices"))
            prices_add(l, node_find(root, "prices"), true);
    }
    arena_free(scratch);
}

void imports_read(const struct load *l, file_finder *find, void *self)
{
    const struct conf *c = l->conf;
    struct conf_file file;

    for (size_t i = 0; i < c->imports.n; i++) {
        const struct conf_word *w = &c->imports.items[i];

        if (find(self, l, w->text, &w->place, false, &file))
            read_import(l, &file);
    }
    if (c->feed.from && c->server.state_dir &&
        find(self, l, conf_feed_name(c, l->arena), &c->feed.place, true, &file))
        read_import(l, &file);
}
