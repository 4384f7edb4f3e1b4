"""conf_for_sim.py points a configuration at the market and changes nothing else."""
from __future__ import annotations

import os
import re
import stat
from decimal import Decimal

import pytest

import conf_for_sim
import market

VENDORS = """\
# the accounts
vendors:
  deepseek:
    base_url: https://api.deepseek.com      # no /v1
    adapter: openai
    keys: [{env: DEEPSEEK_API_KEY}, {file: secrets/deepseek}]
    models:
      deepseek-flash: {context: 1000000, thinking: yes}

  doubao:
    base_url: https://ark.cn-beijing.volces.com/api/v3
    keys:
      - {env: ARK_API_KEY}
      - {file: secrets/ark}
    ca_file: /etc/ca.pem
    quirks: [max_tokens]
  house-model:
    base_url: http://127.0.0.1:8000/v1
    auth: none
  mirror:
    base_url: "https://proxy.example.org/v1/"
    keys: [{env: X}]
#  off:
#    base_url: https://off.example.org
"""
BIJIA = """\
listen: 127.0.0.1:8080   # where clients come
workers: 2
tls:
  certificate: a.pem
  key: b.pem
timeouts: {head: 10s, silence: 120s}
limits:
  body: 8MiB
"""


def prepare(tmp_path, **more):
    conf, out = tmp_path / "conf", tmp_path / "out"
    conf.mkdir()
    (conf / "vendors.yaml").write_text(VENDORS)
    (conf / "bijia.yaml").write_text(BIJIA)
    (conf / "prices.yaml").write_text("prices: {}\n")
    (conf / "policy.yaml").write_text("aliases: {}\n")
    (conf / "keys.yaml").write_text("[]\n")
    keyed = conf_for_sim.prepare(str(conf), str(out), "http://127.0.0.1:9", **more)
    return keyed, out, (out / "vendors.yaml").read_text(), (out / "bijia.yaml").read_text()


def test_base_urls_and_keys_are_replaced_and_nothing_else(tmp_path):
    keyed, out, vendors, _ = prepare(tmp_path)
    assert keyed == ["deepseek", "doubao", "mirror"]
    assert vendors == VENDORS.replace(
        "https://api.deepseek.com      # no /v1", "http://127.0.0.1:9/deepseek").replace(
        "[{env: DEEPSEEK_API_KEY}, {file: secrets/deepseek}]", "[{file: secrets/deepseek}]").replace(
        "https://ark.cn-beijing.volces.com/api/v3", "http://127.0.0.1:9/ark/api/v3").replace(
        "    keys:\n      - {env: ARK_API_KEY}\n      - {file: secrets/ark}\n    ca_file: /etc/ca.pem\n",
        "    keys: [{file: secrets/doubao}]\n").replace(
        "http://127.0.0.1:8000/v1", "http://127.0.0.1:9/vllm/v1").replace(
        '"https://proxy.example.org/v1/"', "http://127.0.0.1:9/mirror/v1").replace(
        "[{env: X}]", "[{file: secrets/mirror}]")
    secret = out / "secrets" / "doubao"
    assert secret.read_text() == "sim-doubao-1\n"
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    assert sorted(os.listdir(out)) == ["bijia.yaml", "policy.yaml", "prices.yaml", "secrets",
                                       "vendors.yaml"]


def test_words_of_the_program_are_set_in_whatever_layout(tmp_path):
    _, _, _, bijia = prepare(tmp_path, listen=":0", keys=2, settings={
        "timeouts.silence": "2s", "limits.body": "1MiB", "limits.head": "8KiB", "attempts.most": 5,
        "workers": 4})
    assert bijia == """\
listen: 127.0.0.1:0
workers: 4
timeouts: {head: 10s, silence: 2s}
limits:
  head: 8KiB
  body: 1MiB
state_dir: state
attempts: {most: 5}
"""


