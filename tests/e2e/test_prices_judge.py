"""Another judge of prices: plain Decimal arithmetic and zoneinfo over the same price book.

Books are made at random, with every rule there is; then every edge of every rule and thousands of
cases between them are priced twice, here and by the price function, and compared to the last nano.
"""
import datetime
import os
import pathlib
import random
import subprocess
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("BIJIA_BUILD", ROOT / "build" / "dev")) / "tests" / "price_tool"
UTC = datetime.timezone.utc
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ZONES = ("Asia/Shanghai", "America/New_York", "Europe/London", "UTC", "+05:30", "Australia/Lord_Howe")
TIERS = ("standard", "flex", "priority", "fast", "scale", "batch")
PARTS = ("input", "cached", "cache_write", "cache_write_1h", "output", "thinking", "storage", "fee")
RATES = ("input", "cached_input", "cache_write", "cache_write_1h", "output", "thinking_output",
         "cache_storage")
SCALE = {"1K": 1000, "10K": 100, "1M": 1}


# --- the judge ---------------------------------------------------------------

def zone_of(name):
    if name[0] in "+-":
        sign = 1 if name[0] == "+" else -1
        return datetime.timezone(sign * datetime.timedelta(hours=int(name[1:3]), minutes=int(name[4:6])))
    return ZoneInfo(name)


def minutes(clock):
    return int(clock[:2]) * 60 + int(clock[3:])


def window_holds(window, calendars, at_ms):
    at = datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(milliseconds=at_ms)
    local = at.astimezone(zone_of(window["zone"]))
    clock = (local.hour * 60 + local.minute) * 60000 + local.second * 1000 + local.microsecond // 1000

    def counts(day):
        if DAYS[day.weekday()] not in window["days"]:
            return False
        if window.get("except_calendar") and day in calendars[window["except_calendar"]]:
            return False
        return not (window.get("only_calendar") and day not in calendars[window["only_calendar"]])
    today = local.date()
    for begin, end in window["hours"]:
        begin, end = minutes(begin) * 60000, minutes(end) * 60000
        if end > begin:
            if begin <= clock < end and counts(today):
                return True
        elif (clock >= begin and counts(today)) or \
                (clock < end and counts(today - datetime.timedelta(days=1))):
            return True
    return False


def row_holds(row, book, case):
    prompt, answer = case["input"], case["output"]
    thinks = case["thinks"] or case["thinking"] > 0
    return not (
        ("from" in row and case["at"] < row["from"]) or ("until" in row and case["at"] >= row["until"])
        or ("input_at_most" in row and prompt > row["input_at_most"])
        or ("input_below" in row and prompt >= row["input_below"])
        or ("output_at_most" in row and answer > row["output_at_most"])
        or ("output_below" in row and answer >= row["output_below"])
        or ("thinking" in row and (row["thinking"] == "yes") != bool(thinks))
        or ("when" in row and not window_holds(book["windows"][row["when"]], book["calendars"], case["at"])))


def nanos(amount):
    return int((amount * 10**9).quantize(Decimal(1), ROUND_HALF_UP))


