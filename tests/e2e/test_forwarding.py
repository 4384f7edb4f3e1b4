"""What a client sends arrives at the vendor byte for byte, but for the few changes named."""
import base64
import json
import os
import subprocess

import pytest

STRANGE = (b'{ "model" : "openai/gpt-6-luna","zeta":9223372036854775807, "big":123456789012345678901234567890,\n'
           b'\t"float":1.0,"exp":1e400,"tiny":-0.0 , "esc":"\\u4f60\\u597d\\/\\ud83d\\ude00\\u0001", "dup":1,"dup":2,'
           b'"nested":{"a":[1,2,{"b":null}],"model":"not me"},"seed":12345678901234567890,'
           b'"messages":[{"role":"user","content":"\xe4\xbd\xa0\xe5\xa5\xbd \\u0000tail \\"q\\"","x_unknown":{"k":[true,false]}}],'
           b'"max_completion_tokens":20 }')


def send(proxy, body):
    return proxy.request("POST", "/v1/chat/completions", body)


def test_unknown_fields_numbers_and_escapes_survive(proxy, sim):
    answer = send(proxy, STRANGE)
    assert answer.status == 200, answer.body
    assert sim.last("openai")["body"] == STRANGE.replace(b'"openai/gpt-6-luna"', b'"gpt-6-luna"', 1)


def test_a_stream_gains_its_usage_option_and_nothing_else(proxy, sim):
    body = STRANGE.replace(b'"dup":1', b'"stream":true,"dup":1')
    assert send(proxy, body).status == 200
    got = sim.last("openai")["body"]
    want = body.replace(b'"openai/gpt-6-luna"', b'"gpt-6-luna"', 1)
    assert json.loads(got)["stream_options"] == {"include_usage": True}
    assert got.replace(b',"stream_options":{"include_usage":true}', b"") == want or \
        got.replace(b'"stream_options":{"include_usage":true},', b"") == want


def test_other_stream_options_are_kept(proxy, sim):
    body = (b'{"model":"openai/gpt-6-luna","stream":true,"stream_options":{"include_obfuscation":false},'
            b'"messages":[{"role":"user","content":"x"}]}')
    assert send(proxy, body).status == 200
    assert sim.last("openai")["json"]["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_a_stream_that_refuses_usage_is_metered_all_the_same(proxy, sim):
    body = (b'{"model":"openai/gpt-6-luna","stream":true,"stream_options":{"include_usage":false},'
            b'"messages":[{"role":"user","content":"x"}]}')
    answer = send(proxy, body)
    assert answer.status == 200
    assert sim.last("openai")["json"]["stream_options"] == {"include_usage": True}
    assert all(e["choices"] for e in answer.events() if isinstance(e, dict))


@pytest.mark.parametrize("size", [1 << 10, 1 << 16, 1 << 20, 7 << 20])
def test_images_as_data_urls_arrive_whole(proxy, sim, size):
    data = base64.b64encode(os.urandom(size)).decode()
    body = json.dumps({"model": "openai/gpt-6-luna", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + data}}]}]}).encode()
    if len(body) > 8 << 20:
        body = body[:0]
    if not body:
        return
    assert send(proxy, body).status == 200
    assert sim.last("openai")["body"] == body.replace(b'"openai/gpt-6-luna"', b'"gpt-6-luna"', 1)


def test_requests_up_to_the_configured_limit_work_and_no_further(start, sim):
    proxy = start(edit=lambda p: p.replace("bijia.yaml", "body: 8MiB", "body: 64MiB"))
    text = "x" * ((64 << 20) - 200)
    body = ('{"model":"openai/gpt-6-luna","messages":[{"role":"user","content":[{"type":"image_url",'
            '"image_url":{"url":"data:image/png;base64,%s"}}]}]}' % text).encode()
    assert len(body) <= 64 << 20
    assert send(proxy, body).status == 200
    assert len(sim.last("openai")["body"]) == len(body) - len("openai/")
    assert send(proxy, body + b" " * 300).status == 413


