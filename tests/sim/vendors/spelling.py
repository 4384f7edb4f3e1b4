"""spelling.py - small tools of the vendors: JSON as it is sent, pieces in groups, calls that leak."""
from __future__ import annotations

import json
from itertools import islice

from engine.answer import Answer, pieces_of
from engine.ask import Ask

# a class of error without a row of its own is told as another
FALLBACK = {"no_key": "bad_key", "trial_used": "no_money", "malformed": "invalid",
            "bad_role": "invalid", "too_long": "invalid", "filtered": "invalid",
            "forbidden": "bad_key", "server_error": "overloaded", "unknown_model": "invalid",
            "rate_limit_rpm": "rate_limit_requests", "rate_limit_tpm": "rate_limit_tokens",
            "rate_limit_rpd": "rate_limit_requests", "rate_limit_requests": "rate_limit",
            "rate_limit_tokens": "rate_limit", "rate_limit_concurrency": "rate_limit"}


def dump(value, ascii_only: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


def leak(answer: Answer, style: str) -> None:
    """The calls in the marks of the model's own template, as hosts let them through by mistake."""
    text = ""
    for at, (_, name, pieces) in enumerate(answer.calls):
        arguments = "".join(pieces)
        if style == "kimi":
            text += ("<|tool_call_begin|>functions.%s:%d<|tool_call_argument_begin|>%s<|tool_call_end|>"
                     % (name, at, arguments))
        else:
            text += '<｜DSML｜invoke name="%s">%s</｜DSML｜invoke>' % (name, arguments)
    text = ("<|tool_calls_section_begin|>%s<|tool_calls_section_end|>" if style == "kimi" else
            "<｜DSML｜function_calls>%s</｜DSML｜function_calls>") % text
    answer.content, answer.calls, answer.finish = pieces_of(text), [], "stop"


def mask(key: str | None) -> str:
    return "****" + (key or "")[-4:]


def grouped(pieces: list[str], group: int):
    if group == 1:
        for piece in pieces:
            yield piece, 1
        return
    pieces = iter(pieces)
    while True:
        some = list(islice(pieces, group))
        if not some:
            return
        yield "".join(some), len(some)


def switched(ask: Ask) -> str | None:
    """The type of a `thinking: {type}` switch, if given."""
    thinking = ask.body.get("thinking")
    return thinking.get("type") if isinstance(thinking, dict) else None
