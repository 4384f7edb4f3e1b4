/*
 * prune.h - bijia ledger prune: old rows go, by the running proxy if there is
 * one (a ledger has one writer), else by ourselves.
 */
#pragma once

#include "base/arena.h"

#include "cli/options.h"

int prune_run(const struct args *args, struct arena *a);
