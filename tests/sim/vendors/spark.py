"""Spark: one path per family, HTTP 200 with `code` not 0, code, message and sid in every chunk."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, dump, switched

# (path, what it serves): the same name on two paths is two models
FAMILIES = {"v1": ("lite", "generalv3", "pro-128k", "generalv3.5", "max-32k", "4.0Ultra"),
            "v2": ("spark-x",), "x2": ("spark-x", "spark-x2", "spark-x2.5"),
            "agent/v1": ("spark-x2-flash",)}
SUFFIX = "/chat/completions"
TOOLS = ("4.0Ultra", "generalv3.5", "max-32k", "spark-x", "spark-x2", "spark-x2.5", "spark-x2-flash")
SHORT_ANSWERS = ("lite", "generalv3", "pro-128k")


class Spark(Vendor):
    name = "spark"
    aliases = ("iflytek", "xfyun", "iflytek-spark")
    hosts = ("spark-api-open.xf-yun.com",)
    chat_paths = tuple("/%s%s" % (family, SUFFIX) for family in FAMILIES)
    models_paths = ()                       # there is none
    family = "spark"
    cache_min, cache_unit = 256, 64
    contexts = {"": 32_768, "lite": 8192, "generalv3": 8192, "spark-x": 65_536,
                "spark-x2.5": 1_000_000}
    id_prefix = "cht000"
    usage_in_stream = "last"
    limit_fields = ("max_tokens",)          # max_completion_tokens is ignored
    json_schema = "object"
    errors = {
        "no_key": (401, {"code": 11200, "message": "HMAC signature cannot be verified: the "
                         "Authorization header is missing"}),
        "bad_key": (401, {"code": 11200, "message": "AppIdNoAuthError"}),
        # what follows comes with HTTP 200
        "no_money": (200, {"code": 11200, "message": "AppIdNoAuthError: licc failed"}),
        "trial_used": (200, {"code": 11201, "message": "AppIdDayOverFlow"}),
        "rate_limit": (200, {"code": 11202, "message": "AppIdQpsOverFlow"}),
        "rate_limit_concurrency": (200, {"code": 11203, "message": "AppIdConcOverFlow"}),
        "overloaded": (200, {"code": 10110, "message": "The service is busy, please try again later"}),
        "server_error": (200, {"code": 10012, "message": "EngineInternalError"}),
        "invalid": (200, {"code": 10163, "message": "param validate error: {detail}"}),
        "unknown_model": (200, {"code": 10404, "message": "no such model: {model}"}),
        "too_long": (200, {"code": 10907, "message": "the tokens of the history are too many: {tokens}, "
                           "limit {limit}"}),
        "filtered": (200, {"code": 10013, "message": "input content audit failed, suspected of "
                           "violation"}),
    }

    def read_ask(self, call) -> Ask:
        ask = super().read_ask(call)
        ask.spark_path = call.path[1:-len(SUFFIX)]
        return ask

    def priced_as(self, call) -> str:
        path, model = call.ask.spark_path, call.ask.model
        return "%s:%s" % (path, model) if model == "spark-x" else model

    def sees(self, model: str) -> bool:
        return False

    def refuse_model(self, ask: Ask) -> None:
        if ask.model not in FAMILIES[ask.spark_path]:
            raise Refusal("unknown_model")

    def refuse_more(self, ask: Ask) -> None:
        temperature, top_k, most = (ask.body.get(n) for n in ("temperature", "top_k", "max_tokens"))
        if temperature is not None and not 0 < temperature <= 1:
            raise Refusal("invalid", detail="temperature should be in (0, 1]")
        if top_k is not None and not 1 <= top_k <= 6:
            raise Refusal("invalid", detail="top_k should be in [1, 6]")
        allowed = 4096 if ask.model in SHORT_ANSWERS else 32768 if "spark-x" in ask.model else 8192
        if most is not None and not 1 <= most <= allowed:
            raise Refusal("invalid", detail="max_tokens should be in [1, %d]" % allowed)
        if ask.tools and ask.model not in TOOLS:
            raise Refusal("invalid", detail="tools are not supported by this model")

    def thinks(self, ask: Ask) -> bool:
        return "spark-x" in ask.model and switched(ask) != "disabled"

    def base(self, call, kind: str) -> dict:
        """No `model`, no `object`: the answer is told from an error by its code."""
        return {"code": 0, "message": "Success", "sid": self.id_of(call), "id": self.id_of(call),
                "created": int(call.wall)}

    def details(self, truth: dict) -> dict:
        return {}

    def choice_more(self, call) -> str:
        return ""

    def error(self, call, error_class: str, fill: dict):
        status, fields = self.error_fields(call, error_class, fill)
        body = self.shape_error(call, status, fields)
        if status != 200:
            body = {"error": {"message": fields["message"], "code": str(fields["code"])}}
        return status, dump(body).encode(), self.headers(call)

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"code": fields["code"], "message": fields["message"], "sid": self.id_of(call)}


VENDOR = Spark()
