"""Baichuan: OpenAI's dialect, plainly. Little is documented."""
from __future__ import annotations

from .base import Vendor
from .yi import PLAIN_ERRORS


class Baichuan(Vendor):
    name = "baichuan"
    hosts = ("api.baichuan-ai.com",)
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "baichuan"
    cache_min = 10 ** 9                     # no cache is known
    contexts = {"": 32_768}
    json_schema = "object"
    errors = PLAIN_ERRORS

    def sees(self, model: str) -> bool:
        return False

    def details(self, truth: dict) -> dict:
        return {}


VENDOR = Baichuan()
