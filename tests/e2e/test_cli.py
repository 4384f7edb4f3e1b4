"""check, explain and keys, as one types them, on the configuration that is shipped."""
import json
import os
import re
import shutil
import stat
import subprocess
from decimal import Decimal

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("BIJIA_BIN", os.path.join(ROOT, "build/dev/proxy/bijia")))
SHIPPED = ("bijia.yaml", "vendors.yaml", "prices.yaml", "policy.yaml")
HELLO = {"model": "chat", "messages": [{"role": "user", "content": "你好, please say hello"}]}


@pytest.fixture
def conf(tmp_path):
    for name in SHIPPED:
        shutil.copy(os.path.join(ROOT, "conf", name), tmp_path / name)
    return tmp_path


def bijia(*words, conf=None, stdin="", env=None, cwd=None):
    """Runs without any of the caller's keys in the environment."""
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and k != "BIJIA_CONF"}
    words = [BINARY, *words] + (["--conf", str(conf)] if conf else [])
    return subprocess.run(words, input=stdin, text=True, capture_output=True, timeout=30,
                          env={**clean, **(env or {})}, cwd=cwd)


def explain(conf, *words, request=HELLO, env=None):
    done = bijia("explain", "--json", *words, conf=conf, stdin=json.dumps(request), env=env)
    return json.loads(done.stdout)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# every command


@pytest.mark.parametrize("command", ["serve", "check", "explain", "keys"])
def test_each_command_tells_its_options(command):
    done = bijia(command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"bijia {command} ")
    assert "--conf DIR" in done.stdout and "--help" in done.stdout


def test_the_program_tells_its_commands_and_its_version():
    assert all(f"bijia {name} " in bijia("--help").stdout for name in ("check", "explain", "keys"))
    assert re.fullmatch(r"bijia \d+\.\d+\.\d+\n", bijia("--version").stdout)
    done = bijia("chekc")
    assert done.returncode == 2 and 'no command "chekc"' in done.stderr


@pytest.mark.parametrize("words, told", [
    (["check", "--refrence"], 'no option "--refrence"'),
    (["check", "a", "b"], 'one word too many: "b"'),
    (["explain", "--team"], "--team wants a value"),
    (["explain", "--json=1"], "--json takes no value"),
    (["explain", "--at", "noon"], "--at wants an instant"),
    (["keys"], "new, list, rotate or revoke?"),
    (["keys", "burn"], "new, list, rotate or revoke?"),
])
def test_a_wrong_call_is_told_how_it_goes(words, told):
    done = bijia(*words)
    assert done.returncode == 2
    assert told in done.stderr and f"usage: bijia {words[0]} " in done.stderr


# the directory


def test_the_directory_is_the_option_the_variable_or_the_one_below(conf, tmp_path):
    below = tmp_path / "here"
    below.mkdir()
    shutil.copytree(conf, below / "conf", ignore=shutil.ignore_patterns("here"))
    assert bijia("check", cwd=below).stdout.startswith("conf: ")
    assert bijia("check", env={"BIJIA_CONF": str(conf)}, cwd=below).stdout.startswith(f"{conf}: ")
    assert bijia("check", str(conf), cwd=below).stdout.startswith(f"{conf}: ")
    assert bijia("check", "--conf", str(conf), env={"BIJIA_CONF": "/nowhere"}).returncode == 0
    assert bijia("check", f"--conf={conf}").returncode == 0
    assert "/etc/bijia" in bijia("check", cwd=below / "conf").stderr


# check


def test_the_shipped_configuration_has_no_errors():
    done = bijia("check", os.path.join(ROOT, "conf"))
    assert done.returncode == 0
    # prices grow old, and a year's holidays are published late in the one before: that alone may be said
    warnings = [line for line in done.stderr.splitlines() if re.search(r":\d+:\d+: ", line)]
    assert all("were read more than" in line or re.search(r"has no day in \d+, which begins within", line)
               for line in warnings), done.stderr
    assert re.search(r"\d+ vendors, 0 of them ready; \d+ models, \d+ priced;", done.stdout)
    assert "deepseek ($DEEPSEEK_API_KEY)" in done.stdout


def test_a_vendor_with_a_key_is_ready(conf):
    done = bijia("check", str(conf), env={"DEEPSEEK_API_KEY": "sk-canary-1,sk-canary-2"})
    assert " 1 of them ready" in done.stdout and "DEEPSEEK" not in done.stdout
    assert "canary" not in done.stdout + done.stderr


