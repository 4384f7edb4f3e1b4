"""The admin plane: a socket of its own, known by the kernel's word, closed to the public port."""
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import threading
import time

import pytest

from market import wait_until

pytestmark = pytest.mark.threads

MODEL = "deepseek/deepseek-flash"
ROUTES = [("GET", "/v1/status"), ("GET", "/v1/offers"), ("GET", "/v1/vendors"), ("GET", "/v1/teams"),
          ("GET", "/v1/keys"), ("GET", "/metrics"), ("POST", "/v1/offers/disable"),
          ("POST", "/v1/offers/enable"), ("POST", "/v1/keys/new"), ("POST", "/v1/keys/rotate"),
          ("POST", "/v1/keys/revoke"), ("POST", "/v1/reload"), ("POST", "/v1/drain")]


class Local(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("admin")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def ask(proxy, method, path, body=None):
    conn = Local(proxy.path("state", "admin.sock"))
    try:
        conn.request(method, path, None if body is None else json.dumps(body))
        answer = conn.getresponse()
        text = answer.read()
        return answer.status, text if path == "/metrics" else json.loads(text)
    finally:
        conn.close()


def get(proxy, path):
    status, answer = ask(proxy, "GET", path)
    assert status == 200, answer
    return answer


def offer(proxy, name):
    vendor, _, model = name.partition("/")
    return next(o for o in get(proxy, "/v1/offers")["offers"]
                if (o["vendor"], o["model"]) == (vendor, model))


def metric(proxy, wanted):
    for line in get(proxy, "/metrics").decode().splitlines():
        if line.startswith(wanted + " "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


# who may


def test_the_public_port_knows_none_of_its_routes(proxy):
    for method, path in ROUTES:
        answer = proxy.request(method, path, b"{}" if method == "POST" else None)
        assert answer.status == 404, path


def test_the_admin_plane_knows_none_of_the_public_ones(proxy):
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/healthz")):
        assert ask(proxy, method, path, {})[0] == 404


def test_the_socket_is_for_its_owner_alone(proxy):
    mode = os.stat(proxy.path("state", "admin.sock"))
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_even_if_the_file_let_him(start):
    proxy = start()
    for name in ("", "state"):
        os.chmod(proxy.path(name), 0o711)
    os.chmod(proxy.path("state", "admin.sock"), 0o666)
    script = ("import os,socket; os.setuid(12345); s=socket.socket(socket.AF_UNIX); "
              "s.connect(%r); s.sendall(b'GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); "
              "print(s.recv(12).decode())" % proxy.path("state", "admin.sock"))

    def status():
        return subprocess.run(["python3", "-c", script], capture_output=True, text=True).stdout.strip()
    assert status() == "HTTP/1.1 403"
    proxy.write("bijia.yaml", proxy.read("bijia.yaml") + "\nadmin: {users: [12345]}\n")
    assert ask(proxy, "POST", "/v1/reload")[0] == 200
    assert status() == "HTTP/1.1 200"


def test_a_socket_that_was_left_behind_is_no_hindrance(start):
    proxy = start()
    proxy.kill()
    assert os.path.exists(proxy.path("state", "admin.sock"))
    proxy.start()
    assert get(proxy, "/v1/status")["state"] == "serving"
    proxy.stop()
    assert not os.path.exists(proxy.path("state", "admin.sock"))
    done = proxy.run("admin", "status", check=False)
    assert done.returncode == 1 and "is bijia running?" in done.stderr


# what it tells


def test_status_tells_of_the_program(start):
    proxy = start(settings={"workers": "2"})
    conn = socket.create_connection(("127.0.0.1", proxy.port))
    wait_until(lambda: get(proxy, "/v1/status")["connections"] >= 1, "it to be seen")
    status = get(proxy, "/v1/status")
    assert status["state"] == "serving" and status["ledger"] is True
    assert status["workers"] == 2 and status["keys"] == 1
    conn.close()
    told = proxy.run("admin", "status").stdout
    assert re.search(r"^state +serving$", told, re.M)


def test_offers_vendors_and_teams_tell_of_what_is_under_way(start, sim):
    def limited(proxy):
        proxy.replace("policy.yaml", "  demo:\n", "  demo:\n    limits: {rpm: 50}\n")
    proxy = start(edit=limited)
    sim.order("deepseek", latency_ms=1500)
    thread = threading.Thread(target=lambda: proxy.chat(model=MODEL))
    thread.start()
    while not sim.state()["in_flight"]:
        time.sleep(0.01)
    assert offer(proxy, MODEL)["in_flight"] == 1 and offer(proxy, MODEL)["state"] == "ready"
    team = get(proxy, "/v1/teams")["teams"]["demo"]
    assert team["in_flight"] == 1 and team["rpm"]["limit"] == 50 and team["rpm"]["remaining"] == 49
    assert any(float(a["reserved"]) > 0 for a in team["accounts"])
    vendor = next(v for v in get(proxy, "/v1/vendors")["vendors"] if v["vendor"] == "deepseek")
    assert vendor["keys"][0]["in_flight"] == 1 and "sim-" not in json.dumps(vendor)
    thread.join()
    assert offer(proxy, MODEL)["in_flight"] == 0
    team = get(proxy, "/v1/teams")["teams"]["demo"]
    assert team["in_flight"] == 0 and any(float(a["spent"]) > 0 for a in team["accounts"])
    for verb, word in (("offers", "deepseek-flash"), ("vendors", "deepseek"), ("teams", "demo")):
        assert word in proxy.run("admin", verb).stdout


def test_metrics_count_what_happened(start, sim):
    proxy = start(edit=lambda p: p.replace("policy.yaml", "  demo:\n", "  demo:\n    limits: {rpm: 4}\n"))
    sim.order("deepseek", status=500, times=1)
    assert [proxy.chat(model=MODEL).status for _ in range(5)] == [503, 200, 200, 200, 429]
    labels = '{vendor="deepseek",model="deepseek-flash",fault="%s"}'
    assert metric(proxy, "bijia_attempts_total" + labels % "none") == 3
    assert metric(proxy, "bijia_attempts_total" + labels % "overloaded") == 1
    assert metric(proxy, 'bijia_requests_total{status="2xx"}') == 3
    assert metric(proxy, 'bijia_requests_total{status="4xx"}') == 1
    assert metric(proxy, 'bijia_requests_total{status="5xx"}') == 1
    assert metric(proxy, "bijia_request_seconds_count{}") == 5
    assert metric(proxy, 'bijia_team_limited_total{team="demo"}') == 1
    assert metric(proxy, 'bijia_team_in_flight{team="demo"}') == 0
    bills = [b for b in sim.bills() if b["end"] == "complete"]
    kinds = {"input": "prompt_tokens", "output": "completion_tokens"}
    for kind, name in kinds.items():
        told = metric(proxy, 'bijia_tokens_total{vendor="deepseek",model="deepseek-flash",kind="%s"}' % kind)
        assert told == sum(b[name] for b in bills)
    cost = metric(proxy, 'bijia_cost_total{vendor="deepseek",model="deepseek-flash",currency="CNY"}')
    assert abs(cost - sum(float(b["amount"]) for b in bills)) < 1e-8


def test_what_vendors_state_themselves_is_compared_with_ours(start, sim):
    proxy = start()
    offers = {"openrouter": "z-ai/glm-5.3-flash", "xai": "grok-4.3"}

    def stated(vendor, what):
        labels = '{vendor="%s",model="%s"%s}' % (vendor, offers[vendor], "" if what == "differs" else ',currency="CNY"')
        return metric(proxy, "bijia_stated_cost_%stotal" % (what and what + "_") + labels)
    for vendor, model in offers.items():
        assert proxy.chat(model=f"{vendor}/{model}").status == 200
        assert abs(stated(vendor, "") - stated(vendor, "ours")) < 1e-6 and stated(vendor, "") > 0
        sim.price(vendor, model, rows=[{"input": "90", "output": "190"}])   # it asks more than its page says
        for streamed in (False, True, False):
            assert proxy.chat(model=f"{vendor}/{model}", stream=streamed).status == 200
        wait_until(lambda v=vendor: stated(v, "differs") == 3, "the counter")
        assert stated(vendor, "") > 2 * stated(vendor, "ours")
        told = [line for line in proxy.stderr().splitlines() if "event=stated_cost" in line and f"vendor={vendor}" in line]
        assert len(told) == 2 and "times=1" in told[0] and "times=2" in told[1], "not one line for each answer"
    attempts = [a for line in proxy.wait_log(8) for a in line["attempts"]]
    assert all(a["stated_cost"]["currency"] == "USD" for a in attempts)
    assert sum(a["cost"] != a["stated_cost"] for a in attempts) == 6


def test_metrics_are_written_as_prometheus_reads_them(proxy):
    proxy.chat(model=MODEL)
    seen, typed = set(), {}
    for line in get(proxy, "/metrics").decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in typed
            typed[name] = kind
        elif not line.startswith("#"):
            found = re.fullmatch(r'([a-z_]+)((?:\{.*\})?) (-?[0-9.]+)', line)
            assert found, line
            base = re.sub(r"_(bucket|sum|count)$", "", found[1])
            assert found[1] in typed or typed.get(base) == "histogram", line
            assert (found[1], found[2]) not in seen
            seen.add((found[1], found[2]))
    assert len(seen) > 20


# what it does


def test_a_disabled_offer_is_not_used_until_it_is_enabled(start, sim):
    pair = "    aliases: {pair: [%s, kimi/kimi-k3]}\n" % MODEL
    proxy = start(edit=lambda p: p.replace("policy.yaml", "  demo:\n", "  demo:\n" + pair))
    assert proxy.chat(model="pair").headers["x-bijia-vendor"] == "deepseek"
    assert proxy.run("admin", "disable", MODEL).stdout == "disabled %s\n" % MODEL
    answer = proxy.chat(model="pair")
    assert answer.headers["x-bijia-vendor"] == "kimi"
    assert offer(proxy, MODEL)["state"] == "disabled"
    line = next(x for x in proxy.wait_log(2) if x["id"] == answer.headers["x-bijia-request-id"])
    assert {"disabled"} == {o["why"] for o in line["others"]}
    refused = proxy.chat(model=MODEL)
    error = refused.json()["error"]
    assert refused.status == 503 and error["code"] == "no_vendor_enabled"
    assert error["message"] == ("No vendor that can take this request for `%s` is enabled: %s: it was disabled by "
                                "hand." % (MODEL, MODEL))
    assert ask(proxy, "POST", "/v1/reload")[0] == 200       # a reload does not enable it
    assert proxy.chat(model="pair").headers["x-bijia-vendor"] == "kimi"
    proxy.run("admin", "enable", "deepseek/*")
    assert proxy.chat(model="pair").headers["x-bijia-vendor"] == "deepseek"
    assert len(sim.bills(vendor="deepseek")) == 2


def test_what_is_asked_wrongly_is_refused_in_words(proxy):
    for path, body in (("/v1/offers/disable", {"offer": "nobody/no-such"}), ("/v1/offers/enable", {}),
                       ("/v1/offers/disable", [1]), ("/v1/keys/new", {}), ("/v1/keys/rotate", {}),
                       ("/v1/keys/new", {"team": "no-such"}), ("/v1/keys/revoke", {"id": "nobody00"}),
                       ("/v1/keys/new", {"team": "demo", "expires": "soon"})):
        status, answer = ask(proxy, "POST", path, body)
        assert 400 <= status < 500 and answer["error"]["message"], path
    done = proxy.run("admin", "disable", "no-such", check=False)
    assert done.returncode == 1 and 'No offer is called "no-such"' in done.stderr
    assert proxy.run("admin", "disable", check=False).returncode == 2
    assert proxy.run("admin", "explode", check=False).returncode == 2


def test_a_key_may_be_made_for_a_while(start):
    proxy = start()
    status, made = ask(proxy, "POST", "/v1/keys/new", {"team": "demo", "expires": "30d"})
    assert status == 200
    listed = proxy.run("keys", "list").stdout
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 24 * 3600))
    assert [line for line in listed.splitlines() if made["id"] in line and day in line]


