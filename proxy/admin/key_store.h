/*
 * key_store.h - keys made, rotated and revoked, for the command line and the
 * admin plane alike.
 *
 * Each call takes the directory's lock, reads its files, and replaces
 * keys.yaml whole: two at once wait for each other. A running bijia looks at
 * keys.yaml four times a second.
 */
#pragma once

#include "routing/team_key.h"

enum {
    KEY_NAME_MOST = 128, /* bytes */
};

struct key_store {
    const char *dir;
    struct arena *arena;
    const char *why; /* set by what fails: one line, or several of diag's */
    bool is_usage;   /* what was asked makes no sense, whatever the files say */
};

struct key_wish {
    const char *team, *name; /* name NULL: none */
    int64_t expires_ms;      /* unix; 0: never */
};

struct key_made { /* to be wiped */
    char text[TEAM_KEY_LEN + 1];
    const char *id, *team;
};

/* 0, or -1 and s->why. */
int key_store_new(struct key_store *s, const struct key_wish *wish,
                  struct key_made *out) MUST_CHECK;
/* A new key for the same team and name; the old one expires after grace_ms,
 * unless it would sooner (0: it goes at once). */
int key_store_rotate(struct key_store *s, const char *id, int64_t grace_ms,
                     struct key_made *out) MUST_CHECK;
int key_store_revoke(struct key_store *s, const char *id) MUST_CHECK;

/* "30m", "30d", or an instant; to unix ms. False: neither. */
bool key_store_expiry(int64_t *out, const char *text) MUST_CHECK;
