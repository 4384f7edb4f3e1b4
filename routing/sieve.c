#include "routing/sieve.h"

#include "base/fatal.h"

#include "routing/wish.h"

static const struct conf_team *conf_of(const struct sifting *s)
{
    return s->query->team ? s->query->team->conf : NULL;
}

static bool out_residency(struct sifting *s)
{
    return s->wishes && !wish_residency(conf_of(s), s->offer);
}

static bool out_floor(struct sifting *s)
{
    return s->wishes && !wish_floor(conf_of(s), s->offer);
}

static bool out_team(struct sifting *s)
{
    return !team_allows(s->snapshot, s->query->team, s->offer);
}

static bool out_no_key(struct sifting *s)
{
    return s->offer->vendor->auth != AUTH_NONE && s->offer->vendor->n_keys == 0;
}

/* A cap cannot be kept where nobody knows the price. */
static bool out_unpriced(struct sifting *s)
{
    const struct team *team = s->query->team;
    bool capped = team && (team->conf->rules.cap_input.nanos_per_mtok > 0 ||
                           team->conf->rules.cap_output.nanos_per_mtok > 0);

    return !s->priced && (capped || !s->snapshot->unpriced_last);
}

static bool lacks(const struct sifting *s, uint32_t abilities)
{
    return (s->query->needs & ~s->offer->provides & abilities) != 0;
}

static bool out_tools(struct sifting *s)
{
    return lacks(s, NEED_TOOLS);
}

static bool out_vision(struct sifting *s)
{
    return lacks(s, NEED_VISION);
}

static bool out_json(struct sifting *s)
{
    return lacks(s, NEED_JSON_SCHEMA | NEED_JSON_OBJECT);
}

static bool out_thinking(struct sifting *s)
{
    return lacks(s, NEED_THINKING | NEED_NO_THINKING);
}

static bool out_context(struct sifting *s)
{
    int64_t room = s->offer->conf->context_tokens;
    int64_t answer = s->query->max_tokens > 0 ? s->query->max_tokens : 1;

    return room > 0 && (answer > room || s->expected_input > room - answer);
}

static bool out_output(struct sifting *s)
{
    int64_t most = s->offer->conf->max_output_tokens;

    return most > 0 && s->query->max_tokens > most;
}

static bool out_cannot_say(struct sifting *s)
{
    const struct manner *manner = &s->offer->manner;

    if (s->query->chat && manner->adapter->refuses)
        s->refusal = manner->adapter->refuses(manner, s->query->chat);
    return s->refusal != NULL;
}

/* A list price in the policy's currency against a team's cap on it. What
 * cannot be converted is left to WHY_NO_RATE. */
static bool over_cap(const struct sifting *s, struct rate price,
                     struct rate cap)
{
    struct money list = {price.nanos_per_mtok, s->row->currency}, told;

    return cap.nanos_per_mtok > 0 && rates_convert(&told, s->rates, list) &&
           told.nanos > cap.nanos_per_mtok;
}

static bool out_price_cap(struct sifting *s)
{
    const struct team *team = s->query->team;

    return team && s->priced &&
           (over_cap(s, s->row->input, team->conf->rules.cap_input) ||
            over_cap(s, s->row->output, team->conf->rules.cap_output));
}

static bool out_no_rate(struct sifting *s)
{
    return s->priced && !s->comparable;
}

static bool out_disabled(struct sifting *s)
{
    return s->state.disabled;
}

static bool out_breaker(struct sifting *s)
{
    return !s->state.available;
}

static bool out_keys_cooling(struct sifting *s)
{
    return !s->state.key_ready;
}

static bool out_headroom(struct sifting *s)
{
    return s->state.crowded;
}

/* Each is asked of each offer: a line of sieve(), for through a table they
 * would be calls. The order is that of enum why. */
#define REASONS(X)                                                             \
    X(WHY_RESIDENCY, "residency",                                              \
      "the team's data may not go to the vendor's region", out_residency)      \
    X(WHY_FLOOR, "floor", "it can do less than the team wants at least",       \
      out_floor)                                                               \
    X(WHY_TEAM, "team", "the team's rules do not leave it to the team",        \
      out_team)                                                                \
    X(WHY_NO_KEY, "no_key", "no key is configured for the vendor", out_no_key) \
    X(WHY_UNPRICED, "unpriced", "the price book has no price for it now",      \
      out_unpriced)                                                            \
    X(WHY_TOOLS, "tools", "it cannot call tools", out_tools)                   \
    X(WHY_VISION, "vision", "it cannot see images", out_vision)                \
    X(WHY_JSON, "json", "it cannot answer in the JSON format asked for",       \
      out_json)                                                                \
    X(WHY_THINKING, "thinking", "it cannot think, or not think, as asked",     \
      out_thinking)                                                            \
    X(WHY_CONTEXT, "context",                                                  \
      "the prompt and the answer asked for do not fit into its "               \
      "context",                                                               \
      out_context)                                                             \
    X(WHY_OUTPUT, "output", "max_tokens is more than it can give", out_output) \
    X(WHY_CANNOT_SAY, "cannot_say",                                            \
      "the request cannot be said in the vendor's language", out_cannot_say)   \
    X(WHY_PRICE_CAP, "price_cap", "its list price is above the team's cap",    \
      out_price_cap)                                                           \
    X(WHY_NO_RATE, "no_rate",                                                  \
      "no exchange rate leads from its currency to the policy's", out_no_rate) \
    X(WHY_DISABLED, "disabled", "it was disabled by hand", out_disabled)       \
    X(WHY_BREAKER, "breaker", "it has been failing and is being left alone",   \
      out_breaker)                                                             \
    X(WHY_KEYS_COOLING, "keys_cooling",                                        \
      "all keys of the vendor are cooling down", out_keys_cooling)             \
    X(WHY_HEADROOM, "headroom",                                                \
      "the vendor's limits leave no room for it now", out_headroom)

#define WORDS(why, name, help, is_out) [why] = {name, help},
#define ASK(why, name, help, is_out) \
    if (is_out(s))                   \
        return why;

#define PLACE(why, name, help, is_out) PLACE_##why,
#define IN_PLACE(why, name, help, is_out) \
    _Static_assert((int)PLACE_##why == (int)(why), "the order of the enum");

enum {
    PLACE_WHY_LISTED,
    REASONS(PLACE)
};

REASONS(IN_PLACE)

static const struct {
    const char *name, *help;
} words[WHY_COUNT] = {[WHY_LISTED] = {"listed", "it may serve this request"},
                      REASONS(WORDS)};

enum why sieve(struct sifting *s)
{
    REASONS(ASK)
    return WHY_LISTED;
}

const char *why_name(enum why why)
{
    ENSURE(why < WHY_COUNT);
    return words[why].name;
}

const char *why_help(enum why why)
{
    ENSURE(why < WHY_COUNT);
    return words[why].help;
}
