"""The commands of `bijia prices`: Python's Decimal is the judge of every amount."""
import datetime as dt
import http.server
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from decimal import ROUND_HALF_UP, Decimal

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("BIJIA_BIN", os.path.join(ROOT, "build/dev/proxy/bijia")))
SHANGHAI = dt.timezone(dt.timedelta(hours=8))
NANO, MILLION = Decimal("1e-9"), Decimal(1_000_000)


def bijia(*words, conf=None, stdin=""):
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and k != "BIJIA_CONF"}
    words = [BINARY, *map(str, words)] + (["--conf", str(conf)] if conf else [])
    return subprocess.run(words, input=stdin, text=True, capture_output=True, timeout=120, env=clean)


def write_conf(directory, prices, vendors, policy="currency: CNY\nteams:\n  demo:\n"):
    """A configuration of these; JSON is YAML."""
    directory.mkdir(exist_ok=True)
    shutil.copy(os.path.join(ROOT, "conf/bijia.yaml"), directory / "bijia.yaml")
    (directory / "vendors.yaml").write_text(json.dumps({"vendors": vendors}, indent=1))
    (directory / "prices.yaml").write_text(prices if isinstance(prices, str) else json.dumps(prices, indent=1))
    (directory / "policy.yaml").write_text(policy)
    return directory


def vendor(currency, *models, host="127.0.0.1", **more):
    return {"base_url": f"https://{host}/v1", "auth": "none", "currency": currency,
            "models": {m: {} for m in models}, **more}


# --- the judge: a book of rules in Python, the vendors' spellings, exact arithmetic

PEAK = "peak"
HOLIDAYS = [dt.date(2026, 10, day) for day in range(1, 8)]
NOON = dt.datetime(2026, 9, 14, 4, tzinfo=dt.timezone.utc)

# rows as prices.yaml has them; numbers are texts, so that no float is near
BOOK = {
    "openai/gpt": {"rows": [
        {"input_at_most": 272000, "input": "0.1", "cached_input": "0.01", "cache_write": "0.125", "output": "0.5"},
        {"input": "0.2", "cached_input": "0.02", "cache_write": "0.25", "output": "0.75"}],
        "service_tiers": {"flex": "0.5", "priority": "2"}},
    "anthropic/claude": {"rows": [
        {"input_at_most": 100000, "input": "0.1", "cached_input": "0.005", "cache_write": "0.125",
         "cache_write_1h": "0.2", "output": "0.5"},
        {"input": "0.5", "cached_input": "0.025", "cache_write": "0.625", "cache_write_1h": "1", "output": "2.5"}]},
    "gemini/pro": {"rows": [
        {"input_at_most": 200000, "until": "2027-01-01", "input": "1.25", "cached_input": "0.125", "output": "10"},
        {"until": "2027-01-01", "input": "2.5", "cached_input": "0.25", "output": "15"},
        {"input": "3.33", "cached_input": "0.333333333", "output": "19.999999999"}]},
    "deepseek/flash": {"rows": [
        {"when": PEAK, "input": "2", "cached_input": "0.04", "output": "8"},
        {"input": "1", "cached_input": "0.02", "output": "4"}]},
    "mistral/large": {"rows": [{"input": "0.68", "output": "2.09", "fee": "0.0001"}]},
    "xai/grok": {"rows": [
        {"input_below": 200000, "input": "2", "cached_input": "0.5", "output": "6"},
        {"input": "4", "cached_input": "1", "output": "12"}]},
    "moonshot/kimi": {"rows": [{"input": "6.5", "cached_input": "1.1", "output": "27"}]},
    "glm/four": {"rows": [
        {"input_at_most": 32000, "output_at_most": 200, "input": "2", "cached_input": "0.4", "output": "8"},
        {"input_at_most": 32000, "input": "3", "cached_input": "0.6", "output": "14"},
        {"input": "4", "cached_input": "0.8", "output": "16"}]},
    "qwen/plus": {"rows": [
        {"thinking": "yes", "input": "0.0008", "output": "0.008", "per": "1K"},
        {"input": "0.008", "output": "0.02", "per": "10K"}]},
}
CURRENCIES = {"openai": "USD", "anthropic": "USD", "gemini": "USD", "mistral": "USD", "xai": "USD"}
PER = {"1K": 1000, "10K": 100, "1M": 1}


def in_peak(at):
    local = at.astimezone(SHANGHAI)
    return (local.weekday() < 5 and local.date() not in HOLIDAYS and
            (9 <= local.hour < 12 or 14 <= local.hour < 18))


def holds(row, at, u):
    thinks = u["thinking"] > 0
    return (("until" not in row or at < dt.datetime.fromisoformat(row["until"] + "T00:00:00+00:00")) and
            (row.get("when") is None or in_peak(at)) and
            (row.get("thinking") is None or (row["thinking"] == "yes") == thinks) and
            u["input"] <= row.get("input_at_most", u["input"]) and
            u["input"] < row.get("input_below", u["input"] + 1) and
            u["output"] <= row.get("output_at_most", u["output"]))


def judge(offer, at, u, tier="default"):
    """What it costs, to the last digit; and the line of the row that says so."""
    model = BOOK[offer]
    row = next(r for r in model["rows"] if holds(r, at, u))
    price = {k: Decimal(v) * PER[row.get("per", "1M")] for k, v in row.items()
             if k in ("input", "cached_input", "cache_write", "cache_write_1h", "output")}
    one_hour = u["cache_write_1h"]
    tokens = [
        (u["input"] - u["cached"] - u["cache_write"], price["input"]),
        (u["cached"], price.get("cached_input", price["input"])),
        (u["cache_write"] - one_hour, price.get("cache_write", price["input"])),
        (one_hour, price.get("cache_write_1h", price.get("cache_write", price["input"]))),
        (u["output"], price["output"]),
    ]
    factor = Decimal(model.get("service_tiers", {}).get(tier, "1"))
    exact = sum(n * p for n, p in tokens) * factor / MILLION
    return exact.quantize(NANO, ROUND_HALF_UP) + Decimal(row.get("fee", "0"))


def counts(input=0, cached=0, cache_write=0, cache_write_1h=0, output=0, thinking=0):
    return locals()


# each vendor's words for the same counts

def openai(u, tier=None):
    body = {"prompt_tokens": u["input"], "completion_tokens": u["output"], "total_tokens": u["input"] + u["output"],
            "prompt_tokens_details": {"cached_tokens": u["cached"], "cache_write_tokens": u["cache_write"],
                                      "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": u["thinking"], "audio_tokens": 0}}
    return {"usage": body, "model": "gpt", "service_tier": tier} if tier else body


def responses(u):
    return {"input_tokens": u["input"], "input_tokens_details": {"cached_tokens": u["cached"]},
            "output_tokens": u["output"], "output_tokens_details": {"reasoning_tokens": u["thinking"]},
            "total_tokens": u["input"] + u["output"]}


def anthropic(u):
    short = u["cache_write"] - u["cache_write_1h"]
    return {"input_tokens": u["input"] - u["cached"] - u["cache_write"], "cache_read_input_tokens": u["cached"],
            "cache_creation_input_tokens": u["cache_write"], "output_tokens": u["output"],
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": u["cache_write_1h"]},
            "service_tier": "standard"}


