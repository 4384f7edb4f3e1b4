"""What the three self-hosted servers share: any model name is served, no purse, a key only if set."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor


class SelfHosted(Vendor):
    family = "llama"
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    needs_key = False
    cache_min, cache_unit = 64, 16
    contexts = {"": 131_072}
    roles = ("developer", "system", "user", "assistant", "tool")

    def refuse_model(self, ask: Ask) -> None:
        if ask.model.startswith("no-such"):
            raise Refusal("unknown_model")

    def thinks(self, ask: Ask) -> bool:
        template = ask.body.get("chat_template_kwargs")
        if isinstance(template, dict) and ("enable_thinking" in template or "thinking" in template):
            return bool(template.get("enable_thinking", template.get("thinking")))
        return ask.body.get("reasoning_effort") in ("low", "medium", "high", "xhigh", "max")