def test_all_complaints_are_told_with_line_and_caret(conf):
    edit(conf / "policy.yaml", "    - deepseek/deepseek-flash\n", "    - deepseek/deepseek-flush\n")
    edit(conf / "vendors.yaml", "quirks: [max_tokens,", "quirks: [max_tokns,")
    done = bijia("check", str(conf))
    assert done.returncode == 1 and done.stdout == ""
    assert re.search(r'policy\.yaml:\d+:7: error: no vendor sells "deepseek/deepseek-flush"; did you mean '
                     r'"deepseek/deepseek-flash"\?\n    - deepseek/deepseek-flush\n      \^\n', done.stderr)
    assert 'no quirk is called "max_tokns"; did you mean "max_tokens"?' in done.stderr
    assert "2 errors" in done.stderr


def test_a_key_file_open_to_others_stops_it_with_the_remedy(conf):
    (conf / "secret").write_text("sk-canary\n")
    edit(conf / "vendors.yaml", "keys: [{env: DEEPSEEK_API_KEY}]", "keys: [{file: secret}]")
    os.chmod(conf / "secret", 0o644)
    done = bijia("check", str(conf))
    assert done.returncode == 1
    assert f"chmod 600 {conf}/secret" in done.stderr and "canary" not in done.stderr
    os.chmod(conf / "secret", 0o600)
    done = bijia("check", str(conf))
    assert done.returncode == 0 and " 1 of them ready" in done.stdout


def test_the_reference_names_every_word_quirk_and_tokenizer():
    text = bijia("check", "--reference").stdout
    for word in ("listen", "pepper_file", "cached_input", "price_cap", "exchange_rates",
                 "no_developer_role", "deepseek", "openai"):
        assert word in text


# explain


def test_explain_orders_by_cost_and_says_why_others_are_out(conf):
    told = explain(conf, env={"DEEPSEEK_API_KEY": "a", "OPENAI_API_KEY": "b"})
    listed = [o for o in told["offers"] if o["why"] == "listed"]
    assert told["listed"] == len(listed) == 2
    assert [o["rank"] for o in listed] == [1, 2]
    costs = [Decimal(o["compared"]["amount"]) for o in listed]
    assert costs == sorted(costs) and costs[0] > 0
    assert {o["compared"]["currency"] for o in listed} == {"CNY"}
    assert {o["cost"]["currency"] for o in listed} == {"CNY", "USD"}
    for other in told["offers"][2:]:
        assert other["why"] == "no_key" and "rank" not in other and other["why_help"]


def test_explained_costs_add_up(conf):
    for offer in explain(conf, "--assume-keys")["offers"]:
        parts = sum(Decimal(p) for p in offer["cost"]["parts"].values())
        assert abs(parts - Decimal(offer["cost"]["amount"])) <= Decimal("2e-9")


def test_explain_goes_by_the_prices_of_the_instant(conf):
    edit(conf / "prices.yaml", "prices:\n", "prices:\n  test-vendor:\n    test-model:\n"
         "      - {from: 2026-01-01T00:00:00Z, until: 2026-02-01T00:00:00Z, input: 2, output: 2}\n"
         "      - {input: 1, output: 1}\n")
    edit(conf / "vendors.yaml", "\nvendors:\n", "\nvendors:\n  test-vendor:\n    base_url: http://127.0.0.1:1\n"
         "    currency: CNY\n    auth: none\n    models: {test-model: {}}\n")

    def cost(at):
        told = explain(conf, "--at", at, request={**HELLO, "model": "test-model"})
        assert told["at"] == at
        return Decimal(told["offers"][0]["cost"]["amount"])
    assert cost("2026-01-15T00:00:00.000Z") == 2 * cost("2025-12-31T23:59:59.999Z")
    assert cost("2026-02-01T00:00:00.000Z") == cost("2025-12-31T23:59:59.999Z")


def test_explain_knows_the_teams_rules(conf):
    (conf / "policy.yaml").write_text("currency: CNY\nteams:\n  narrow: {vendors: {allow: [deepseek]}}\n"
                                      "aliases: {chat: [deepseek/deepseek-flash, glm/glm-5.3-flash]}\n")
    told = explain(conf, "--assume-keys", "--team", "narrow")
    assert [(o["vendor"], o["why"]) for o in told["offers"]] == [("deepseek", "listed"), ("glm", "team")]
    assert told["team"] == "narrow"
    done = bijia("explain", "--team", "narow", conf=conf, stdin=json.dumps(HELLO))
    assert done.returncode == 1 and 'no team "narow"; did you mean "narrow"?' in done.stderr


