#!/usr/bin/env python3
"""conf_for_sim.py - the shipped configuration, pointed at the simulated market.

    conf_for_sim.py --conf conf --out DIR --sim http://127.0.0.1:18080 --listen 127.0.0.1:8080

Copies *.yaml to DIR and changes lines only: every vendor's base_url goes to the market (its own path
kept, below the vendor's prefix), its keys to DIR/secrets/NAME with `sim-NAME-1`, and bijia.yaml gets
the address and a state directory. Prices and policy stay as they are. Works on the block layout of the
shipped files: two blanks before a vendor's name, four before its words.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from fnmatch import fnmatch
from urllib.parse import urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

LOCAL_PORTS = {8000: "vllm", 30000: "sglang", 11434: "ollama", 8080: "llamacpp", 8081: "llamacpp"}
SELF_HOSTED = """
  {name}:
    base_url: {sim}/{name}/v1
{ca}{quirks}    currency: CNY
    region: own
    auth: none
    tokenizer: llama
    models:
      llama-3-8b: {{context: 16384, tools: yes}}
"""
SELF_HOSTED_QUIRKS = {"llamacpp": "    quirks: [no_developer_role, no_tool_choice_named]\n"}    # as vendors.yaml says
SELF_HOSTED_PRICE = """
  {name}:
    llama-3-8b:
      - {{input: 0.1, output: 0.2, source: "our own cost", as_of: 2026-11-22}}
"""
DROPPED = ("ca_file", "forward_proxy")
NAME = re.compile(r"^  ([A-Za-z0-9_.-]+|\"[^\"]+\"):\s*(#.*)?$")
WORD = re.compile(r"^    ([a-z_]+):\s*(.*?)\s*$")


def load_vendors() -> dict:
    import vendors
    return vendors.load()


def prefix_of(name: str, url: str, sim_vendors: dict) -> str:
    """Which of the market's vendors plays this account: by host, then by name, then by local port."""
    parts = urlsplit(url)
    for vendor in sim_vendors.values():
        if any(fnmatch(parts.hostname or "", host) for host in vendor.hosts):
            return vendor.name
    names = {alias: v.name for v in sim_vendors.values() for alias in (v.name, *v.aliases)}
    if name in names:
        return names[name]
    begun = [alias for alias in names if name.startswith(alias)]
    if begun:
        return names[max(begun, key=len)]
    return LOCAL_PORTS.get(parts.port or 0, name)


def block_end(lines: list[str], start: int, indent: int) -> int:
    """The line after the value that begins on line `start`: deeper lines and blanks belong to it."""
    at = start + 1
    while at < len(lines):
        text = lines[at]
        deeper = len(text) - len(text.lstrip(" ")) > indent
        if text.strip() and not deeper and not text.strip().startswith(("]", "}")):
            break
        at += 1
    while at > start + 1 and not lines[at - 1].strip():
        at -= 1
    return at


def change_vendors(text: str, sim: str, sim_vendors: dict, base_urls: dict,
                   ca_file: str | None = None) -> tuple[str, list[str]]:
    """The new vendors.yaml and the names of the accounts that need a key."""
    lines, out, keyed, name, at = text.split("\n"), [], [], None, 0
    while at < len(lines):
        line = lines[at]
        found, word = NAME.match(line), WORD.match(line)
        if found:
            name = found.group(1).strip('"')
        if word and name and word.group(1) == "base_url":
            url = re.sub(r"\s+#.*$", "", word.group(2)).strip("\"'")
            new = base_urls.get(name) or (sim.rstrip("/") + "/" + prefix_of(name, url, sim_vendors)
                                          + urlsplit(url).path.rstrip("/"))
            out.append("    base_url: " + new)
            if ca_file and new.startswith("https:"):
                out.append("    ca_file: " + ca_file)
        elif word and name and word.group(1) == "keys":
            out.append("    keys: [{file: secrets/%s}]" % name)
            keyed.append(name)
            at = block_end(lines, at, 4)
            continue
        elif word and name and word.group(1) in DROPPED:
            at = block_end(lines, at, 4)
            continue
        else:
            out.append(line)
        at += 1
    return "\n".join(out), keyed


