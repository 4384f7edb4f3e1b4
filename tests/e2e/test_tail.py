"""`bijia tail`: the routing log as people read it, while it grows, is rotated, cut, damaged."""
import json
import os
import pty
import re
import select
import subprocess
import time

import pytest

from market import ROOT, wait_until

BINARY = os.environ.get("BIJIA_BIN", os.path.join(ROOT, "build/dev/proxy/bijia"))


def line(n, **other):
    """A line of the routing log, number n."""
    full = {
        "at": "2026-11-22T09:00:%02d.123Z" % (n % 60), "id": "%032x" % n, "team": "demo", "key": "k1", "asked": "chat",
        "stream": True, "status": 200, "vendor": "deepseek", "model": "deepseek-flash",
        "attempts": [{"id": "%032x" % (n + 1000), "vendor": "deepseek", "model": "deepseek-flash", "status": 200,
                      "fault": "none", "first_byte_ms": 195, "total_ms": 1819,
                      "cost": {"amount": "0.000031", "currency": "CNY"}}],
        "tokens": {"estimated_input": 12, "expected_output": 300, "input": 11, "cached": 4, "cache_write": 0,
                   "output": 5, "thinking": 0, "estimated": False},
        "expected_cost": {"amount": "0.000123", "currency": "CNY"},
        "cost": {"amount": "0.000031", "currency": "CNY"},
        "runner_up": {"vendor": "qwen", "model": "qwen3.5-flash", "cost": {"amount": "0.0000475", "currency": "CNY"}},
        "first_byte_ms": 210, "total_ms": 1834, "fault": "none", "others": []}
    full.update(other)
    return json.dumps(full, ensure_ascii=False, separators=(",", ":")) + "\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "routing.jsonl"