def test_several_keys_and_other_base_urls(tmp_path):
    _, out, vendors, _ = prepare(tmp_path, keys=2, base_urls={"deepseek": "http://127.0.0.1:1"})
    assert (out / "secrets" / "deepseek").read_text() == "sim-deepseek-1\nsim-deepseek-2\n"
    assert "base_url: http://127.0.0.1:1\n" in vendors


def test_self_hosted_accounts_and_a_certificate_may_be_added(tmp_path):
    _, out, vendors, _ = prepare(tmp_path, self_hosted=["vllm"], ca_file="/tmp/ca.pem")
    assert vendors.endswith("""
  vllm:
    base_url: http://127.0.0.1:9/vllm/v1
    ca_file: /tmp/ca.pem
    currency: CNY
    region: own
    auth: none
    tokenizer: llama
    models:
      llama-3-8b: {context: 16384, tools: yes}
""")
    assert "  vllm:\n    llama-3-8b:\n      - {input: 0.1," in (out / "prices.yaml").read_text()


def test_the_shipped_configuration_can_be_pointed_at_the_market(tmp_path):
    keyed = conf_for_sim.prepare(os.path.join(market.ROOT, "conf"), str(tmp_path / "out"),
                                 "http://127.0.0.1:9")
    text = (tmp_path / "out" / "vendors.yaml").read_text()
    known = conf_for_sim.load_vendors()
    urls = re.findall(r"^    base_url: (.*)$", text, re.M)
    assert len(urls) >= 9 and set(keyed) >= {"deepseek", "qwen", "openai"}
    for url in urls:
        assert url.startswith("http://127.0.0.1:9/")
        name, _, path = url[len("http://127.0.0.1:9/"):].partition("/")
        assert any(known[name].route("POST", ("/" + path if path else "") + end) == "chat"
                   for end in ENDS), url


ENDS = ("/chat/completions", "/x2/chat/completions", "/messages", "/v1/messages", "/models/m:generateContent",
        "/v1beta/models/m:generateContent")
TODAY = "2026-11-22"
COMPARED = ("input", "cached_input", "output", "input_at_most", "input_below", "output_at_most")
REAL = [
    ("anthropic", "https://api.anthropic.com/v1", "anthropic/v1"),
    ("claude", "https://api.anthropic.com", "anthropic"),
    ("gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini/v1beta"),
    ("mistral", "https://api.mistral.ai/v1", "mistral/v1"),
    ("xai", "https://api.x.ai/v1", "xai/v1"),
    ("groq", "https://api.groq.com/openai/v1", "groq/openai/v1"),
    ("spark", "https://spark-api-open.xf-yun.com/v1", "spark/v1"),
    ("spark-x2", "https://spark-api-open.xf-yun.com/x2", "spark/x2"),
    ("spark-flash", "https://spark-api-open.xf-yun.com/agent/v1", "spark/agent/v1"),
    ("minimax", "https://api.minimaxi.com/v1", "minimax/v1"),
    ("minimax-intl", "https://api.minimax.io/v1", "minimax-intl/v1"),
    ("stepfun", "https://api.stepfun.com/v1", "stepfun/v1"),
    ("siliconflow", "https://api.siliconflow.cn/v1", "siliconflow/v1"),
    ("azure", "https://house.openai.azure.com/openai/v1", "azure/openai/v1"),
    ("azure-old", "https://house.openai.azure.com/openai/deployments/gpt-6-luna",
     "azure/openai/deployments/gpt-6-luna"),
    ("yi", "https://api.lingyiwanwu.com/v1", "yi/v1"),
    ("baichuan", "https://api.baichuan-ai.com/v1", "baichuan/v1"),
    ("qwen-intl", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
     "qwen-intl/compatible-mode/v1"),
    ("qwen-us", "https://dashscope-us.aliyuncs.com/compatible-mode/v1", "qwen-us/compatible-mode/v1"),
    ("kimi-intl", "https://api.moonshot.ai/v1", "moonshot-intl/v1"),
    ("zai", "https://api.z.ai/api/paas/v4", "zai/api/paas/v4"),
    ("deepseek-usd", "https://api.deepseek.com", "deepseek"),
    ("vllm", "http://127.0.0.1:8000/v1", "vllm/v1"),
    ("sglang", "http://127.0.0.1:30000/v1", "sglang/v1"),
    ("my-llama", "http://127.0.0.1:30000/v1", "sglang/v1"),
    ("llamacpp", "http://127.0.0.1:8081/v1", "llamacpp/v1"),
    ("ollama", "http://127.0.0.1:11434/v1", "ollama/v1"),
]


