"""Ollama: no keys, a small context cut silently, tool calls whole, overflow as an empty answer."""
from __future__ import annotations

from engine.ask import Ask

from .selfhosted import SelfHosted

CONTEXT = 8192


class Ollama(SelfHosted):
    name = "ollama"
    reasoning_field = "reasoning"
    tool_arguments_whole = True
    cache_min = 10 ** 9                     # reports none
    fingerprint = "fp_ollama"
    errors = {
        "bad_key": (401, {"message": "unauthorized", "type": "authentication_error"}),
        "rate_limit": (429, {"message": "too many requests", "type": "rate_limit_error"}),
        "overloaded": (503, {"message": "server busy, please try again.  maximum pending requests "
                             "exceeded", "type": "api_error"}),
        "server_error": (500, {"message": "llama runner process has terminated", "type": "api_error"}),
        "invalid": (400, {"message": "{detail}", "type": "invalid_request_error"}),
        "no_money": (402, {"message": "payment required", "type": "api_error"}),
        "unknown_model": (404, {"message": "model '{model}' not found",
                                "type": "not_found_error"}),
    }

    def judge_key(self, key: str | None) -> str | None:
        return None                         # whatever is sent is taken

    def answer(self, ask: Ask, plan, thinks: bool) -> list:
        answers = super().answer(ask, plan, thinks)
        if ask.prompt(self.family, self.text_of)[1] > CONTEXT:
            answers[0].content, answers[0].calls, answers[0].finish = None, [], "length"
        return answers

    def details(self, truth: dict) -> dict:
        return {}

    def choice_more(self, call) -> str:
        return ""


VENDOR = Ollama()