def set_word(text: str, path: str, value: str) -> str:
    """Sets `section.word` or `word` of bijia.yaml; a section that is not there is added."""
    section, _, word = path.rpartition(".")
    lines = text.rstrip("\n").split("\n") if text.strip() else []
    if not section:
        for at, line in enumerate(lines):
            if line.startswith(word + ":"):
                lines[at:block_end(lines, at, 0)] = ["%s: %s" % (word, value)]
                return "\n".join(lines) + "\n"
        return "\n".join(lines + ["%s: %s" % (word, value)]) + "\n"
    for at, line in enumerate(lines):
        if not line.startswith(section + ":"):
            continue
        rest = re.sub(r"\s+#.*$", "", line[len(section) + 1:]).strip()
        if rest.startswith("{"):
            inner = rest.strip("{} ")
            pairs = [p.strip() for p in inner.split(",") if p.strip()]
            pairs = [p for p in pairs if p.split(":")[0].strip() != word]
            lines[at] = "%s: {%s}" % (section, ", ".join(pairs + ["%s: %s" % (word, value)]))
            return "\n".join(lines) + "\n"
        end = block_end(lines, at, 0)
        for inner_at in range(at + 1, end):
            if re.match(r"^\s+%s:" % re.escape(word), lines[inner_at]):
                indent = re.match(r"^\s+", lines[inner_at]).group(0)
                lines[inner_at] = "%s%s: %s" % (indent, word, value)
                return "\n".join(lines) + "\n"
        lines.insert(at + 1, "  %s: %s" % (word, value))
        return "\n".join(lines) + "\n"
    return "\n".join(lines + ["%s: {%s: %s}" % (section, word, value)]) + "\n"


def drop_word(text: str, word: str) -> str:
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if line.startswith(word + ":"):
            del lines[at:block_end(lines, at, 0)]
            break
    return "\n".join(lines)


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path: str, text: str, mode: int = 0o644) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w",
                   encoding="utf-8") as file:
        file.write(text)


def prepare(conf: str, out: str, sim: str, listen: str = "127.0.0.1:0", state_dir: str = "state",
            settings: dict | None = None, base_urls: dict | None = None, keys: int = 1,
            ca_file: str | None = None, self_hosted=()) -> list[str]:
    """Writes DIR; returns the names of the accounts with keys. `settings`: {"timeouts.silence": "2s"}"""
    os.makedirs(os.path.join(out, "secrets"), mode=0o700, exist_ok=True)
    for name in sorted(os.listdir(conf)):
        if name.endswith(".yaml") and name != "keys.yaml":
            shutil.copyfile(os.path.join(conf, name), os.path.join(out, name))
    path = os.path.join(out, "vendors.yaml")
    text, keyed = change_vendors(read(path), sim, load_vendors(), base_urls or {}, ca_file)
    if self_hosted:
        text = text.rstrip("\n") + "\n" + "".join(SELF_HOSTED.format(
            name=name, sim=sim.rstrip("/"), quirks=SELF_HOSTED_QUIRKS.get(name, ""),
            ca="    ca_file: %s\n" % ca_file if ca_file else "")
            for name in self_hosted)
        prices = os.path.join(out, "prices.yaml")
        write(prices, read(prices).rstrip("\n") + "\n" + "".join(
            SELF_HOSTED_PRICE.format(name=name) for name in self_hosted))
    write(path, text)
    for name in keyed:
        write(os.path.join(out, "secrets", name),
              "".join("sim-%s-%d\n" % (name, n + 1) for n in range(keys)), 0o600)
    path = os.path.join(out, "bijia.yaml")
    text = drop_word(read(path) if os.path.exists(path) else "", "tls")
    listen = "127.0.0.1" + listen if listen.startswith(":") else listen
    for word, value in {"listen": listen, "state_dir": state_dir, **(settings or {})}.items():
        text = set_word(text, word, str(value))
    write(path, text)
    return keyed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--conf", default="conf")
    parser.add_argument("--out", required=True)
    parser.add_argument("--sim", required=True, metavar="URL")
    parser.add_argument("--listen", default="127.0.0.1:8080", help="ADDRESS:PORT or :PORT")
    parser.add_argument("--state-dir", default="state")
    parser.add_argument("--keys", type=int, default=1, help="keys per account")
    parser.add_argument("--self-hosted", action="append", default=[], metavar="NAME",
                        help="add vllm, sglang, ollama or llamacpp, each with the model llama-3-8b")
    parser.add_argument("--ca-file", help="for a market that speaks TLS")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.WORD=VALUE",
                        help="a further word of bijia.yaml")
    arguments = parser.parse_args()
    settings = dict(pair.split("=", 1) for pair in arguments.set)
    keyed = prepare(arguments.conf, arguments.out, arguments.sim, arguments.listen,
                    arguments.state_dir, settings, None, arguments.keys,
                    arguments.ca_file, arguments.self_hosted)
    print("%s: %d accounts with keys" % (arguments.out, len(keyed)))


if __name__ == "__main__":
    main()
