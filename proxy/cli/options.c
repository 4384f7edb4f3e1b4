#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fatal.h"

static void print_options(const struct command *c)
{
    static const char *const help[] = {"--help", "print this"};

    printf("options:\n");
    for (size_t i = 0; i < c->n_options; i++) {
        const struct option_row *row = &c->options[i];
        int width = printf("  %s%s%s", row->name, row->value ? " " : "",
                           row->value ? row->value : "");

        printf("%*s%s\n", width < 24 ? 24 - width : 1, "", row->help);
    }
    printf("  %-22s%s\n", help[0], help[1]);
}

static void print_inner(const struct command *c)
{
    printf("\nand within:\n");
    for (size_t i = 0; i < c->n_inner; i++)
        printf("  bijia %-15s %s\n", c->inner[i]->name, c->inner[i]->help);
}

static int print_help(const struct command *c)
{
    printf("bijia %s %s\n\n%s\n", c->name, c->usage, c->help);
    if (c->more)
        printf("\n%s\n", c->more);
    if (c->n_inner > 0)
        print_inner(c);
    printf("\n");
    print_options(c);
    return 0;
}

int usage_error(const struct args *args, const char *fmt, ...)
{
    const struct command *c = args->command;
    va_list list;

    fprintf(stderr, "bijia %s: ", c->name);
    va_start(list, fmt);
    vfprintf(stderr, fmt, list);
    va_end(list);
    fprintf(stderr, "\nusage: bijia %s %s\n", c->name, c->usage);
    return EXIT_USAGE;
}

/* The row of "--name" or "--name=value"; -1: none. */
static int find_row(const struct command *c, const char *word)
{
    size_t len = strcspn(word, "=");

    for (size_t i = 0; i < c->n_options; i++)
        if (strlen(c->options[i].name) == len &&
            memcmp(c->options[i].name, word, len) == 0)
            return (int)i;
    return -1;
}

/* Takes the option at argv[i]; returns how many words it was, 0: told. */
static int take_option(struct args *args, char **argv, int i)
{
    const struct command *c = args->command;
    const char *equals = strchr(argv[i], '=');
    int row = find_row(c, argv[i]);

    if (row < 0) {
        usage_error(args, "no option \"%s\"", argv[i]);
        return 0;
    }
    if (!c->options[row].value) {
        args->values[row] = "";
        if (equals)
            usage_error(args, "%s takes no value", c->options[row].name);
        return equals ? 0 : 1;
    }
    args->values[row] = equals ? equals + 1 : argv[i + 1];
    if (!args->values[row])
        usage_error(args, "%s wants a value", argv[i]);
    return !args->values[row] ? 0 : equals ? 1 : 2;
}

static bool take_all(struct args *args, int argc, char **argv)
{
    bool only_words = false;

    for (int i = 1; i < argc;) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            i++;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            int took = take_option(args, argv, i);

            if (!took)
                return false;
            i += took;
        } else if (args->n_words == args->command->words_most) {
            usage_error(args, "one word too many: \"%s\"", argv[i]);
            return false;
        } else {
            args->words[args->n_words++] = argv[i++];
        }
    }
    return true;
}

int command_run(const struct command *c, int argc, char **argv)
{
    struct args args = {.command = c};

    ENSURE(c->n_options <= OPTIONS_MOST && c->words_most <= WORDS_MOST);
    for (size_t i = 0; argc > 1 && i < c->n_inner; i++)
        if (strcmp(argv[1], strrchr(c->inner[i]->name, ' ') + 1) == 0)
            return command_run(c->inner[i], argc - 1, argv + 1);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return print_help(c);
    if (!take_all(&args, argc, argv))
        return EXIT_USAGE;
    return c->run(&args);
}

const char *option_find(const struct args *args, const char *name)
{
    int row = find_row(args->command, name);

    return row < 0 ? NULL : args->values[row];
}

const char *option_value(const struct args *args, const char *name)
{
    int row = find_row(args->command, name);

    ENSURE(row >= 0);
    return args->values[row];
}

bool option_given(const struct args *args, const char *name)
{
    return option_value(args, name) != NULL;
}

const char *option_conf_dir(const struct args *args, const char *word)
{
    const char *dir = option_value(args, "--conf");

    if (!dir)
        dir = word;
    if (!dir)
        dir = getenv("BIJIA_CONF");
    if (dir && *dir)
        return dir;
    return access("conf/bijia.yaml", F_OK) == 0 ? "conf" : "/etc/bijia";
}

void diag_print(const struct diag *diag)
{
    fputs(diag->text, stderr);
    if (diag->untold > 0)
        fprintf(stderr, "and %d more\n", diag->untold);
}