def gemini(u):
    said = {"promptTokenCount": u["input"], "candidatesTokenCount": u["output"] - u["thinking"],
            "thoughtsTokenCount": u["thinking"], "cachedContentTokenCount": u["cached"]}
    return {"usageMetadata": {**{k: v for k, v in said.items() if v or k == "promptTokenCount"},
                              "totalTokenCount": u["input"] + u["output"]}}


def deepseek(u):
    return {"prompt_tokens": u["input"], "completion_tokens": u["output"], "total_tokens": u["input"] + u["output"],
            "prompt_cache_hit_tokens": u["cached"], "prompt_cache_miss_tokens": u["input"] - u["cached"],
            "completion_tokens_details": {"reasoning_tokens": u["thinking"]}}


def mistral(u):
    return {"prompt_tokens": u["input"], "total_tokens": u["input"] + u["output"], "completion_tokens": u["output"]}


def xai(u):
    return {"prompt_tokens": u["input"], "completion_tokens": u["output"] - u["thinking"],
            "total_tokens": u["input"] + u["output"],
            "prompt_tokens_details": {"text_tokens": u["input"], "cached_tokens": u["cached"]},
            "completion_tokens_details": {"reasoning_tokens": u["thinking"]}, "num_sources_used": 0}


def moonshot(u):
    return {"prompt_tokens": u["input"], "completion_tokens": u["output"], "cached_tokens": u["cached"],
            "total_tokens": u["input"] + u["output"]}


def plain(u):
    return {"prompt_tokens": u["input"], "completion_tokens": u["output"],
            "completion_tokens_details": {"reasoning_tokens": u["thinking"]}}


# offer, its spelling, which counts it can tell, the edges of its book
SHAPES = [
    ("openai/gpt", openai, {"cached", "cache_write", "thinking"}, [272000]),
    ("openai/gpt", responses, {"cached", "thinking"}, [272000]),
    ("anthropic/claude", anthropic, {"cached", "cache_write", "cache_write_1h"}, [100000]),
    ("gemini/pro", gemini, {"cached", "thinking"}, [200000]),
    ("deepseek/flash", deepseek, {"cached", "thinking"}, []),
    ("mistral/large", mistral, set(), []),
    ("xai/grok", xai, {"cached", "thinking"}, [200000]),
    ("moonshot/kimi", moonshot, {"cached"}, []),
    ("glm/four", openai, {"cached"}, [32000]),
    ("qwen/plus", plain, {"thinking"}, []),
]
IDS = [f"{offer}-{shape.__name__}" for offer, shape, *_ in SHAPES]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    vendors = {}
    for offer in BOOK:
        name, model = offer.split("/")
        vendors[name] = vendor(CURRENCIES.get(name, "CNY"), model)
    rows = {}
    for offer, model in BOOK.items():
        name, short = offer.split("/")
        rows.setdefault(name, {})[short] = model
    return write_conf(tmp_path_factory.mktemp("book") / "conf", {
        "calendars": {"cn": {"days": ["2026-10-01..2026-10-07"], "source": "test", "as_of": "2026-01-01"}},
        "windows": {PEAK: {"zone": "Asia/Shanghai", "days": "Mon-Fri", "hours": ["09:00-12:00", "14:00-18:00"],
                           "except_calendar": "cn"}},
        "exchange_rates": [{"pair": "USD/CNY", "from": "2026-01-01", "rate": "6.7195"}],
        "prices": rows}, vendors)


def price_lines(conf, cases):
    lines = "\n".join(json.dumps({"offer": offer, "at": at.isoformat().replace("+00:00", "Z"), **body})
                      for offer, at, body in cases)
    done = bijia("prices", "cost", "--usage", "-", "--json", conf=conf, stdin=lines)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases), done.stderr
    return done, answers


def body_of(shape, u, tier=None):
    told = shape(u, tier) if tier else shape(u)
    return told if "usage" in told or "usageMetadata" in told else {"usage": told}


def random_counts(rng, can, edges):
    size = rng.choice([10, 1000, 50_000, 300_000, 2_000_000_000])
    total = rng.choice(edges) + rng.randint(-1, 1) if edges and rng.random() < 0.3 else rng.randint(0, size)
    cached = rng.randint(0, total) if "cached" in can and rng.random() < 0.7 else 0
    write = rng.randint(0, total - cached) if "cache_write" in can and rng.random() < 0.5 else 0
    hour = rng.randint(0, write) if "cache_write_1h" in can and rng.random() < 0.5 else 0
    output = rng.choice([0, 1, 199, 200, 201, rng.randint(0, 100_000)])
    thinking = rng.randint(0, output) if "thinking" in can and rng.random() < 0.5 else 0
    return counts(total, cached, write, hour, output, thinking)


def random_instant(rng):
    edges = [dt.datetime(2026, 9, 14, 1), dt.datetime(2026, 9, 14, 4), dt.datetime(2026, 9, 14, 10),
             dt.datetime(2026, 10, 1, 2), dt.datetime(2027, 1, 1), dt.datetime(2026, 9, 13, 16)]
    at = rng.choice(edges) + rng.choice([dt.timedelta(0), dt.timedelta(milliseconds=-1), dt.timedelta(seconds=1)])
    if rng.random() < 0.6:
        at = dt.datetime(2026, 9, 1) + dt.timedelta(seconds=rng.randint(0, 200 * 86400))
    return at.replace(tzinfo=dt.timezone.utc)


@pytest.mark.parametrize("offer, shape, can, edges", SHAPES, ids=IDS)
def test_random_usages_are_priced_to_the_last_digit(book, offer, shape, can, edges):
    rng = random.Random(f"{offer} {shape.__name__}")
    cases, expected = [], []
    for _ in range(1000):
        u, at = random_counts(rng, can, edges), random_instant(rng)
        tier = rng.choice(["default", "flex", "priority", None]) if (offer, shape) == ("openai/gpt", openai) else None
        cases.append((offer, at, body_of(shape, u, tier)))
        expected.append((judge(offer, at, u, tier or "default"), u))
    done, answers = price_lines(book, cases)
    assert done.returncode == 0
    for case, answer, (amount, u) in zip(cases, answers, expected):
        assert Decimal(answer["amount"]) == amount, (case, answer)
        assert answer["currency"] == CURRENCIES.get(offer.split("/")[0], "CNY")
        said = answer["usage"]
        assert (said["input"], said["cached"], said["output"]) == (u["input"], u["cached"], u["output"]), case


