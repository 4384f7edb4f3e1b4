"""The cheapest is chosen by what this request would cost, and a reload changes minds at once."""
import json
import os
import subprocess
import threading
import time
from decimal import Decimal

import pytest

from market import ROOT, Proxy, wait_until

pytestmark = pytest.mark.threads


def chosen(proxy, **fields):
    answer = proxy.chat(**fields)
    assert answer.status == 200, answer.body
    return answer.headers["x-bijia-vendor"], answer.headers["x-bijia-model"]


def wait_for(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def explained(proxy, **fields):
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], **fields}
    return json.loads(proxy.run("explain", "--team", "demo", "--json", input=json.dumps(body)).stdout)


def test_explain_and_the_proxy_agree(proxy):
    for fields in ({}, {"content": "x" * 20_000}, {"max_tokens": 5}, {"model": "best"}):
        body = dict(fields)
        content = body.pop("content", "hello")
        told = explained(proxy, messages=[{"role": "user", "content": content}], **body)
        first = next(o for o in told["offers"] if o.get("rank") == 1)
        assert chosen(proxy, content=content, **body)[0] == first["vendor"]
        break  # later requests have learnt what explain does not know


def test_prices_edited_and_reloaded_move_the_next_request_and_not_the_one_in_flight(start, sim):
    proxy = start()
    before = chosen(proxy)
    sim.order(tokens=100, chunk_ms=20)
    slow = {}

    def stream():
        slow["answer"] = proxy.chat(stream=True)
    thread = threading.Thread(target=stream)
    thread.start()
    wait_for(lambda: sim.state()["in_flight"] > 0)
    prices = proxy.read("prices.yaml")
    head, _, rest = prices.partition("  hunyuan:")
    assert rest
    cheap = rest.replace("input: 1,", "input: 0.001,", 1).replace("output: 4,", "output: 0.001,", 1)
    assert cheap != rest
    proxy.write("prices.yaml", head + "  hunyuan:" + cheap)
    proxy.reload()
    wait_for(lambda: "event=reload result=ok" in proxy.stderr())
    sim.clear()
    assert chosen(proxy) == ("hunyuan", "hy3") != before
    thread.join()
    assert slow["answer"].status == 200 and slow["answer"].events()[-1] == "[DONE]"
    assert slow["answer"].headers["x-bijia-vendor"] != "hunyuan"


def test_a_bad_file_leaves_the_running_edition_and_says_where(start):
    proxy = start()
    good = proxy.read("policy.yaml")
    proxy.write("policy.yaml", good.replace("currency: CNY", "currency: shells"))
    proxy.reload()
    wait_for(lambda: "result=refused" in proxy.stderr())
    assert "policy.yaml:" in proxy.stderr() and "shells" in proxy.stderr() and "^" in proxy.stderr()
    assert chosen(proxy)
    proxy.write("policy.yaml", good)
    proxy.reload()
    wait_for(lambda: "result=ok" in proxy.stderr())


class Unread(Proxy):
    """Its stderr is a pipe that nobody reads."""

    def start(self):
        self.log_path = os.devnull          # where stderr() looks
        self.unread, end = os.pipe()
        self.process = subprocess.Popen([self.binary, "serve", self.directory], stdout=end, stderr=end,
                                        env=self.env())
        os.close(end)
        wait_until(self.ready_or_dead, "readyz")


def test_complaints_that_nobody_reads_hold_up_neither_reloads_nor_the_end(sim):
    with Unread(sim) as proxy:
        good = proxy.read("policy.yaml")
        proxy.write("policy.yaml", good.replace("\naliases:\n", "\naliases:\n" + "".join(
            "  x%d: [nobody/no-such-model-%d]\n" % (i, i) for i in range(100)), 1))
        for _ in range(12):             # each has some 9,000 bytes to say; a pipe holds 65,536
            assert proxy.run("admin", "reload", check=False, timeout_s=10).returncode == 1
        proxy.write("policy.yaml", good)
        assert proxy.run("admin", "reload", timeout_s=10).returncode == 0
        assert chosen(proxy)
        assert proxy.stop(10) == 0
        os.close(proxy.unread)


def test_a_new_key_works_after_a_reload_and_a_revoked_one_does_not(start):
    proxy = start()
    old, new = proxy.key, proxy.new_key("demo")
    proxy.key = new
    proxy.reload()
    wait_for(lambda: "result=ok" in proxy.stderr())
    assert proxy.chat().status == 200
    proxy.run("keys", "revoke", old.split("_")[1])
    proxy.reload()
    proxy.key = old
    wait_for(lambda: proxy.chat().status == 401)


