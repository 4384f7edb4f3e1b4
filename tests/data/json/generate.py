#!/usr/bin/env python3
"""Writes y_*.json and n_*.json beside itself: mutated JSON, judged by Python's json.

Judged strictly: UTF-8, no NaN, at most 64 levels. Run again only to change the set.
"""
import json
import pathlib
import random

HERE = pathlib.Path(__file__).parent
SEEDS = [
    '{"model":"m","messages":[{"role":"user","content":"hi \\u4f60 你好"}],"n":1}',
    '[0,-1.5e+3,true,false,null,"\\"\\\\\\/\\b\\f\\n\\r\\t",{"a":{}},[[]]]',
    '{"choices":[{"index":0,"delta":{"content":"é😀"},"finish_reason":null}],"usage":null}',
    ' \t\r\n{"a" : 12345678901234567890 , "b":[ ] }\n',
]
SPLICES = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\x00", b"\x1f", b"\x80", b"\xff",
           b"\xed\xa0\x80", b"\xe4\xbd\xa0", b"0", b"-", b".", b"e", b"\\u12", b"\\ud800", b"null",
           b"NaN", b"1e5", b"\xef\xbb\xbf", b"\x0b", b"'", b"//"]


def deep(value, level=1):
    if level > 64 and isinstance(value, (dict, list)):
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(deep(one, level + 1) for one in inner)


def is_json(data):
    def refuse(word):
        raise ValueError(word)
    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            return False
        return not deep(json.loads(text, parse_constant=refuse))
    except (ValueError, RecursionError):
        return False


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        cut = rng.choice((0, 0, 1, 1, 2, 5))
        data[at:at + cut] = rng.choice(SPLICES) if rng.random() < .8 else b""
    return bytes(data)


def main():
    rng = random.Random(20261122)
    kept = {True: {}, False: {}}
    while len(kept[True]) < 60 or len(kept[False]) < 120:
        data = mutate(rng, rng.choice(SEEDS).encode())
        good = is_json(data)
        if len(kept[good]) < (60 if good else 120):
            kept[good][data] = None
    for good, name in ((True, "y"), (False, "n")):
        for i, data in enumerate(kept[good]):
            (HERE / f"{name}_{i:03}.json").write_bytes(data)


main()