def judge(model, book, case):
    """(line, currency, total, covered by the quota, parts), or None: no price."""
    for row in model["rows"]:
        if row.get("currency", "CNY") == model["currency"] and row_holds(row, book, case):
            break
    else:
        return None
    price = {word: Decimal(row[word]) * SCALE[row.get("per", "1M")] for word in RATES if word in row}
    price.setdefault("cached_input", price["input"])
    price.setdefault("cache_write", price["input"])
    price.setdefault("cache_write_1h", price["cache_write"])
    price.setdefault("thinking_output", price["output"])
    written = case["write"]
    pay = [  # in the order of processing
        ["cached", case["cached"], "cached_input"],
        ["input", case["input"] - case["cached"] - written, "input"],
        ["cache_write", written - case["write_1h"], "cache_write"],
        ["cache_write_1h", case["write_1h"], "cache_write_1h"],
        ["thinking", case["thinking"], "thinking_output"],
        ["output", case["output"] - case["thinking"], "output"]]
    left = case["quota"]
    for part in pay:
        given = min(part[1], left)
        part[1] -= given
        left -= given
    factor = Decimal(row.get("service_tiers", {}).get(case["tier"], "1"))
    parts = dict.fromkeys(PARTS, 0)
    total = Decimal(0)
    for name, tokens, word in pay:
        total += tokens * price[word]
        parts[name] = nanos(tokens * price[word] * factor / 10**6)
    amount = nanos(total * factor / 10**6)
    if case["stored_ms"] and "cache_storage" in price:
        # not in Decimal: an hour has no exact decimal fraction
        numerator = int(price["cache_storage"] * 10**9) * case["stored"] * case["stored_ms"]
        unit = 3600 * 1000 * 10**6
        parts["storage"] = (numerator + unit // 2) // unit
    parts["fee"] = nanos(Decimal(row.get("fee", "0")))
    return (row["line"], model["currency"], amount + parts["storage"] + parts["fee"],
            case["quota"] - left, [parts[name] for name in PARTS])


# --- books at random ---------------------------------------------------------

def spell(ms):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)).strftime(
        "%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def random_price(rng, per):
    digits = {"1M": rng.choice([0, 1, 2, 3, 4, 6, 9]), "10K": rng.choice([3, 5, 7]),
              "1K": rng.choice([3, 4, 6])}[per]
    most = {"1M": 10**rng.choice([1, 2, 3]), "10K": 1, "1K": 1}[per]
    number = rng.randrange(1, most * 10**digits)
    return format(Decimal(number).scaleb(-digits), "f")


def instant_in_2026(rng):
    return int(datetime.datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000) + rng.randrange(365 * 86400000)


def random_row(rng, windows):
    row = {"per": rng.choice(["1M", "1M", "1M", "10K", "1K"])}
    for word in RATES:
        if word in ("input", "output") or rng.random() < 0.4:
            row[word] = random_price(rng, row["per"])
    if "cached_input" in row and Decimal(row["cached_input"]) > Decimal(row["input"]):
        row["cached_input"] = row["input"]
    for what, edges in (("input", [1024, 32000, 32768, 128000, 200000, 272000]), ("output", [200, 8192])):
        if rng.random() < 0.35:
            row[what + rng.choice(["_at_most", "_below"])] = rng.choice(edges)
    if rng.random() < 0.25:
        row["thinking"] = rng.choice(["yes", "no"])
    if rng.random() < 0.4:
        row["when"] = rng.choice(list(windows))
    if rng.random() < 0.3:
        row["from"] = instant_in_2026(rng)
    if rng.random() < 0.3:
        row["until"] = row.get("from", instant_in_2026(rng)) + rng.randrange(1, 200 * 86400000)
    if rng.random() < 0.3:
        row["fee"] = random_price(rng, "1M")
    if rng.random() < 0.4:
        row["service_tiers"] = {tier: rng.choice(["0.5", "2", "1.1", "0.333333333", "1.25"])
                                for tier in rng.sample(TIERS[1:], 2)}
    if rng.random() < 0.3:
        row["currency"] = rng.choice(["CNY", "USD"])
    return row


def random_window(rng, calendars):
    window = {"zone": rng.choice(ZONES), "days": sorted(rng.sample(DAYS, rng.randrange(1, 8)), key=DAYS.index),
              "hours": [("%02d:%02d" % (rng.randrange(24), rng.choice([0, 30])),
                         rng.choice(["24:00", "%02d:%02d" % (rng.randrange(24), rng.choice([0, 15]))]))
                        for _ in range(rng.randrange(1, 4))]}
    word = rng.choice([None, "except_calendar", "only_calendar", "except_calendar"])
    if word:
        window[word] = rng.choice(list(calendars))
    return window


def random_book(rng):
    calendars = {}
    for name in ("holidays", "market-days"):
        days = set()
        for _ in range(rng.randrange(1, 12)):
            first = datetime.date(2026, 1, 1) + datetime.timedelta(days=rng.randrange(360))
            days |= {first + datetime.timedelta(days=i) for i in range(rng.randrange(1, 8))}
        calendars[name] = days
    windows = {"w%d" % i: random_window(rng, calendars) for i in range(6)}
    models = []
    for i in range(40):
        currency = rng.choice(["CNY", "CNY", "USD"])
        rows = [random_row(rng, windows) for _ in range(rng.randrange(1, 8))]
        if rng.random() < 0.8:
            rows.append({"input": "3", "output": "7.5", "currency": currency})
        if currency not in {row.get("currency", "CNY") for row in rows}:
            rows[0]["currency"] = currency
        models.append({"name": "m%d" % i, "currency": currency, "rows": rows})
    return {"calendars": calendars, "windows": windows, "models": models}


def write_book(book, folder):
    """Writes a configuration; each row learns the line on which it stands."""
    lines = ["calendars:"]
    for name, days in book["calendars"].items():
        lines += ["  %s: {days: [%s]}" % (name, ", ".join(day.isoformat() for day in sorted(days)))]
    lines.append("windows:")
    for name, window in book["windows"].items():
        words = ["zone: \"%s\"" % window["zone"], "days: [%s]" % ", ".join(window["days"]),
                 "hours: [%s]" % ", ".join("%s-%s" % hours for hours in window["hours"])]
        words += ["%s: %s" % (w, window[w]) for w in ("except_calendar", "only_calendar") if w in window]
        lines.append("  %s: {%s}" % (name, ", ".join(words)))
    lines += ["exchange_rates:", "  - {pair: USD/CNY, from: 2020-01-01, rate: 7.1}", "prices:", "  list:"]
    for model in book["models"]:
        lines.append("    %s:" % model["name"])
        for row in model["rows"]:
            words = ["%s: %s" % (word, spell(value) if word in ("from", "until") else
                                 "{%s}" % ", ".join("%s: %s" % pair for pair in value.items())
                                 if word == "service_tiers" else value)
                     for word, value in row.items() if word != "line"]
            lines.append("      - {%s}" % ", ".join(words))
            row["line"] = len(lines)
    vendors = ["vendors:"]
    for currency in ("CNY", "USD"):
        vendors += ["  %s:" % currency.lower(), "    base_url: https://v.example", "    currency: " + currency,
                    "    price_list: list", "    auth: none", "    models:"]
        vendors += ["      %s: {}" % m["name"] for m in book["models"] if m["currency"] == currency]
    files = {"bijia.yaml": "{}\n", "policy.yaml": "currency: CNY\n",
             "prices.yaml": "\n".join(lines) + "\n", "vendors.yaml": "\n".join(vendors) + "\n"}
    for name, text in files.items():
        (folder / name).write_text(text)


# --- cases -------------------------------------------------------------------

def edges_of(model, book, rng):
    """What lies at, before and behind every edge of the model's rules."""
    lengths = {"input": {0, 1, 10**6}, "output": {0, 1, 10**5}}
    instants = {instant_in_2026(rng) for _ in range(3)}
    for row in model["rows"]:
        for word, value in row.items():
            what = word.partition("_")[0]
            if word.endswith(("_at_most", "_below")):
                lengths[what] |= {value - 1, value, value + 1}
            if word in ("from", "until"):
                instants |= {value - 1, value, value + 1}
        if "when" in row:
            instants |= set(window_edges(book["windows"][row["when"]], book["calendars"], rng))
    return lengths, sorted(instants)


def window_edges(window, calendars, rng):
    zone = zone_of(window["zone"])
    days = [datetime.date(2026, 1, 1) + datetime.timedelta(days=rng.randrange(365)) for _ in range(2)]
    days += rng.sample(sorted(calendars["holidays"]), 1)
    days += [datetime.date(2026, 3, 8), datetime.date(2026, 10, 25)]  # clocks change
    for day in days:
        for begin, end in window["hours"]:
            for clock in (begin, end, "00:00"):
                local = datetime.datetime.combine(day, datetime.time()) + \
                    datetime.timedelta(minutes=minutes(clock))
                at = int(local.replace(tzinfo=zone).timestamp() * 1000)
                yield from (at - 1, at, at + 1)


def random_usage(rng, prompt, answer):
    cached = rng.choice([0, 0, prompt, rng.randint(0, prompt)])
    write = rng.choice([0, prompt - cached, rng.randint(0, prompt - cached)])
    return {"input": prompt, "output": answer, "cached": cached, "write": write,
            "write_1h": rng.choice([0, write, rng.randint(0, write)]),
            "thinking": rng.choice([0, 0, answer, rng.randint(0, answer)]),
            "stored": rng.choice([0, 0, rng.randrange(10**7)]), "thinks": rng.randrange(2),
            "tier": rng.choice(TIERS),
            "quota": rng.choice([0, 0, 0, 1, rng.randrange(1, prompt + answer + 2), 10**9])}


def cases_of(model, book, rng, most):
    lengths, instants = edges_of(model, book, rng)
    prompts, answers = sorted(lengths["input"]), sorted(lengths["output"])
    every = [(at, p, a) for at in instants for p in prompts for a in answers]
    if len(every) > most:  # each edge still comes, though not with every other
        every = [(at, rng.choice(prompts), rng.choice(answers)) for at in instants] + \
            [(rng.choice(instants), p, a) for p in prompts for a in answers] + rng.sample(every, most // 2)
    every += [(instant_in_2026(rng), rng.randrange(400000), rng.randrange(20000)) for _ in range(100)]
    for at, prompt, answer in every:
        case = random_usage(rng, prompt, answer)
        case.update(at=at, stored_ms=rng.randrange(10**9) if case["stored"] else 0)
        yield case


def priced_by_tool(folder, asked):
    lines = ["%s %d %d %d %d %d %d %d %d %d %s %d %d" % (
        offer, c["at"], c["input"], c["cached"], c["write"], c["write_1h"], c["output"], c["thinking"],
        c["stored"], c["stored_ms"], c["tier"], c["thinks"], c["quota"]) for offer, c in asked]
    done = subprocess.run([TOOL, str(folder)], input="\n".join(lines) + "\n", text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert len(told) == len(asked)
    for line in told:
        if line == "none":
            yield None
            continue
        words = line.split()
        yield (int(words[0]), words[1], int(words[2]), int(words[3]), [int(w) for w in words[4:]])


@pytest.mark.parametrize("seed", range(8))
def test_the_price_function_agrees_with_the_judge(tmp_path, seed):
    rng = random.Random(seed)
    book = random_book(rng)
    write_book(book, tmp_path)
    asked, wanted = [], []
    for model in book["models"]:
        offer = "%s/%s" % (model["currency"].lower(), model["name"])
        for case in cases_of(model, book, rng, 150):
            asked.append((offer, case))
            wanted.append(judge(model, book, case))
    assert len(asked) > 5000
    unpriced = 0
    for (offer, case), ours, theirs in zip(asked, priced_by_tool(tmp_path, asked), wanted):
        assert ours == theirs, (offer, case)
        unpriced += theirs is None
    assert 0 < unpriced < len(asked) / 2
