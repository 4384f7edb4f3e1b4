/*
 * team_key.h - the keys that teams present to us.
 *
 *   bj_4fQ0kzR1_<43 digits: 32 random bytes><6 digits: CRC-32 of the rest>
 *      id         secret                      finds typing mistakes early
 *
 * All digits are base 62. Only the id and the HMAC-SHA256 of the secret part
 * (with the pepper, which stands in a file of its own) are stored: whoever
 * reads keys.yaml can neither use nor guess a key.
 */
#pragma once

#include "base/digest.h"
#include "base/slice.h"

#include "routing/snapshot.h"

enum {
    TEAM_KEY_ID = 8,
    TEAM_KEY_SECRET = 43,
    TEAM_KEY_CHECK = 6,
    TEAM_KEY_LEN = 3 + TEAM_KEY_ID + 1 + TEAM_KEY_SECRET + TEAM_KEY_CHECK,
};

/* Draws a new key. To be shown once, and wiped. */
void team_key_make(char text[TEAM_KEY_LEN + 1]);

/* Is it one of ours by its looks? Then *id and *secret are parts of it. */
bool team_key_parse(struct slice presented, struct slice *id,
                    struct slice *secret) MUST_CHECK;

/* The key `presented` by a client, if it is one of the snapshot's: the look
 * first, then the id, then the secret in constant time. Otherwise NULL. About
 * half a microsecond; any thread. */
const struct team_key *team_key_check(const struct snapshot *s,
                                      struct slice presented);

/* The file that holds the pepper, as secret sources read it: pepper_file, or
 * "pepper" in the state_dir. */
const char *pepper_path(const struct conf *conf, struct arena *a);

/* Makes `out` of that file's text, without the blanks behind it. 0, or -1
 * with a complaint: not there, too short, open to others. */
int pepper_read(struct hmac_key *out, const struct conf_key_source *from,
                const char *dir, const struct secret_source *secrets,
                struct arena *a, struct diag *diag) MUST_CHECK;

/* Is `id` spelled as ids are? */
bool team_key_id_is_fit(const char *id);
