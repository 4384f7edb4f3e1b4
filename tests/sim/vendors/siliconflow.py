"""SiliconFlow: errors as {"code", "message", "data"} or as a bare string, enable_thinking, Pro/ twins."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, dump

THINKS = ("Qwen/Qwen3", "deepseek-ai/DeepSeek-V4", "deepseek-ai/DeepSeek-V3", "zai-org/GLM",
          "moonshotai/Kimi-K2")
SEES = ("PaddlePaddle/", "deepseek-ai/DeepSeek-OCR", "Qwen/Qwen3-VL", "zai-org/GLM-4.6V")


class SiliconFlow(Vendor):
    name = "siliconflow"
    aliases = ("silicon",)
    hosts = ("api.siliconflow.cn", "api.siliconflow.com")
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "qwen"
    cache_min, cache_unit = 1024, 64
    contexts = {"": 131_072, "deepseek-ai/DeepSeek-V4-Flash": 1_000_000,
                "deepseek-ai/DeepSeek-V4-Pro": 1_000_000}
    json_schema = "object"
    errors = {
        "bad_key": (401, {"message": "Invalid token"}),
        "no_key": (401, {"message": "Invalid token"}),
        "no_money": (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}),
        "forbidden": (403, {"code": 30003, "message": "Model disabled: real-name authentication is "
                            "required."}),
        "rate_limit": (429, {"message": "Request was rejected due to rate limiting. If you want more, "
                             "please contact contact@siliconflow.cn. Details:RPM limit reached."}),
        "rate_limit_tokens": (429, {"message": "Request was rejected due to rate limiting. If you want "
                                    "more, please contact contact@siliconflow.cn. Details:TPM limit "
                                    "reached."}),
        "overloaded": (503, {"code": 50505, "message": "Model service overloaded. Please try again "
                             "later."}),
        "server_error": (500, {"message": "Internal server error"}),
        "invalid": (400, {"code": 20015, "message": "The parameter is invalid. {detail}"}),
        "unknown_model": (400, {"code": 20012, "message": "Model does not exist. Please check it "
                                "carefully."}),
        "too_long": (400, {"code": 20015, "message": "length of prompt_tokens ({tokens}) must be less "
                           "than max_seq_len ({limit})."}),
        "filtered": (451, {"code": 50451, "message": "The content was blocked by the safety policy."}),
    }

    def sees(self, model: str) -> bool:
        return model.startswith(SEES)

    def plain(self, model: str) -> str:
        return model[4:] if model.startswith("Pro/") else model

    def thinks(self, ask: Ask) -> bool:
        """DeepSeek's models lose their thinking when `tool_choice: "auto"` is said outright."""
        switch, model = ask.body.get("enable_thinking"), self.plain(ask.model)
        if "DeepSeek" in model and ask.body.get("tool_choice") == "auto":
            return False
        if isinstance(switch, bool):
            return switch
        return model.startswith(THINKS)

    def thinking_effort(self, ask: Ask) -> int:
        budget, effort = ask.body.get("thinking_budget"), super().thinking_effort(ask)
        return min(effort, budget) if isinstance(budget, int) else effort

    def refuse_more(self, ask: Ask) -> None:
        budget = ask.body.get("thinking_budget")
        if budget is not None and not (isinstance(budget, int) and 1 <= budget <= 32768):
            raise Refusal("invalid", detail="thinking_budget must be in [1, 32768]")

    def error(self, call, error_class: str, fill: dict):
        """A bad key and a breakdown are a bare JSON string; the rest an object without `error`."""
        status, fields = self.error_fields(call, error_class, fill)
        body = fields["message"] if status in (401, 500) else self.shape_error(call, status, fields)
        return status, dump(body).encode(), self.headers(call)

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"code": fields.get("code"), "message": fields["message"], "data": None}


VENDOR = SiliconFlow()