EDGES = [
    # offer, shape, counts, instant, amount worked out by hand
    ("openai/gpt", openai, counts(272000, output=0), NOON, "0.0272"),
    ("openai/gpt", openai, counts(272001, output=0), NOON, "0.0544002"),
    ("openai/gpt", openai, counts(272001, 272001), NOON, "0.00544002"),
    ("anthropic/claude", anthropic, counts(100000, 60000, 40000), NOON, "0.0053"),
    ("anthropic/claude", anthropic, counts(100001, 60000, 40000), NOON, "0.0265005"),
    ("anthropic/claude", anthropic, counts(100000, 0, 100000, 100000), NOON, "0.02"),
    ("gemini/pro", gemini, counts(200000, output=14, thinking=9), NOON, "0.25014"),
    ("gemini/pro", gemini, counts(200001), NOON, "0.5000025"),
    ("gemini/pro", gemini, counts(1, output=1), dt.datetime(2027, 1, 1, tzinfo=dt.timezone.utc), "0.00002333"),
    ("gemini/pro", gemini, counts(3, 3), dt.datetime(2027, 1, 1, tzinfo=dt.timezone.utc), "0.000001"),
    ("xai/grok", xai, counts(199999), NOON, "0.399998"),
    ("xai/grok", xai, counts(200000), NOON, "0.8"),
    ("xai/grok", xai, counts(10, 0, output=100, thinking=90), NOON, "0.00062"),
    ("glm/four", openai, counts(32000, output=200), NOON, "0.0656"),
    ("glm/four", openai, counts(32000, output=201), NOON, "0.098814"),
    ("glm/four", openai, counts(32001, output=200), NOON, "0.131204"),
    ("deepseek/flash", deepseek, counts(1000), dt.datetime(2026, 9, 14, 1, tzinfo=dt.timezone.utc), "0.002"),
    ("deepseek/flash", deepseek, counts(1000), dt.datetime(2026, 9, 14, 4, tzinfo=dt.timezone.utc), "0.001"),
    ("deepseek/flash", deepseek, counts(1000), dt.datetime(2026, 9, 12, 2, tzinfo=dt.timezone.utc), "0.001"),
    ("deepseek/flash", deepseek, counts(1000), dt.datetime(2026, 10, 7, 2, tzinfo=dt.timezone.utc), "0.001"),
    ("deepseek/flash", deepseek, counts(1000), dt.datetime(2026, 10, 8, 2, tzinfo=dt.timezone.utc), "0.002"),
    ("mistral/large", mistral, counts(), NOON, "0.0001"),
    ("moonshot/kimi", moonshot, counts(1000, 1000), NOON, "0.0011"),
    ("qwen/plus", plain, counts(1000, output=100), NOON, "0.001"),
    ("qwen/plus", plain, counts(1000, output=100, thinking=1), NOON, "0.0016"),
]


def test_every_edge_is_priced_as_worked_out_by_hand(book):
    done, answers = price_lines(book, [(offer, at, body_of(shape, u)) for offer, shape, u, at, _ in EDGES])
    assert done.returncode == 0
    for (offer, shape, u, at, by_hand), answer in zip(EDGES, answers):
        assert Decimal(answer["amount"]) == Decimal(by_hand), (offer, u, answer)
        assert judge(offer, at, u) == Decimal(by_hand), (offer, u)


def test_more_tokens_never_cost_less_where_there_are_no_tiers(book):
    rng, cases = random.Random(7), []
    for _ in range(500):
        u = random_counts(rng, set(), [])
        for more in ({}, {"input": u["input"] + rng.randint(0, 9)}, {"output": u["output"] + rng.randint(0, 9)}):
            cases.append(("mistral/large", NOON, body_of(mistral, {**u, **more})))
    amounts = [Decimal(a["amount"]) for a in price_lines(book, cases)[1]]
    assert all(amounts[i] <= min(amounts[i + 1], amounts[i + 2]) for i in range(0, len(amounts), 3))


def test_the_parts_and_the_rule_are_told(book):
    done = bijia("prices", "cost", "--offer", "anthropic/claude", "--at", "2026-09-14T04:00:00Z", conf=book,
                 stdin=json.dumps(anthropic(counts(1000, 600, 300, 100, 50)), indent=2))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "anthropic/claude at 2026-09-14T04:00:00.000Z"
    table = {line.split()[0]: line.split()[1:] for line in lines[3:9]}
    assert table["input"][0] == "100" and table["cached"][0] == "600"
    assert table["cache_write"][0] == "200" and table["cache_write_1h"][0] == "100"
    assert table["total"] == ["1050", "0.000083"]
    assert "input <= 100000" in lines[-1]


def test_what_cannot_be_priced_is_said_and_the_rest_goes_on(book):
    lines = [{"usage": mistral(counts(5, output=5))}, {"usage": {"prompt_tokens": 5}},
             {"offer": "mistral/larg", "usage": {}}, {"offer": "mistral/large", "queue": 1},
             {"usage": mistral(counts(5, output=6))}]
    done = bijia("prices", "cost", "--offer", "mistral/large", "--json", conf=book,
                 stdin="\n".join(map(json.dumps, lines)))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert ["error" in a for a in answers] == [False, True, True, True, False]
    broken = bijia("prices", "cost", "--offer", "mistral/large", conf=book, stdin='{"prompt_tokens": ')
    assert broken.returncode == 1 and broken.stdout == ""
    assert "mistral/large" in bijia("prices", "cost", "--offer", "mistral/larg", conf=book).stderr


def test_a_cost_that_the_vendor_states_is_shown_beside_ours(book):
    said = {**xai(counts(10, output=5)), "cost_in_usd_ticks": 1_234_567_890}
    answer = json.loads(bijia("prices", "cost", "--offer", "xai/grok", "--json", conf=book,
                              stdin=json.dumps(said)).stdout)
    assert answer["stated"] == {"amount": "0.123456789", "currency": "USD"}


# --- import: other people's catalogues, believed with care

CATALOGUES = os.path.join(ROOT, "tests/data/import")
NOW = "2026-11-22T00:00:00Z"
BY_HAND = {
    "openai": {"gpt-six": {"input": 2, "cached_input": "0.2", "cache_write": "2.5", "output": 10}},
    "gemini": {"gemini-pro": {"input": "1.25", "cached_input": "0.125", "output": 10}},
    "deepseek": {"deepseek-flash": {"input": 1, "cached_input": "0.02", "output": 4},
                 "deepseek-pro": {"input": "4.5", "output": "13.5"}},
    "xai": {"grok": {"input": 2, "output": 6}},
}


@pytest.fixture
def shop(tmp_path):
    vendors = {
        "openai": vendor("USD", "gpt-six", "gpt-fresh", "gpt-free", "gpt-gone", host="api.openai.com"),
        "gemini": vendor("USD", "gemini-pro", host="generativelanguage.googleapis.com"),
        "deepseek": vendor("CNY", "deepseek-flash", "deepseek-pro", host="api.deepseek.com"),
        "glm": vendor("CNY", "glm-5v-turbo", "glm-five", host="open.bigmodel.cn"),
        "xai": vendor("USD", "grok", host="api.x.ai"),
        "claude": vendor("USD", "claude", host="api.anthropic.com"),
        "router": vendor("USD", "maker/model", "maker/by-the-request", "maker/by-the-hour", "maker/model:free",
                         host="openrouter.ai"),
        "cellar": vendor("USD", "mine"),
    }
    return write_conf(tmp_path / "conf", {
        "imports": [], "exchange_rates": [{"pair": "USD/CNY", "from": "2026-01-01", "rate": "6.7195"}],
        "prices": BY_HAND}, vendors)


def include(conf, *files):
    book = json.loads((conf / "prices.yaml").read_text())
    book["imports"] = list(files)
    (conf / "prices.yaml").write_text(json.dumps(book, indent=1))


