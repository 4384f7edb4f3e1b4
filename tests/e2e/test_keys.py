"""Keys of teams while bijia runs: made, rotated, revoked and expired, each within a second."""
import datetime
import time

import pytest

pytestmark = pytest.mark.threads

WITHIN_S = 1.0


def status(proxy, key):
    return proxy.request("GET", "/v1/models", headers={"Authorization": "Bearer " + key}).status


def seconds_until(proxy, key, wanted):
    began = time.monotonic()
    while status(proxy, key) != wanted:
        assert time.monotonic() - began < 10
        time.sleep(0.01)
    return time.monotonic() - began


def new(proxy, *words):
    return proxy.run("keys", "new", "demo", *words).stdout.strip()


def id_of(key):
    return key.split("_")[1]


def in_seconds(n):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=n)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_new_key_is_good_and_a_revoked_one_is_not_within_a_second(start):
    proxy = start()
    for _ in range(5):
        key = new(proxy)
        assert seconds_until(proxy, key, 200) < WITHIN_S
        proxy.run("keys", "revoke", id_of(key))
        assert seconds_until(proxy, key, 401) < WITHIN_S
        assert status(proxy, proxy.key) == 200


def test_a_revoked_key_is_refused_even_where_the_other_files_are_broken(start):
    proxy = start()
    keys = [new(proxy) for _ in range(2)]
    seconds_until(proxy, keys[1], 200)
    proxy.run("keys", "revoke", id_of(keys[0]))
    assert seconds_until(proxy, keys[0], 401) < WITHIN_S
    proxy.write("policy.yaml", "teams: [\n")
    text = proxy.read("keys.yaml")
    entries = text.split("\n- ")
    proxy.write("keys.yaml", "\n- ".join(e for e in entries if id_of(keys[1]) not in e))
    assert seconds_until(proxy, keys[1], 401) < WITHIN_S
    assert status(proxy, proxy.key) == 200
    assert "event=key_revoked key=" + id_of(keys[1]) in proxy.stderr()


def test_a_request_under_way_is_not_cut_by_its_keys_end(start, sim):
    import threading
    proxy = start()
    key = new(proxy)
    seconds_until(proxy, key, 200)
    sim.order(latency_ms=1500)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        proxy.chat(headers={"Authorization": "Bearer " + key})))
    thread.start()
    while not sim.state()["in_flight"]:
        time.sleep(0.01)
    proxy.run("keys", "revoke", id_of(key))
    assert seconds_until(proxy, key, 401) < WITHIN_S
    thread.join()
    assert answers[0].status == 200


def test_a_key_expires(start):
    proxy = start()
    key = new(proxy, "--expires", in_seconds(2))
    assert seconds_until(proxy, key, 200) < WITHIN_S
    time.sleep(2)
    refused = proxy.request("GET", "/v1/models", headers={"Authorization": "Bearer " + key})
    assert refused.status == 401 and "expired" in refused.json()["error"]["message"]
    assert "expired" in proxy.run("keys", "list").stdout


def test_rotating_makes_a_successor_and_the_old_key_goes_after_its_grace(start):
    proxy = start()
    old = new(proxy, "--name", "Ann")
    done = proxy.run("keys", "rotate", id_of(old), "--grace", "2s")
    fresh = done.stdout.strip()
    assert seconds_until(proxy, fresh, 200) < WITHIN_S and status(proxy, old) == 200
    time.sleep(2)
    assert status(proxy, old) == 401 and status(proxy, fresh) == 200
    assert proxy.run("keys", "list").stdout.count("Ann") == 2
    last = proxy.run("keys", "rotate", id_of(fresh), "--grace", "0s").stdout.strip()
    assert seconds_until(proxy, fresh, 401) < WITHIN_S
    assert seconds_until(proxy, last, 200) < WITHIN_S
    assert id_of(fresh) not in proxy.run("keys", "list").stdout


@pytest.mark.parametrize("words", [
    ["rotate"], ["rotate", "nobody00", "--grace", "soon"], ["new", "demo", "--expires", "soon"],
    ["new", "demo", "--expires", "0s"]])
def test_what_makes_no_sense_is_told_so(proxy, words):
    done = proxy.run("keys", *words, check=False)
    assert done.returncode == 2 and done.stdout == "" and "usage: bijia keys" in done.stderr


def test_a_key_that_is_not_there_cannot_be_rotated(proxy):
    done = proxy.run("keys", "rotate", "nobody00", check=False)
    assert done.returncode == 1 and 'no key with the id "nobody00"' in done.stderr
