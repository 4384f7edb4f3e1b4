/*
 * names.h - what a receipt's indexes are called.
 *
 * A receipt of a request that was refused early may know no team and no
 * offer; then a name is NULL.
 */
#pragma once

#include "record/receipt.h"

struct offer_name {
    const char *vendor, *model; /* as the vendor calls it */
};

const char *receipt_team(const struct receipt *r);
struct offer_name receipt_offer(const struct receipt *r, uint32_t offer);
/* The attempt that answered, or NULL. */
const struct receipt_attempt *receipt_chosen(const struct receipt *r);
/* Its offer, or NULL names. */
struct offer_name receipt_chosen_offer(const struct receipt *r);
struct offer_name receipt_runner_up(const struct receipt *r);