def imported(conf, source, *words, file=None):
    done = bijia("prices", "import", file or os.path.join(CATALOGUES, f"{source}.json"), "--from", source,
                 "--at", NOW, "--json", *words, conf=conf)
    assert done.returncode == 0, done.stderr
    return {f["offer"]: f for f in json.loads(done.stdout)["findings"]}


def rows_of(conf, offer):
    done = bijia("prices", "history", offer, "--json", conf=conf)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"]


def verdicts(findings):
    return {offer: f["verdict"] for offer, f in findings.items()}


def test_models_dev_is_compared_with_the_book_and_the_doubtful_is_held_back(shop):
    found = imported(shop, "models.dev")
    assert verdicts(found) == {
        "openai/gpt-six": "changed", "openai/gpt-fresh": "new", "openai/gpt-free": "held: zero",
        "gemini/gemini-pro": "dearer", "deepseek/deepseek-flash": "held: wrong currency?",
        "deepseek/deepseek-pro": "same", "glm/glm-5v-turbo": "held: wrong currency?", "glm/glm-five": "new",
        "xai/grok": "held: five times or more"}
    assert found["openai/gpt-six"]["line"] == (
        "changed: 2.00 -> 1.60 in (-20.0%), 10.00 -> 8.00 out (-20.0%), 0.20 -> 0.16 cached (-20.0%), "
        "2.50 -> 2.00 written (-20.0%), USD"), "dearer for long prompts"

    assert found["openai/gpt-six"]["by_hand"] and not found["openai/gpt-fresh"]["by_hand"]


def test_what_was_imported_is_in_the_book_once_it_is_included(shop):
    imported(shop, "models.dev")
    assert rows_of(shop, "openai/gpt-fresh") == []
    include(shop, "prices.d/models.dev.yaml")
    check = bijia("check", shop)
    assert check.returncode == 0, check.stderr
    row, = rows_of(shop, "openai/gpt-fresh")
    assert (row["price"]["input"], row["price"]["output"], row["price"]["currency"]) == ("0.10", "0.50", "USD")
    assert row["price"]["cached_input"] == "0.10", "a cache that costs nothing is one that nobody told of"
    assert row["source"].startswith("models.dev openai/gpt-fresh, ") and row["as_of"] == "2026-11-22"
    assert [r["price"]["input"] for r in rows_of(shop, "openai/gpt-six")] == ["2.00"], "the hand's own row stays"
    assert rows_of(shop, "openai/gpt-free") == [] and rows_of(shop, "glm/glm-5v-turbo") == []
    assert imported(shop, "models.dev")["openai/gpt-fresh"]["verdict"] == "same"


def test_a_catalogue_is_as_old_as_its_file(shop, tmp_path):
    path = tmp_path / "litellm.json"
    shutil.copy(os.path.join(CATALOGUES, "litellm.json"), path)
    read = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=200)
    os.utime(path, (read.timestamp(), read.timestamp()))
    assert bijia("prices", "import", path, "--from", "litellm", conf=shop).returncode == 0
    include(shop, "prices.d/litellm.yaml")
    row, = rows_of(shop, "openai/gpt-fresh")
    assert row["as_of"] == read.date().isoformat() and "days ago" in bijia("check", shop).stderr
    book = json.loads((shop / "prices.yaml").read_text())
    del book["prices"]["openai"]
    (shop / "prices.yaml").write_text(json.dumps(book))
    imported(shop, "genai-prices", "--accept")
    include(shop, "prices.d/genai-prices.yaml")
    assert rows_of(shop, "openai/gpt-six")[0]["as_of"] == "2026-10-27", "or as the catalogue says"


def test_what_is_accepted_is_written(shop):
    imported(shop, "models.dev", "--accept")
    include(shop, "prices.d/models.dev.yaml")
    assert bijia("check", shop).returncode == 0
    free, = rows_of(shop, "openai/gpt-free")
    assert free["price"]["free"] is True
    assert rows_of(shop, "glm/glm-5v-turbo")[0]["price"]["input"] == "5.00"


def test_tiers_become_rows(shop):
    book = json.loads((shop / "prices.yaml").read_text())
    book["prices"] = {}
    (shop / "prices.yaml").write_text(json.dumps(book))
    edges = {"models.dev": "input <= 272000", "litellm": "input <= 272000", "genai-prices": "input <= 272000"}
    for source, edge in edges.items():
        imported(shop, source)
        include(shop, f"prices.d/{source}.yaml")
        low, high = rows_of(shop, "openai/gpt-six")
        assert edge in low["rule"] and float(high["price"]["input"]) == 2 * float(low["price"]["input"])
        assert float(high["price"]["output"]) == 1.5 * float(low["price"]["output"]), source
    imported(shop, "openrouter")
    include(shop, "prices.d/openrouter.yaml")
    low, high = rows_of(shop, "router/maker/model")
    assert "input < 200000" in low["rule"] and high["price"]["input"] == "0.60"
    assert low["price"]["cached_input"] == "0.006" == high["price"]["cached_input"]
    assert low["price"]["thinking_output"] == "1.20", "internal_reasoning 0 is as the output, not free"


def test_litellm_prices_per_token_are_exact_per_million(shop):
    found = imported(shop, "litellm")
    assert found["openai/gpt-six"]["line"] == (
        "dearer: 2.00 -> 4.00 in (+100.0%), 10.00 -> 15.00 out (+50.0%), 0.20 -> 0.40 cached (+100.0%), 2.50 written, "
        "USD, beyond 272000 tokens"), "a tier that the book has not"
    assert (found["openai/gpt-fresh"]["input"], found["openai/gpt-fresh"]["output"]) == ("0.06", "0.24")
    assert found["openai/gpt-free"]["line"] == "left out: no price of input or of output"
    assert found["deepseek/deepseek-pro"]["verdict"] == "same" and "200000" in found["gemini/gemini-pro"]["line"]
    assert found["router/maker/model"]["verdict"] == "new"


def test_prices_by_the_hour_are_left_out(shop):
    assert {offer: f["line"] for offer, f in imported(shop, "openrouter").items()} == {
        "router/maker/model": "new: 0.30 in, 1.20 out, USD",
        "router/maker/by-the-request": "new: 5.00 in, 25.00 out, USD",
        "router/maker/by-the-hour": "left out: a price of its own at some hours",
        "router/maker/model:free": "held: zero: 0.00 in, 0.00 out, USD"}
    assert imported(shop, "litellm")["deepseek/deepseek-flash"]["line"] == "left out: a price of its own at some hours", \
        "its flat price is that of the peak"


def test_every_part_of_a_price_is_taken_over(shop):
    imported(shop, "openrouter")
    imported(shop, "litellm")
    include(shop, "prices.d/openrouter.yaml", "prices.d/litellm.yaml")
    book = json.loads((shop / "prices.yaml").read_text())
    del book["prices"]["openai"], book["prices"]["xai"]
    (shop / "prices.yaml").write_text(json.dumps(book))
    imported(shop, "litellm", "--accept")
    assert bijia("check", shop).returncode == 0
    row, = rows_of(shop, "router/maker/by-the-request")
    assert row["price"]["cache_write_1h"] == "10.00" and row["price"]["fee"] == "0.005"
    low, high = rows_of(shop, "claude/claude")
    assert [low["price"][w] for w in ("cache_write", "cache_write_1h", "fee")] == ["0.125", "0.20", "0.005"]
    assert [high["price"][w] for w in ("input", "cache_write_1h", "fee")] == ["0.50", "1.00", "0.005"]
    low, high = rows_of(shop, "openai/gpt-six")
    assert "https://platform.openai.com/docs/pricing" in low["source"], "where the catalogue has it from"
    for row in (low, high):
        assert row["price"]["service_tiers"] == {"priority": "2.00", "batch": "0.50"}, \
            "flex is not one factor of both: it is not said"