@pytest.mark.parametrize("name,url,below", REAL)
def test_each_real_address_finds_its_place_in_the_market(name, url, below):
    known = conf_for_sim.load_vendors()
    text, _ = conf_for_sim.change_vendors("  %s:\n    base_url: %s\n" % (name, url),
                                          "http://127.0.0.1:9", known, {})
    assert "base_url: http://127.0.0.1:9/" + below in text
    prefix, _, path = below.partition("/")
    assert any(known[prefix].route("POST", ("/" + path if path else "") + end) == "chat"
               for end in ENDS)


def of_today(row: str) -> bool:
    """Not past, not to come; `from` and `until` may stand once for all rows of a model."""
    edge = dict(re.findall(r"\b(from|until): (\d{4}-\d\d-\d\d)", row))
    return edge.get("from", "") <= TODAY < edge.get("until", "9")


def shipped_rows():
    """{(vendor, model): [rows of today]} of conf/prices.yaml, read by its layout."""
    with open(os.path.join(market.ROOT, "conf", "prices.yaml"), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^  ([a-z0-9.-]+):$|^    (\S+):(?: #.*)?$"
                       r"|^ {6,8}- (\{[^}]*(?:\{[^}]*\}[^}]*)*\})",
                       text[text.index("\nprices:\n"):], re.M)
    models, vendor, model = {}, None, None
    for new_vendor, new_model, row in found:
        vendor, model = new_vendor or vendor, new_model.strip('"') or model
        if row and of_today(row):
            models.setdefault((vendor, model), []).append(row)
    return models


def price_lists(book) -> dict:
    """Which of the market's price lists an account of conf/vendors.yaml is billed by."""
    known = conf_for_sim.load_vendors()
    with open(os.path.join(market.ROOT, "conf", "vendors.yaml"), encoding="utf-8") as file:
        found = re.findall(r"^  ([a-z0-9.-]+):$|^    base_url: (\S+)", file.read(), re.M)
    lists, account = {}, None
    for name, url in found:
        account = name or account
        if url:
            prefix = conf_for_sim.prefix_of(account, url.strip('"'), known)
            dollars = prefix + "-usd"
            lists[account] = dollars if account.endswith("-usd") and dollars in book else prefix
    return lists


def test_the_market_sells_every_model_of_the_shipped_prices_at_the_same_prices(tmp_path, sim):
    """Both were read from the same pages: what differs is a slip on one side."""
    book = sim.door("GET", "/_sim/prices")["vendors"]
    lists, checked = price_lists(book), 0
    for (vendor, model), rows in shipped_rows().items():
        if "*" in book.get(lists.get(vendor), {"*": None}):     # one's own machines
            continue
        ours = book[lists[vendor]]
        entry = ours[model] if model in ours else ours["x2:" + model]
        rows = [row for row in rows if not re.search("currency: (?!%s)" % entry["currency"], row)]
        theirs_now = [row for row in entry["rows"] if row.get("from", "") <= TODAY]
        assert len(rows) == len(theirs_now), (vendor, model)
        for row, theirs in zip(rows, theirs_now):
            said = {k: Decimal(v) for k, v in re.findall(r"\b(%s): ([0-9.]+)" % "|".join(COMPARED), row)}
            said.setdefault("cached_input", said["input"])
            wanted = {k: Decimal(v) for k, v in theirs.items() if k in COMPARED}
            wanted.setdefault("cached_input", wanted["input"])
            assert said == wanted, (vendor, model)
            assert ("when:" in row, "thinking: yes" in row) == ("when" in theirs, "thinking" in theirs)
            checked += 1
    assert checked >= 45