def test_the_table_shows_the_same(conf):
    told = explain(conf, "--assume-keys")
    done = bijia("explain", "--assume-keys", conf=conf, stdin=json.dumps(HELLO))
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].startswith("chat for anybody at ")
    for rank, offer in enumerate(told["offers"], 1):
        line = lines[rank + 2]
        assert line.split()[:2] == [str(rank), f"{offer['vendor']}/{offer['model']}"]
        assert f"{offer['cost']['currency']} {offer['cost']['amount']}" in line
    without = bijia("explain", conf=conf, stdin=json.dumps(HELLO))
    assert without.returncode == 1 and "no_key" in without.stdout


@pytest.mark.parametrize("request_text, told", [
    ("{", "the request is none"),
    ('{"model": "chat"}', "messages"),
    ('{"model": 5, "messages": []}', "model"),
    ('{"model": "nonesuch", "messages": [{"role": "user", "content": "x"}]}', '"nonesuch"'),
])
def test_what_is_no_request_is_told(conf, request_text, told):
    done = bijia("explain", "--assume-keys", conf=conf, stdin=request_text)
    assert done.returncode == 1 and told in done.stderr and done.stdout == ""


# keys


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_key_is_printed_once_and_only_its_digest_is_kept(conf):
    done = bijia("keys", "new", "demo", "--name", 'Ann "the" \\ 安', conf=conf)
    key = done.stdout.strip()
    assert done.returncode == 0
    assert re.fullmatch(r"bj_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}\n", done.stdout)
    assert key not in done.stderr
    stored = (conf / "keys.yaml").read_text()
    secret = key.split("_")[2]
    assert key.split("_")[1] in stored and secret not in stored and secret[:43] not in stored
    assert mode(conf / "keys.yaml") == 0o600
    peppers = [p for p in conf.rglob("pepper")]
    assert len(peppers) == 1 and mode(peppers[0]) == 0o600 and len(peppers[0].read_text().strip()) == 64
    listed = bijia("keys", "list", conf=conf).stdout
    assert 'Ann "the" \\ 安' in listed and "demo" in listed and key not in listed
    assert "1 keys" in bijia("check", str(conf)).stdout


def test_keys_pile_up_and_go_one_by_one(conf):
    ids = [bijia("keys", "new", "demo", conf=conf).stdout.split("_")[1] for _ in range(3)]
    assert len(set(ids)) == 3
    assert bijia("keys", "revoke", ids[1], conf=conf).returncode == 0
    listed = [line.split()[0] for line in bijia("keys", "list", conf=conf).stdout.splitlines()[1:]]
    assert listed == [ids[0], ids[2]]
    done = bijia("keys", "revoke", ids[1], conf=conf)
    assert done.returncode == 1 and "there is no key with the id" in done.stderr
    for one in (ids[0], ids[2]):
        assert bijia("keys", "revoke", one, conf=conf).returncode == 0
    assert "0 keys" in bijia("check", str(conf)).stdout
    assert not [p for p in conf.iterdir() if ".new-" in p.name]


def test_keys_made_at_once_are_all_kept(conf):
    bijia("keys", "new", "demo", conf=conf)
    clean = {k: v for k, v in os.environ.items() if k != "BIJIA_CONF"}
    running = [subprocess.Popen([BINARY, "keys", "new", "demo", "--conf", str(conf)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=clean) for _ in range(8)]
    assert all(p.wait(30) == 0 for p in running)
    assert "9 keys" in bijia("check", str(conf)).stdout


def test_no_key_without_a_team(conf):
    done = bijia("keys", "new", "dem", conf=conf)
    assert done.returncode == 1 and done.stdout == ""
    assert 'no team "dem"; did you mean "demo"?' in done.stderr
    assert not (conf / "keys.yaml").exists()
    assert bijia("keys", "new", conf=conf).returncode == 2
    assert bijia("keys", "new", "demo", "--name", "two\nlines", conf=conf).returncode == 2


def test_a_lost_or_open_pepper_stops_it_and_is_not_replaced(conf):
    bijia("keys", "new", "demo", conf=conf)
    pepper = next(conf.rglob("pepper"))
    text = pepper.read_text()
    pepper.unlink()
    for command in (["check", str(conf)], ["keys", "new", "demo", "--conf", str(conf)]):
        done = bijia(*command)
        assert done.returncode == 1 and "does not exist" in done.stderr
    assert not pepper.exists()
    pepper.write_text(text)
    os.chmod(pepper, 0o644)
    assert f"chmod 600 {pepper}" in bijia("check", str(conf)).stderr
    os.chmod(pepper, 0o600)
    assert bijia("check", str(conf)).returncode == 0