def tail(log, *arguments, status=0):
    done = subprocess.run([BINARY, "tail", str(log), "--no-follow", *arguments], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == status, done.stderr
    return done.stdout.splitlines()


class Following:
    """A tail that follows; its output so far in `lines`."""

    def __init__(self, log, *arguments):
        self.process = subprocess.Popen([BINARY, "tail", str(log), "--json", *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.communicate(timeout=10)

    @property
    def numbers(self):
        self.bytes += self.process.stdout.read() or b""
        return [int(json.loads(text)["id"], 16) for text in self.bytes.splitlines(True) if text.endswith(b"\n")]

    def wait(self, *numbers):
        wait_until(lambda: self.numbers == list(numbers), "lines %s, not %s" % (numbers, self.numbers))


def append(log, text):
    with open(log, "a", encoding="utf-8") as file:
        file.write(text)


def test_the_last_ten_stand_in_columns(log):
    log.write_text("".join(line(n) for n in range(1, 26)))
    head, *rows = tail(log)
    assert len(rows) == 10
    assert head.split()[:4] == ["time", "(UTC)", "id", "team"]
    assert rows[0].split() == [
        "09:00:16.123", "00000010", "demo", "chat", "->", "deepseek/deepseek-flash", "200", "11(4)/5", "CNY",
        "0.000031", "0.000123", "210ms/1.83s", "0.0000165"]
    assert len({row.index("200") for row in rows}) == 1
    assert head.index("status") == rows[0].index("200")
    assert not any(row.endswith(" ") for row in rows)


def test_what_failed_on_the_way_is_told(log):
    attempts = [{"id": "1", "vendor": "qwen", "model": "qwen3.5-flash", "status": 429, "fault": "rate_limited",
                 "first_byte_ms": 12, "total_ms": 15}]
    log.write_text(line(1, attempts=attempts + json.loads(line(1))["attempts"]) +
                   line(2, fault="client_gone", tokens={"input": 7, "cached": 0, "output": 3, "estimated": True}) +
                   line(3, status=401, team=None, key=None, vendor=None, model=None, attempts=[], runner_up=None,
                        tokens={"estimated_input": 0, "expected_output": 0}, first_byte_ms=None, asked=""))
    _, failed, gone, refused = tail(log)
    assert failed.endswith("  qwen/qwen3.5-flash rate_limited 15ms")
    assert gone.endswith("  client_gone") and " ~7/3 " in gone
    assert re.search(r"\s-\s+none\s+401\s+-\s", refused)


def test_wide_characters_keep_the_columns(log):
    log.write_text(line(1, team="研发部") + line(2, team="demo") + line(3, team="ことば"))
    _, *rows = tail(log)
    wide = [row.split("chat ->")[0] for row in rows]
    assert [len(text) + sum(c > "\u1100" for c in text) for text in wide] == [len(wide[1])] * 3


def test_nothing_in_a_line_reaches_the_terminal_as_an_order(log):
    log.write_text(line(1, asked="\x1b[2J\u202e\x9b31m\x07\nfake") + '{"at": \x1b[2J\n')
    with open(log, "ab") as file:
        file.write(b"\xff\xfe\x1b]0;title\x07\n")
    text = "\n".join(tail(log))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "?[2J??31m??fake -> deepseek/deepseek-flash" in text


def test_a_damaged_line_is_shown_and_passed_over(log):
    log.write_text(line(1) + '{"at":"2026-11-\n' + "[]\n" + '"text"\n' + "x" * 200000 + "\n" + line(2) + "\n")
    rows = tail(log)
    assert [row.startswith("damaged line: ") for row in rows[1:]] == [False, True, True, True, True, False]
    assert max(map(len, rows)) < 200
    assert [json.loads(row)["id"] for row in tail(log, "--json")] == ["%032x" % 1, "%032x" % 2]


@pytest.mark.parametrize("arguments, numbers", [
    (["--team", "demo"], [1, 2, 4]),
    (["--team", "nobody"], []),
    (["--vendor", "deepseek"], [1, 2, 3]),
    (["--vendor", "qwen"], [2, 4]),
    (["--status", "200"], [1, 2, 3]),
    (["--status", "4xx"], [4]),
    (["--status", "error"], [4]),
    (["--model", "chat"], [1, 2, 4]),
    (["--model", "qwen3.5-flash"], [4]),
    (["--model", "qwen/qwen3.5-flash"], [4]),
    (["--model", "deepseek/qwen3.5-flash"], []),
    (["--team", "demo", "--status", "2xx", "-n", "1"], [2]),
    (["-n", "0"], []),
    (["-n", "2"], [3, 4]),
])
def test_filters_choose(log, arguments, numbers):
    tried = [{"id": "1", "vendor": "qwen", "model": "qwen3.5-flash", "status": 429, "fault": "rate_limited",
              "first_byte_ms": 12, "total_ms": 15}]
    log.write_text(line(1) + line(2, attempts=tried) + line(3, team="other", asked="fast") +
                   line(4, status=429, vendor="qwen", model="qwen3.5-flash", attempts=tried))
    assert [int(json.loads(row)["id"], 16) for row in tail(log, "--json", *arguments)] == numbers


def test_json_gives_the_lines_as_they_are(log):
    text = line(1, unknown={"x": 9223372036854775807}).replace('"total_ms":1834', '"total_ms":1.834e3')
    log.write_text(text)
    assert tail(log, "--json") == [text.rstrip("\n")]


def test_the_last_that_pass_are_found_far_back(log):
    with open(log, "w", encoding="utf-8") as file:
        for n in range(1, 4001):
            file.write(line(n, team="rare" if n in (3, 5, 7) else "demo"))
    assert log.stat().st_size > 2 << 20
    rows = tail(log, "--json", "--team", "rare", "-n", "2")
    assert [int(json.loads(row)["id"], 16) for row in rows] == [5, 7]


def test_a_line_that_is_not_finished_is_waited_for(log):
    log.write_text(line(1) + line(2)[:100])
    with Following(log) as following:
        following.wait(1)
        append(log, line(2)[100:])
        following.wait(1, 2)
    log.write_text(line(1) + line(2)[:-1])
    assert len(tail(log, "--json")) == 2


def test_following_survives_rotation_truncation_and_a_missing_file(log):
    with Following(log) as following:
        time.sleep(0.3)
        append(log, line(1))
        following.wait(1)
        log.rename(str(log) + ".1")
        append(str(log) + ".1", line(2))  # the writer has not noticed yet
        following.wait(1, 2)
        log.write_text("")
        time.sleep(0.3)
        append(str(log) + ".1", line(3))
        following.wait(1, 2, 3)
        append(log, line(4))
        following.wait(1, 2, 3, 4)
        with open(log, "r+", encoding="utf-8") as file:
            file.truncate(0)
        time.sleep(0.3)
        append(log, line(5))
        following.wait(1, 2, 3, 4, 5)


def test_following_filters_too(log):
    log.write_text(line(1) + line(2, team="other"))
    with Following(log, "--team", "other") as following:
        following.wait(2)
        append(log, line(3) + line(4, team="other") + line(5))
        following.wait(2, 4)


def on_a_terminal(log, **environment):
    ours, theirs = pty.openpty()
    done = subprocess.run([BINARY, "tail", str(log), "--no-follow"], stdout=theirs, timeout=30,
                          env={**os.environ, "TERM": "xterm", **environment})
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], 1)[0]:
        try:
            text += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    assert done.returncode == 0
    return text


def test_colours_are_for_terminals_that_want_them(log):
    log.write_text(line(1))
    assert b"\x1b[32m200\x1b[0m" in on_a_terminal(log, NO_COLOR="")
    assert b"\x1b" not in on_a_terminal(log, NO_COLOR="1")
    assert b"\x1b" not in on_a_terminal(log, TERM="dumb")
    assert "\x1b" not in "\n".join(tail(log))


@pytest.mark.parametrize("arguments, complaint", [
    (["-n", "many"], "-n wants a number"),
    (["-n", "-1"], "-n wants a number"),
    (["--status", "fine"], "--status wants"),
    (["--color"], "no option"),
])
def test_a_wrong_call_is_told(log, arguments, complaint):
    log.write_text(line(1))
    done = subprocess.run([BINARY, "tail", str(log), *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_a_log_that_is_not_there_is_told(log):
    tail(log, status=1)


def test_the_running_proxy_is_shown_by_its_configuration(proxy):
    answers = {200: proxy.chat("hello"), 404: proxy.chat("hello", model="no-such-model")}
    ids = {status: answer.headers["x-bijia-request-id"] for status, answer in answers.items()}
    assert {status: answer.status for status, answer in answers.items()} == {200: 200, 404: 404}
    wait_until(lambda: set(ids.values()) <= {one["id"] for one in proxy.routing_log()}, "both lines")
    shown = {row.split()[1]: row for row in proxy.run("tail", "--no-follow").stdout.splitlines()[1:]}
    assert re.search(r" demo +chat -> \S+/\S+ +200 +\d+\S*/\d+ +CNY 0\.\d+ ", shown[ids[200][-8:]])
    assert re.search(r" demo +no-such-model -> none +404 ", shown[ids[404][-8:]])
    raw = proxy.run("tail", "--no-follow", "--json", "-n", "2").stdout.splitlines()
    assert [json.loads(text) for text in raw] == proxy.routing_log()[-2:]