def test_a_hundred_reloads_under_load_drop_nothing(start, sim):
    proxy = start()
    failed, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answer = proxy.chat(stream=True)
            if answer.status != 200 or answer.events()[-1] != "[DONE]":
                failed.append(answer)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        proxy.reload()
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []


def test_abilities_move_a_request_to_a_model_that_has_them(proxy, sim):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = proxy.chat([{"type": "text", "text": "what?"}, image])
    assert answer.status == 200
    line = next(n for n in proxy.wait_log(1) if n["id"] == answer.headers["x-bijia-request-id"]) \
        if wait_line(proxy, answer) else None
    assert any(o["why"] == "vision" for o in line["others"])


def wait_line(proxy, answer):
    number = answer.headers["x-bijia-request-id"]
    wait_for(lambda: any(n["id"] == number for n in proxy.routing_log()))
    return True


def test_the_ready_check_and_a_clean_drain(start, sim):
    proxy = start()
    assert proxy.request("GET", "/healthz").status == 200
    assert proxy.request("GET", "/readyz").status == 200
    sim.order(tokens=60, chunk_ms=20)
    slow = {}

    def stream():
        slow["answer"] = proxy.chat(stream=True)
    thread = threading.Thread(target=stream)
    thread.start()
    wait_for(lambda: sim.state()["in_flight"] > 0)
    assert proxy.stop() == 0
    thread.join()
    assert slow["answer"].events()[-1] == "[DONE]"
    assert [r["status"] for r in proxy.ledger("exchange")][-1] == 200


def test_data_stays_in_its_region_and_a_floor_is_kept(start, sim):
    def residents(proxy):
        proxy.replace("policy.yaml", "  demo:\n",
                      "  demo:\n    residency: cn\n    aliases: {pair: [openai/gpt-6-luna, kimi/kimi-k3]}\n")
    proxy = start(edit=residents)
    assert chosen(proxy, model="pair")[0] == "kimi"
    refused = proxy.chat(model="openai/gpt-6-luna")
    assert refused.status == 403 and refused.json()["error"]["code"] == "model_not_allowed"
    assert "region" in refused.json()["error"]["message"]
    assert not sim.bills(vendor="openai")
    listed = {m["id"] for m in proxy.request("GET", "/v1/models").json()["data"]}
    assert "kimi/kimi-k3" in listed and not any(m.startswith("openai/") for m in listed)
    proxy.replace("policy.yaml", "    residency: cn\n", "    floor: {context: 90000000}\n")
    proxy.reload()
    wait_for(lambda: proxy.chat(model="pair").status == 403)
    assert "less than the team wants" in proxy.chat(model="pair").json()["error"]["message"]


def test_an_objective_pays_for_time(start, sim):
    """The cheap one takes half a second; where that is worth more than it saves, the other answers."""
    def hasty(proxy):
        proxy.replace("policy.yaml", "  demo:\n",
                      "  demo:\n    objectives: {fast: {latency: 1 CNY/s}, pair: cheapest}\n    aliases:\n"
                      "      pair: [deepseek/deepseek-flash, kimi/kimi-k3]\n"
                      "      fast: [deepseek/deepseek-flash, kimi/kimi-k3]\n")
    proxy = start(edit=hasty)
    sim.order("deepseek", first_chunk_ms=500)
    for model in ("deepseek/deepseek-flash", "kimi/kimi-k3"):      # latencies are learnt
        assert proxy.chat(model=model, stream=True).status == 200
    assert chosen(proxy, model="pair")[0] == "deepseek"
    assert chosen(proxy, model="fast")[0] == "kimi"


def test_the_vendor_of_ones_own_in_the_readme_works_as_it_is_written(start, sim):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    blocks = text[text.index("A vendor of your own"):].split("```yaml\n")[1:3]
    account, price = (block.split("```")[0] for block in blocks)
    assert "cellar:" in account and "cellar:" in price

    def edit(proxy):
        proxy.write("vendors.yaml", proxy.read("vendors.yaml") + account.replace(
            "http://10.0.0.7:8000", sim.url + "/vllm"))
        proxy.write("prices.yaml", proxy.read("prices.yaml") + price)
    proxy = start(edit=edit)
    assert proxy.run("check").returncode == 0
    answer = proxy.chat(model="llama-3.3-70b")
    assert answer.status == 200 and answer.headers["x-bijia-vendor"] == "cellar"
    tokens = answer.json()["usage"]["total_tokens"]
    assert Decimal(answer.headers["x-bijia-cost"].split()[1]) == tokens * Decimal("0.5") / 10**6
