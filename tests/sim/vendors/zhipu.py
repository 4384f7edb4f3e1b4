"""GLM on Zhipu: numeric codes in strings, 429 for an empty purse, whole tool arguments, dropped arrays."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, switched

ALWAYS_THINKS = ("glm-5.3",)
SEES = ("glm-5.3-flash", "glm-4.6v", "glm-4.5v", "glm-5v")


class Zhipu(Vendor):
    name = "zhipu"
    aliases = ("glm", "bigmodel")
    hosts = ("open.bigmodel.cn",)
    siblings = ("zai",)
    chat_paths = ("/api/paas/v4/chat/completions", "/api/coding/paas/v4/chat/completions")
    models_paths = ("/api/paas/v4/models",)
    family = "glm"
    cache_min, cache_unit = 256, 64
    contexts = {"": 1_000_000, "glm-4.7": 200_000, "glm-4.6": 200_000, "glm-4.5": 131_072,
                "glm-5.1": 200_000, "glm-5": 200_000, "glm-4.7-flash": 200_000}
    id_prefix = "20261122"
    usage_in_stream = "last"
    limit_fields = ("max_tokens",)          # max_completion_tokens is ignored
    json_schema = "object"
    parallel_switch = False
    errors = {
        "no_key": (401, {"code": "1001", "message": "Header中未收到Authorization参数，无法进行身份验证。"}),
        "bad_key": (401, {"code": "1000", "message": "身份验证失败。"}),
        "no_money": (429, {"code": "1113", "message": "您的账户已欠费，请充值后重试。"}),
        "trial_used": (429, {"code": "1310", "message": "已达到每周/每月使用上限，您的限额将在 "
                             "2026-12-01 00:00:00 重置。"}),
        "plan_limit": (429, {"code": "1308", "message": "已达到 5 小时的使用上限。您的限额将在 "
                             "2026-11-23 18:00:00 重置。"}),
        "rate_limit": (429, {"code": "1302", "message": "您当前使用该API的并发数过高，请降低并发，"
                             "或联系客服增加限额。"}),
        "overloaded": (429, {"code": "1305", "message": "当前API请求过多，请稍后重试。"}),
        "server_error": (500, {"code": "500", "message": "内部错误"}),
        "invalid": (400, {"code": "1210", "message": "API 调用参数有误，请检查文档。{detail}"}),
        "bad_role": (400, {"code": "1214", "message": "messages[{at}].role 参数非法。请检查文档。"}),
        "unknown_model": (400, {"code": "1211", "message": "模型不存在，请检查模型代码。"}),
        "too_long": (400, {"code": "1261", "message": "Prompt 超长"}),
        "filtered": (400, {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容，"
                           "请您避免输入易产生敏感内容的提示语，感谢您的配合。"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        top_p = ask.body.get("top_p")
        if top_p is not None and not 0 < top_p < 1:
            raise Refusal("invalid", detail="top_p 取值范围 (0,1)")
        if switched(ask) == "disabled" and ask.model.startswith(ALWAYS_THINKS):
            raise Refusal("invalid", detail="该模型不支持关闭思考")

    def text_of(self, message: dict) -> str:
        if message["role"] in ("assistant", "tool") and isinstance(message.get("content"), list):
            return ""                       # silently dropped
        return super().text_of(message)

    def thinks(self, ask: Ask) -> bool:
        return switched(ask) != "disabled"

    def sees(self, model: str) -> bool:
        return model.startswith(SEES)

    def whole_arguments(self, call) -> bool:
        return call.ask.body.get("tool_stream") is not True

    def tool_style(self, call) -> str | None:
        """glm-4.6 encodes its arguments twice; glm-5.2 repeats an empty name with each fragment."""
        style = super().tool_style(call)
        if call.plan.tool_deltas is None:
            if call.model == "glm-4.6" and style == "whole":
                return "double"
            if call.model == "glm-5.2" and style is None:
                return "empty_name"
        return style

    def base(self, call, kind: str) -> dict:
        return {**super().base(call, kind), "request_id": "20261122%012x" % call.number}

    def choice_more(self, call) -> str:
        return ""

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"code": fields["code"], "message": fields["message"]}}


class Zai(Zhipu):
    """z.ai: another account, prices in dollars."""
    name = "zai"
    aliases = ("z-ai", "glm-intl", "zhipu-intl")
    hosts = ("api.z.ai",)
    siblings = ("zhipu", "glm")


VENDORS = (Zhipu(), Zai())