def test_keys_are_made_rotated_and_revoked(start):
    proxy = start()

    def status(key):
        return proxy.request("GET", "/v1/models", headers={"Authorization": "Bearer " + key}).status

    def soon(key, wanted):
        end = time.monotonic() + 1
        while status(key) != wanted:
            assert time.monotonic() < end
            time.sleep(0.01)
    made = ask(proxy, "POST", "/v1/keys/new", {"team": "demo", "name": "安"})[1]
    soon(made["key"], 200)
    assert any(k["name"] == "安" for k in get(proxy, "/v1/keys")["keys"])
    fresh = ask(proxy, "POST", "/v1/keys/rotate", {"id": made["id"], "grace": "0s"})[1]
    soon(fresh["key"], 200)
    soon(made["key"], 401)
    assert ask(proxy, "POST", "/v1/keys/revoke", {"id": fresh["id"]})[0] == 200
    soon(fresh["key"], 401)
    told = json.dumps(get(proxy, "/v1/keys"))
    assert fresh["id"] not in told and fresh["key"] not in proxy.stderr()


def test_a_bad_reload_is_told_and_changes_nothing(start):
    proxy = start()
    before = get(proxy, "/v1/status")["edition"]
    good = proxy.read("policy.yaml")
    proxy.write("policy.yaml", "teams: [\n")
    assert ask(proxy, "POST", "/v1/reload")[0] == 409
    assert get(proxy, "/v1/status")["edition"] == before
    proxy.write("policy.yaml", good)
    assert ask(proxy, "POST", "/v1/reload") == (200, {"edition": before + 1})


def test_drain_finishes_what_is_under_way(start, sim):
    proxy = start()
    sim.order("deepseek", latency_ms=1000)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(proxy.chat(model=MODEL)))
    thread.start()
    while not sim.state()["in_flight"]:
        time.sleep(0.01)
    assert ask(proxy, "POST", "/v1/drain") == (200, {"draining": True})
    assert get(proxy, "/v1/status")["state"] == "draining"
    thread.join()
    assert answers[0].status == 200
    assert proxy.process.wait(20) == 0