def test_a_tier_that_jumps_or_costs_nothing_is_held_back_too(shop):
    found = imported(shop, "litellm", "--vendor", "zai=glm")
    assert found["xai/grok"]["line"] == (
        "held: five times or more: 2.00 -> 20.00 in (+900.0%), 6.00 -> 60.00 out (+900.0%), USD, beyond 200000 tokens")
    assert found["glm/glm-five"]["verdict"] == "held: zero", "GLM-Five there"
    book = json.loads((shop / "prices.yaml").read_text())
    book["prices"]["deepseek"]["deepseek-pro"]["cached_input"] = "0.02"
    book["prices"]["xai"]["grok"] = {"rows": [{"input": 2, "output": 6, "input_below": 200000},
                                              {"input": 20, "output": 60}]}
    (shop / "prices.yaml").write_text(json.dumps(book))
    assert imported(shop, "litellm")["xai/grok"]["verdict"] == "same", "which tier one token belongs to differs often"
    found = imported(shop, "models.dev", "--vendor", "deepseek=deepseek")
    assert found["deepseek/deepseek-pro"]["verdict"] == "held: five times or more", "the cached price alone"


def test_genai_prices_come_from_its_json_and_from_a_providers_yaml(shop, tmp_path):
    found = imported(shop, "genai-prices")
    assert verdicts(found) == {"openai/gpt-six": "dearer", "openai/gpt-fresh": "new", "claude/claude": "new",
                               "xai/grok": "same"}
    found = imported(shop, "genai-prices", "--vendor", "zai=glm")
    assert found["glm/glm-five"]["verdict"] == found["glm/glm-5v-turbo"]["verdict"] == "new", "by its rules for names"
    include(shop, "prices.d/genai-prices.yaml")
    turbo, = rows_of(shop, "glm/glm-5v-turbo")
    assert turbo["price"]["thinking_output"] == "5.00" and turbo["price"]["fee"] == "0.005"
    assert turbo["source"].startswith("genai-prices zai/glm-vision, ")
    imported(shop, "genai-prices")
    include(shop, "prices.d/genai-prices.yaml")
    assert rows_of(shop, "claude/claude")[0]["price"]["cache_write"] == "1.25"
    with open(os.path.join(CATALOGUES, "genai-prices.json")) as f:
        (tmp_path / "v2.json").write_text(json.dumps({"providers": json.load(f), "units": {}}))
    assert imported(shop, "genai-prices", file=tmp_path / "v2.json")["claude/claude"]["verdict"] == "same"
    found = imported(shop, "genai-prices", file=os.path.join(CATALOGUES, "genai-prices.yml"))
    assert found["deepseek/deepseek-flash"]["line"] == "left out: a price of its own at some hours"
    assert found["deepseek/deepseek-pro"]["verdict"] == "cheaper"
    assert found["claude/claude"]["verdict"] == "held: gone"
    assert rows_of(shop, "claude/claude"), "what a catalogue lists no more is not lost at once"
    imported(shop, "genai-prices", "--accept", file=os.path.join(CATALOGUES, "genai-prices.yml"))
    assert not rows_of(shop, "claude/claude")


def test_what_is_held_back_leaves_the_earlier_import_as_it_was(shop, tmp_path):
    imported(shop, "models.dev")
    include(shop, "prices.d/models.dev.yaml")
    with open(os.path.join(CATALOGUES, "models.dev.json")) as f:
        later = json.load(f)
    later["openai"]["models"]["gpt-fresh"]["cost"] = {"input": 0.01, "output": 0.05}
    later["zhipuai"]["models"]["glm-five"]["cost"] = {"input": 0.3, "output": 0.7}
    (tmp_path / "later.json").write_text(json.dumps(later))
    found = imported(shop, "models.dev", file=tmp_path / "later.json")
    assert found["openai/gpt-fresh"]["verdict"] == "held: five times or more"
    assert found["glm/glm-five"]["line"] == "dearer: 0.20 -> 0.30 in (+50.0%), 0.70 out, USD"
    assert rows_of(shop, "openai/gpt-fresh")[0]["price"]["input"] == "0.10"
    assert rows_of(shop, "glm/glm-five")[0]["price"]["input"] == "0.30"


def test_a_vendor_that_its_address_does_not_tell_is_named(shop):
    assert "cellar/mine" not in imported(shop, "models.dev")
    assert imported(shop, "models.dev", "--vendor", "elsewhere=cellar,zai=glm")["cellar/mine"]["verdict"] == "new"


def test_a_catalogue_of_another_shape_is_refused_and_nothing_is_written(shop, tmp_path):
    for name, text in [("list", "[1, 2]"), ("text", "hello"), ("broken", '{"data": ['), ("empty", "")]:
        (tmp_path / name).write_text(text)
        done = bijia("prices", "import", tmp_path / name, "--from", "openrouter", conf=shop)
        assert done.returncode == 1 and "shape of openrouter" in done.stderr
    assert not (shop / "prices.d").exists()
    assert bijia("prices", "import", tmp_path / "no", "--from", "openrouter", conf=shop).returncode == 1
    assert bijia("prices", "import", tmp_path / "no", "--from", "hearsay", conf=shop).returncode == 2


def test_a_missing_import_is_told_with_its_place(shop):
    include(shop, "prices.d/none.yaml")
    done = bijia("check", shop)
    assert done.returncode == 1
    assert '"prices.d/none.yaml" cannot be read' in done.stderr and "prices.yaml:" in done.stderr


# --- feed: the same, while bijia serves


class Serving:
    """`bijia serve` on a directory, and what it logs."""

    def __init__(self, conf):
        self.conf, self.log = conf, conf / "serve.log"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        (conf / "bijia.yaml").write_text(f"listen: 127.0.0.1:{port}\nworkers: 1\nstate_dir: state\n")
        with open(self.log, "w") as log:
            # as people call it: by a path that begins where they stand
            self.process = subprocess.Popen([BINARY, "serve", conf.name], stderr=log, cwd=conf.parent)

    def wait_for(self, *words, times=1, seconds=20):
        """Until so many lines of the log have all the words."""
        for _ in range(seconds * 20):
            lines = [line for line in self.log.read_text().splitlines() if all(w in line for w in words)]
            if len(lines) >= times:
                return lines
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"no {words} in\n{self.log.read_text()}")

    def count(self, *words):
        return sum(all(w in line for w in words) for line in self.log.read_text().splitlines())

    def __enter__(self):
        self.wait_for("event=serving")
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log.read_text()