def test_only_our_own_headers_reach_the_vendor(proxy, sim):
    answer = proxy.chat(model="openai/gpt-6-luna", headers={
        "X-Custom": "secret", "Cookie": "a=b", "OpenAI-Organization": "org", "Connection": "keep-alive, X-Custom"})
    assert answer.status == 200
    got = sim.last("openai")["header"]
    assert set(got) == {"host", "authorization", "content-type", "accept", "user-agent", "content-length",
                        "x-bijia-attempt"}
    assert proxy.key not in str(got)


def test_the_vendors_headers_do_not_reach_the_client(proxy, sim):
    sim.order(headers={"Set-Cookie": "a=b", "X-Evil": "1", "Location": "http://example.com",
                       "x-bijia-vendor": "fake"})
    answer = proxy.chat(model="openai/gpt-6-luna")
    assert answer.status == 200 and answer.headers["x-bijia-vendor"] == "openai"
    assert not {"set-cookie", "x-evil", "location"} & set(answer.headers)


@pytest.mark.parametrize("order", [{}, {"error_class": "malformed"}, {"error_class": "filtered"},
                                   {"error_class": "bad_key"}, {"error_in_stream": 2}], ids=str)
@pytest.mark.parametrize("model", ["deepseek/deepseek-flash", "doubao/doubao-seed-2-0-mini-260428",
                                   "anthropic/claude-haiku-5-5", "gemini/gemini-3.8-flash"])
def test_a_key_that_a_vendor_echoes_reaches_nobody(start, sim, model, order):
    """In its headers, and in the text of its refusals."""
    sim.order(echo_key=True, **order)
    proxy = start()
    key = "sim-%s-1" % model.split("/")[0]
    for stream in (False, True):
        answer = proxy.chat(model=model, stream=stream)
        assert key not in answer.body.decode() and key not in str(answer.headers)
    assert key in str(sim.last()["header"])
    proxy.wait_log(2)
    assert key not in proxy.stderr() and key not in str(proxy.routing_log())


def test_a_chunked_request_is_forwarded_whole(proxy, sim):
    import http.client
    conn = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    parts = [STRANGE[i:i + 7] for i in range(0, len(STRANGE), 7)]
    conn.request("POST", "/v1/chat/completions", iter(parts), {"Authorization": "Bearer " + proxy.key},
                 encode_chunked=True)
    assert conn.getresponse().status == 200
    conn.close()
    assert sim.last("openai")["body"] == STRANGE.replace(b'"openai/gpt-6-luna"', b'"gpt-6-luna"', 1)


def curl(proxy, *words, body=b""):
    """What curl prints, its status on the last line; `body` is its stdin."""
    done = subprocess.run(["curl", "-sS", "--no-buffer", "-w", "\n%{http_code}", proxy.base_url + "/chat/completions",
                           "-H", "Authorization: Bearer " + proxy.key, "-H", "Content-Type: application/json", *words],
                          input=body, capture_output=True, timeout=30)
    return done.returncode, done.stdout.decode().rsplit("\n", 1), done.stderr.decode()


@pytest.mark.parametrize("words", [
    ["--data-binary", "@-"],
    ["--data-binary", "@-", "-H", "Expect: 100-continue"],
    ["-X", "POST", "-T", "-", "-H", "Expect:"],                      # chunked
    ["-X", "POST", "-T", "-", "-H", "Expect: 100-continue"],
    ["--data-binary", "@-", "--http1.0"]], ids=["plain", "expect", "chunked", "chunked_expect", "http1.0"])
def test_raw_curl_is_answered_streamed_or_not(proxy, sim, words):
    for stream in (False, True):
        body = json.dumps({"model": "chat", "stream": stream,
                           "messages": [{"role": "user", "content": "hello " * 400000}]}).encode()
        code, (said, status), error = curl(proxy, *words, body=body)
        assert (code, status) == (0, "200"), (error, said[:300])
        if stream:
            assert said.rstrip().endswith("data: [DONE]")
        else:
            assert json.loads(said)["choices"][0]["message"]["content"]


def test_raw_curl_is_told_of_a_stream_that_was_cut(proxy, sim):
    sim.order(cut_after_events=4)
    code, (said, status), error = curl(proxy, "-d", json.dumps(
        {"model": "openai/gpt-6-luna", "stream": True, "messages": [{"role": "user", "content": "hello"}]}))
    assert status == "200" and "[DONE]" not in said
    assert '"error"' in said and code == 18, (code, error)      # CURLE_PARTIAL_FILE
