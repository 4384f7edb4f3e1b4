"""Budgets warn once: in the log, in the metrics, and at a webhook that may be down for a while."""
import http.server
import json
import threading

import pytest

from market import wait_until
from test_budget import MODEL, with_budgets


class Hook:
    """A webhook: answers with the statuses it was given, then 204; keeps what it was sent."""

    def __init__(self):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.posts.append((self.path, dict(self.headers), body))
                self.send_response(hook.statuses.pop(0) if hook.statuses else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words):
                pass
        self.posts, self.statuses = [], []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/hooks/T0/secret-of-the-hook" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self):
        return [json.loads(body) for _, _, body in self.posts]


@pytest.fixture
def hook():
    one = Hook()
    yield one
    one.server.shutdown()
    one.server.server_close()


def with_hook(hook, *budgets):
    def edit(proxy):
        with_budgets(*budgets)(proxy)
        proxy.write("policy.yaml", proxy.read("policy.yaml") + "\nwebhook: {env: BUDGET_HOOK}\n")
    return {"edit": edit, "environment": {"BUDGET_HOOK": hook.url}}


def ask(proxy):
    return proxy.chat(model=MODEL, max_tokens=20).status


def fill(proxy):
    while ask(proxy) == 200:
        pass


def lines(proxy, word):
    return [line for line in proxy.stderr().splitlines() if "event=" + word in line]


@pytest.mark.threads
def test_each_fraction_is_told_once_over_failures_and_restarts(start, sim, hook):
    hook.statuses += [503, 429]
    budget = "{amount: 0.004, per: day, warn: [0.1, 0.5, 1]}"
    proxy = start(**with_hook(hook, budget))
    fill(proxy)
    wait_until(lambda: len(lines(proxy, "webhook")) == 2, "both to be sent", timeout_s=30)
    assert [t["fraction"] for t in hook.told()].count("1.00") == 0
    first, second = ([t for t in hook.told() if t["fraction"] == f] for f in ("0.10", "0.50"))
    assert len(first) + len(second) == 4 and first and second
    for same in (first, second):
        assert all(t == same[0] for t in same)              # tried again, it is the same one
    told = first[0]
    assert told["event"] == "budget_warning" and told["team"] == "demo" and told["each"] == "team"
    assert told["per"] == "day" and told["who"] is None and told["since"].endswith("16:00:00.000Z")
    assert told["amount"] == "0.004" and 0.0004 <= float(told["spent"]) < 0.004
    assert told["text"].startswith("Team demo has spent CNY 0.00")
    assert all(head["Content-Type"] == "application/json" for _, head, _ in hook.posts)
    metrics = proxy.run("admin", "metrics").stdout
    assert 'bijia_budget_warnings_total{team="demo",each="team",per="day",fraction="0.50"} 1\n' in metrics
    labels = '{team="demo",per="day",zone="Asia/Shanghai",currency="CNY"} '
    assert "bijia_budget_amount%s0.004\n" % labels in metrics
    assert 0.002 <= float(metrics.split("bijia_budget_spent" + labels)[1].split("\n")[0]) < 0.004
    assert 'bijia_webhook_posts_total{result="sent"} 2\n' in metrics
    assert len(lines(proxy, "budget ")) == 2
    before = len(hook.posts)
    proxy.stop()
    proxy.start()
    ask(proxy)
    proxy.replace("policy.yaml", budget, "{amount: 0.008, per: day, warn: [0.1, 0.5, 1]}")
    proxy.reload()          # twice as much: its halves are told already, all of it is not
    wait_until(lambda: ask(proxy) == 200, "the new amount")
    fill(proxy)
    proxy.stop()
    assert len(hook.posts) == before
    assert len(lines(proxy, "budget ")) == 2
    text = proxy.stderr() + json.dumps(hook.told())
    assert "secret-of-the-hook" not in text and proxy.key not in text


def test_one_that_a_crash_kept_back_is_told_after_it(start, sim, hook):
    how = with_hook(hook, "{amount: 1, per: total, each: key, warn: [0.00001]}")
    how["environment"]["BIJIA_FAILPOINT"] = "settled:1"
    proxy = start(**how)
    with pytest.raises(OSError):
        ask(proxy)
    proxy.kill()
    assert hook.posts == []
    del proxy.environment["BIJIA_FAILPOINT"]
    for _ in range(2):
        proxy.start()
        assert ask(proxy) == 200
        wait_until(lambda: hook.posts, "the warning")
        proxy.stop()
    assert len(hook.posts) == 1
    told = hook.told()[0]
    assert told["each"] == "key" and told["who"] == proxy.key.split("_")[1] and told["per"] == "total"
    assert told["since"] is None


def test_a_webhook_that_wants_none_is_left_alone(start, sim, hook):
    hook.statuses += [404]
    proxy = start(**with_hook(hook, "{amount: 1, per: day, warn: [0.00001]}"))
    assert ask(proxy) == 200
    wait_until(lambda: lines(proxy, "webhook"), "its end")
    assert "result=given_up" in lines(proxy, "webhook")[0] and "status=404" in lines(proxy, "webhook")[0]
    assert len(hook.posts) == 1