def feed(conf, source, **more):
    book = json.loads((conf / "prices.yaml").read_text())
    book["feed"] = {"from": str(source), "format": "models.dev", "every": "1s", **more}
    (conf / "prices.yaml").write_text(json.dumps(book, indent=1))


def metrics(conf):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(conf / "state/admin.sock"))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return dict(line.rsplit(" ", 1) for line in text.split("\r\n\r\n", 1)[1].splitlines() if line[:6] == "bijia_")


def catalogue(path, **costs):
    """Of OpenAI's models."""
    text = json.dumps({"openai": {"models": {m.replace("_", "-"): {"cost": {"input": i, "output": o}}
                                             for m, (i, o) in costs.items()}}})
    scratch = path.with_suffix(".new")
    scratch.write_text(text)
    scratch.rename(path)


def board_of(conf, offer, cwd):
    done = subprocess.run([BINARY, "prices", "--model", offer, "--json", "--conf", conf], cwd=cwd, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["offers"][0]


@pytest.mark.threads
def test_a_feed_is_read_again_and_what_is_doubtful_changes_nothing(shop, tmp_path):
    path = tmp_path / "feed.json"
    catalogue(path, gpt_fresh=(1, 4), gpt_six=(2, 8))
    feed(shop, path)
    with Serving(shop) as program:
        program.wait_for("event=price", "offer=openai/gpt-fresh", "new: 1.00 in, 4.00 out")
        assert "stays" in program.wait_for("event=price", "offer=openai/gpt-six", "cheaper")[0]
        program.wait_for("event=reload", "result=ok edition=2")
        assert rows_of(shop, "openai/gpt-fresh")[0]["price"]["input"] == "1.00"
        assert rows_of(shop, "openai/gpt-six")[0]["price"]["output"] == "10.00"
        assert board_of(shop.name, "openai/gpt-fresh", cwd=shop.parent)["price"]["input"] == "1.00"

        catalogue(path, gpt_fresh=(0.8, 4), gpt_six=(2, 8))
        program.wait_for("event=price", "offer=openai/gpt-fresh", "cheaper: 1.00 -> 0.80 in (-20.0%)")
        program.wait_for("event=reload", "result=ok edition=3")

        catalogue(path, gpt_fresh=(0.1, 0.4), gpt_six=(2, 8))
        program.wait_for("level=warn", "event=price", "offer=openai/gpt-fresh", "held: five times or more")
        path.write_text('{"openai": ')
        program.wait_for("level=warn", "event=feed", "result=refused", "shape of models.dev")
        path.unlink()
        program.wait_for("level=warn", "event=feed", "result=refused", "No such file")
        catalogue(path, gpt_six=(2, 8))
        program.wait_for("level=warn", "offer=openai/gpt-fresh", "held: gone")
        assert program.count("event=reload") == 2, "nothing doubtful came into force"
        assert rows_of(shop, "openai/gpt-fresh")[0]["price"]["input"] == "0.80"
    with Serving(shop) as program:
        assert rows_of(shop, "openai/gpt-fresh")[0]["source"].startswith("models.dev openai/gpt-fresh, ")
        program.wait_for("held: gone")


def test_what_a_feed_says_again_is_told_once(shop, tmp_path):
    path = tmp_path / "feed.json"
    catalogue(path, gpt_fresh=(1, 4), gpt_free=(0, 0))
    feed(shop, path)
    with Serving(shop) as program:
        program.wait_for("offer=openai/gpt-free", "held: zero")
        time.sleep(3.5)
        assert program.count("held: zero") == 1 and program.count("event=reload") == 1
        told = metrics(shop)
        assert told['bijia_feed_readings_total{result="changed"}'] == "1" and told["bijia_feed_held"] == "1"
        assert int(told['bijia_feed_readings_total{result="same"}']) >= 2
        assert told['bijia_feed_readings_total{result="refused"}'] == "0"
    assert board(shop, "--model", "gpt-fresh")["openai/gpt-fresh"]["imported"]
    assert " USD imported" in bijia("prices", "--model", "gpt-fresh", conf=shop).stdout


@pytest.fixture
def https(tmp_path):
    """A server with a certificate of its own making: (url, ca file, bodies by path)."""
    pem = tmp_path / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", str(pem) + ".key", "-out", str(pem)], check=True, capture_output=True)
    bodies = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, where = bodies.get(self.path, (404, b"no", None))
            self.send_response(status)
            if where:
                self.send_header("Location", where)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, str(pem) + ".key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}", str(pem), bodies
    server.shutdown()


def test_a_feed_comes_over_https_and_only_from_whom_it_trusts(shop, https):
    url, pem, bodies = https
    with open(os.path.join(CATALOGUES, "models.dev.json"), "rb") as f:
        bodies["/api.json"] = (200, f.read(), None)
    bodies["/moved"] = (302, b"", "/api.json")
    bodies["/away"] = (302, b"", "http://localhost:9/api.json")
    feed(shop, f"{url}/moved", ca_file=pem)
    with Serving(shop) as program:
        program.wait_for("offer=openai/gpt-fresh", "new: 0.10 in, 0.50 out")
        for where, more, why in [(f"{url}/none", {"ca_file": pem}, "404"), (f"{url}/away", {"ca_file": pem}, "http"),
                                 (f"{url}/api.json", {}, "certificate")]:
            feed(shop, where, **more)
            program.process.send_signal(signal.SIGHUP)
            program.wait_for("event=feed", "result=refused", why)
        assert rows_of(shop, "openai/gpt-fresh")[0]["price"]["input"] == "0.10"
    feed(shop, "http://localhost/api.json")
    assert 'wants a file or an https:// URL, found "http://localhost/api.json"' in bijia("check", shop).stderr


# --- diff, history and the board


def test_diff_tells_what_is_new_gone_dearer_and_cheaper(shop, tmp_path):
    other = json.loads(json.dumps(BY_HAND))
    other["openai"]["gpt-six"].update(input="1.6", output=8)
    other["xai"]["grok"] = [{"until": "2026-12-01", "input": 2, "output": 6}, {"input": 9, "output": 9}]
    other["gemini"]["gemini-pro"] = [{"input_at_most": 200000, "input": "1.25", "cached_input": "0.125", "output": 10},
                                     {"input": "2.5", "output": 15}]
    other["deepseek"]["deepseek-flash"].update(cached_input="0.05")
    del other["deepseek"]["deepseek-pro"]
    (tmp_path / "other.yaml").write_text(json.dumps({"prices": other}))
    done = bijia("prices", "diff", shop, tmp_path / "other.yaml", "--at", NOW, "--json", conf=shop)
    assert done.returncode == 0, done.stderr
    found = {(d["model"], d["conditions"]): d["what"] for d in json.loads(done.stdout)["differences"]}
    assert found == {("gpt-six", ""): "cheaper", ("gemini-pro", ""): "dearer",
                     ("gemini-pro", "input <= 200000"): "new", ("deepseek-pro", ""): "gone",
                     ("deepseek-flash", ""): "dearer"}
    table = bijia("prices", "diff", shop, tmp_path / "other.yaml", "--at", NOW, conf=shop).stdout
    assert [line.split() for line in table.splitlines() if line.startswith("openai/gpt-six")] == [
        ["openai/gpt-six", "cheaper", "2.00", "1.60", "-20.0%", "10.00", "8.00", "-20.0%", "USD"]]
    later = bijia("prices", "diff", shop, tmp_path / "other.yaml", "--at", "2026-12-01", "--json", conf=shop).stdout
    assert {d["model"]: d["what"] for d in json.loads(later)["differences"]}["grok"] == "dearer"
    assert bijia("prices", "diff", shop, shop).stdout == "no price differs\n"
    assert bijia("prices", "diff", shop, tmp_path / "none.yaml", conf=shop).returncode == 1
    assert bijia("prices", "diff", shop).returncode == 2


def board(conf, *words):
    done = bijia("prices", "--json", *words, conf=conf)
    assert done.returncode == 0, done.stderr
    return {o["offer"]: o for o in json.loads(done.stdout)["offers"]}


@pytest.fixture
def street(tmp_path):
    """Prices that change: a window, dates, a gap; three that sell the same."""
    vendors = {"deepseek": vendor("CNY", "flash"), "copy": vendor("USD", "flash"), "third": vendor("CNY", "flash"),
               "gemini": vendor("USD", "pro"), "late": vendor("CNY", "soon"), "never": vendor("CNY", "unpriced")}
    return write_conf(tmp_path / "conf", {
        "calendars": {"cn": {"days": ["2026-10-01..2026-10-07"], "as_of": "2026-01-01"}},
        "windows": {"peak": {"zone": "Asia/Shanghai", "days": "Mon-Fri", "hours": ["09:00-12:00", "14:00-18:00"],
                             "except_calendar": "cn"}},
        "exchange_rates": [{"pair": "USD/CNY", "from": "2026-01-01", "rate": 7}],
        "prices": {
            "deepseek": {"flash": BOOK["deepseek/flash"]["rows"]},
            "copy": {"flash": {"input": "0.2", "output": "0.8", "source": "their page", "as_of": "2026-09-01"}},
            "third": {"flash": {"input": 9, "output": 9}},
            "gemini": {"pro": [{"until": "2027-01-01", "input": "0.75", "output": "3.75"},
                               {"until": "2027-03-01", "input": "1.5", "output": "7.5"}]},
            "late": {"soon": {"from": "2026-12-01", "input": 1, "output": 2}}}},
        vendors, "currency: CNY\naliases:\n  quick: [deepseek/flash, copy/flash, gemini/pro]\nteams:\n  demo:\n")


@pytest.mark.parametrize("at, now, then, later", [
    ("2026-09-14T00:59:59Z", "1.00", "2026-09-14T01:00:00.000Z", "2.00"),   # Monday, before it opens
    ("2026-09-14T01:00:00Z", "2.00", "2026-09-14T04:00:00.000Z", "1.00"),   # the edge is in
    ("2026-09-14T04:00:00Z", "1.00", "2026-09-14T06:00:00.000Z", "2.00"),   # lunch
    ("2026-09-11T10:00:00Z", "1.00", "2026-09-14T01:00:00.000Z", "2.00"),   # over the weekend
    ("2026-09-30T10:00:00Z", "1.00", "2026-10-08T01:00:00.000Z", "2.00"),   # over the holidays
])
def test_the_board_tells_when_a_window_changes_the_price(street, at, now, then, later):
    line = board(street, "--at", at)["deepseek/flash"]
    assert (line["price"]["input"], line["next"]["at"], line["next"]["price"]["input"]) == (now, then, later)


def test_the_board_tells_when_a_price_begins_or_ends(street):
    lines = board(street, "--at", NOW)
    assert lines["gemini/pro"]["next"]["at"] == "2027-01-01T00:00:00.000Z"
    assert lines["gemini/pro"]["next"]["price"]["output"] == "7.50"
    assert lines["late/soon"]["price"] is None and lines["late/soon"]["compared"] is None
    assert lines["late/soon"]["next"]["at"] == "2026-12-01T00:00:00.000Z"
    assert lines["copy/flash"]["next"] is None and lines["never/unpriced"]["next"] is None
    end = board(street, "--at", "2027-02-01")["gemini/pro"]["next"]
    assert end["at"] == "2027-03-01T00:00:00.000Z" and end["price"] is None


def test_the_cheapest_of_an_alias_and_of_a_model_is_marked(street):
    off, on = board(street, "--at", "2026-09-14T00:00:00Z"), board(street, "--at", "2026-09-14T02:00:00Z")
    assert off["deepseek/flash"]["cheapest_in"] == ["quick", "flash"] and off["copy/flash"]["cheapest_in"] == []
    assert on["copy/flash"]["cheapest_in"] == ["quick", "flash"] and on["deepseek/flash"]["cheapest_in"] == []
    assert on["copy/flash"]["compared"] == {"currency": "CNY", "input": "1.40", "cached_input": "1.40",
                                            "output": "5.60", "sample": "0.0042"}
    usd = board(street, "--at", "2026-09-14T02:00:00Z", "--currency", "USD")["deepseek/flash"]["compared"]
    assert (usd["currency"], usd["input"]) == ("USD", "0.285714286")


def test_the_board_is_filtered_and_its_columns_stand_in_line(street):
    assert set(board(street, "--model", "flash")) == {"deepseek/flash", "copy/flash", "third/flash"}
    assert set(board(street, "--model", "quick")) == {"deepseek/flash", "copy/flash", "gemini/pro"}
    assert set(board(street, "--model", "so")) == {"late/soon"}
    assert set(board(street, "--vendor", "copy")) == {"copy/flash"}
    assert bijia("prices", "--vendor", "nobody", conf=street).returncode == 1
    assert bijia("prices", "--currency", "EUR", conf=street).returncode == 2
    lines = bijia("prices", "--at", "2026-09-14T02:00:00Z", conf=street).stdout.splitlines()[2:]
    points = {line.index(".") for line in lines[1:] if "?" not in line}
    assert len(points) == 1, "the first prices' points stand under each other"
    assert all(line == line.rstrip() for line in lines)


def test_history_tells_each_row_with_its_source(street):
    rows = rows_of(street, "gemini/pro") + rows_of(street, "copy/flash")
    assert [r["until"] for r in rows] == ["2027-01-01T00:00:00.000Z", "2027-03-01T00:00:00.000Z", None]
    assert (rows[2]["source"], rows[2]["as_of"]) == ("their page", "2026-09-01")
    assert len(rows_of(street, "flash")) == 4, "all who sell it"
    assert "did you mean" in bijia("prices", "history", "flsh", conf=street).stderr


# --- the price war, worked out again from the facts

WAR = os.path.join(ROOT, "conf/examples/price-war-2024")
KINDS = {"short_question": (300, 200), "long_document": (24000, 800), "long_answer": (500, 4000)}
DAYS = [dt.date(2024, 5, 6) + dt.timedelta(days=n) for n in range(19)]
USD = Decimal("7.2")

# model: context or None, then (first day in May, input, output per million in CNY); None: no known price
FACTS = {
    "deepseek/deepseek-chat": (None, [(6, 1, 2)]),
    "zhipu/glm-3-turbo": (None, [(1, 5, 5), (11, 1, 1)]),
    "zhipu/glm-4": (None, [(1, 100, 100)]),
    "bytedance/doubao-lite-32k": (32768, [(15, "0.3", "0.6")]),
    "bytedance/doubao-lite-128k": (131072, [(15, "0.8", 1)]),
    "bytedance/doubao-pro-32k": (32768, [(15, "0.8", 2)]),
    "bytedance/doubao-pro-128k": (131072, [(15, 5, 9)]),
    "alibaba/qwen-long": (None, [(1, 20, 2), (21, "0.5", 2)]),
    "alibaba/qwen-turbo": (None, [(21, 2, 6)]),
    "alibaba/qwen-plus": (None, [(21, 4, 12)]),
    "alibaba/qwen-max": (None, [(21, 40, 120)]),
    "baidu/ernie-speed": (None, [(1, 4, 4), (21, 0, 0)]),
    "baidu/ernie-lite-8k": (8192, [(1, 3, 3), (21, 0, 0)]),
    "baidu/ernie-3.5": (None, [(1, 12, 12)]),
    "baidu/ernie-4.0": (None, [(1, 120, 120)]),
    "iflytek/spark-lite": (None, [(1, 18, 18), (22, 0, 0)]),
    "iflytek/spark-pro": (None, [(1, 36, 36), (22, 21, 21)]),
    "iflytek/spark-max": (None, [(1, 36, 36), (22, 21, 21)]),
    "tencent/hunyuan-lite": (None, [(22, 0, 0)]),
    "tencent/hunyuan-standard": (None, [(22, "4.5", 5)]),
    "tencent/hunyuan-standard-256k": (262144, [(1, 120, 120), (22, 15, 60)]),
    "tencent/hunyuan-pro": (None, [(1, 100, 100), (22, 30, 100)]),
    "moonshot/moonshot-v1-8k": (8192, [(1, 12, 12)]),
    "moonshot/moonshot-v1-32k": (32768, [(1, 24, 24)]),
    "moonshot/moonshot-v1-128k": (131072, [(1, 60, 60)]),
    "01ai/yi-spark": (None, [(1, 1, 1)]),
    "01ai/yi-medium": (None, [(1, "2.5", "2.5")]),
    "01ai/yi-medium-200k": (200000, [(1, 12, 12)]),
    "01ai/yi-large-turbo": (None, [(1, 12, 12)]),
    "01ai/yi-large": (None, [(1, 20, 20)]),
    "baichuan/baichuan2-turbo": (None, [(1, 8, 8)]),
    "baichuan/baichuan2-turbo-192k": (192000, [(1, 16, 16)]),
    "baichuan/baichuan3-turbo": (None, [(1, 12, 12)]),
    "baichuan/baichuan3-turbo-128k": (131072, [(1, 24, 24)]),
    "baichuan/baichuan4": (None, [(1, 100, 100)]),
    "openai/gpt-3.5-turbo": (16385, [(1, "3.6", "10.8")]),
    "openai/gpt-4-turbo": (128000, [(1, 72, 216)]),
    "openai/gpt-4o": (128000, [(13, 36, 108)]),
    "google/gemini-1.0-pro": (None, [(1, "3.6", "10.8")]),
    "google/gemini-1.5-flash": (None, [(1, "2.52", "7.56")]),
    "google/gemini-1.5-pro": (None, [(1, "25.2", "75.6")]),
    "anthropic/claude-3-haiku": (None, [(1, "1.8", 9)]),
    "anthropic/claude-3-sonnet": (None, [(1, "21.6", 108)]),
    "anthropic/claude-3-opus": (None, [(1, 108, 540)]),
}


def fact(offer, day):
    prices = [p for p in FACTS[offer][1] if p[0] <= day.day]
    return tuple(map(Decimal, prices[-1][1:])) if prices else None


def thousand(offer, day, kind):
    tokens_in, tokens_out = KINDS[kind]
    context, price = FACTS[offer][0], fact(offer, day)
    if price is None or (context and context < tokens_in + tokens_out):
        return None
    return 1000 * (tokens_in * price[0] + tokens_out * price[1]) / MILLION


@pytest.fixture(scope="module")
def war():
    done = bijia("prices", "war", "--json", conf=WAR)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_shipped_war_is_understood():
    done = bijia("check", WAR)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 44 models, 44 priced" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_each_day_of_the_war_costs_what_the_facts_say(war, kind):
    assert [d["day"] for d in war["days"]] == [day.isoformat() for day in DAYS]
    for day, told in zip(DAYS, war["days"]):
        costs = {offer: c for offer in FACTS if (c := thousand(offer, day, kind)) is not None}
        told = told["costs"][kind]
        assert Decimal(told["cheapest"]["amount"]) == min(costs.values()), (day, kind)
        assert Decimal(told["cheapest_paid"]["amount"]) == min(c for c in costs.values() if c), (day, kind)
        assert Decimal(told["dearest"]["amount"]) == max(costs.values()), (day, kind)
        assert costs[told["cheapest"]["offer"]] == min(costs.values())
        assert told["cheapest"]["equal"] == list(costs.values()).count(min(costs.values())) - 1
        for name, cost in told["vendors"].items():
            own = [c for offer, c in costs.items() if offer.startswith(f"{name}/")]
            assert (cost and Decimal(cost["amount"])) == (min(own) if own else None), (day, kind, name)


def test_each_change_of_the_war_is_told_on_its_day(war):
    for day, told in zip(DAYS, war["days"]):
        before = day - dt.timedelta(days=1)
        changed = {o for o in FACTS if fact(o, before) != fact(o, day)}
        assert {c["offer"] for c in told["changes"]} == changed, day
        for c in told["changes"]:
            for word, when in (("before", before), ("after", day)):
                price, known = c[word], fact(c["offer"], when)
                assert (price is None) == (known is None)
                if price:
                    rate = USD if price["currency"] == "USD" else 1
                    assert (Decimal(price["input"]) * rate, Decimal(price["output"]) * rate) == known
    whats = {c["offer"]: c["what"] for d in war["days"] for c in d["changes"]}
    assert whats["zhipu/glm-3-turbo"] == "cut" and whats["baidu/ernie-speed"] == "made free"
    assert whats["deepseek/deepseek-chat"] == "first known" and whats["tencent/hunyuan-lite"] == "first known, free"


def test_the_war_is_printed_day_by_day_and_drawn():
    done = bijia("prices", "war", conf=WAR)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert sum(line.startswith("2024-05-21") for line in lines) == 4, "the changes, and each kind of request"
    assert any(line.startswith("2024-05-11  zhipu/glm-3-turbo ") and " 5.00/5.00 " in line for line in lines)
    svg = subprocess.run(["python3", os.path.join(ROOT, "tests/war_picture.py")], text=True, capture_output=True,
                         input=bijia("prices", "war", "--json", conf=WAR).stdout, timeout=30)
    with open(os.path.join(WAR, "war.svg")) as f:
        assert svg.stdout == f.read(), "the picture that is shown is the one of these prices"


def test_a_day_that_is_none_is_refused():
    assert bijia("prices", "war", "--from", "2024-05-06T01:00:00Z", conf=WAR).returncode == 2
    assert bijia("prices", "war", "--to", "2024-05-01", conf=WAR).returncode == 2
    assert bijia("prices", "war", "--currency", "EUR", conf=WAR).returncode == 2
