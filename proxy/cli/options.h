/*
 * options.h - what commands share: their options' values, the directory.
 */
#pragma once

#include "conf/diag.h"

#include "cli/command.h"

/* The row every command has. */
#define OPTION_CONF                                              \
    {                                                            \
        "--conf", "DIR",                                         \
            "the configuration; else $BIJIA_CONF, ./conf if it " \
            "holds bijia.yaml, /etc/bijia"                       \
    }

/* The value of `--name`, "" for a switch that was given, NULL if it was not.
 * The command must have such a row. */
const char *option_value(const struct args *args, const char *name);
bool option_given(const struct args *args, const char *name);

/* The same of a row that the command may lack: NULL then. */
const char *option_find(const struct args *args, const char *name);

/* The directory of the configuration. A command that takes it as its first
 * word passes that word, others NULL. */
const char *option_conf_dir(const struct args *args, const char *word);

/* Says on stderr what is wrong with how the command was called. Returns
 * EXIT_USAGE. */
int usage_error(const struct args *args, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* Prints the complaints to stderr. */
void diag_print(const struct diag *diag);
