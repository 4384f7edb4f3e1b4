"""Azure OpenAI: api-key, the deployment in the path or in `model`, filter results first, own errors."""
from __future__ import annotations

import math
import re

from engine.ask import Ask, Refusal

from .base import Vendor, dump
from .openai import OpenAI, limit_headers

DEPLOYMENT = re.compile(r"^/openai/deployments/([^/]+)/chat/completions$")
NO_LIMITS = {"requests": (10000, 9999, 0.006), "tokens": (2000000, 1999990, 0.0)}
SAFE = {name: {"filtered": False, "severity": "safe"}
        for name in ("hate", "self_harm", "sexual", "violence")}


class Azure(OpenAI):
    name = "azure"
    aliases = ("azure-openai",)
    hosts = ("*.openai.azure.com",)
    chat_paths = ("/openai/v1/chat/completions",)
    models_paths = ("/openai/v1/models",)
    empty_first = True
    tells_retry_after = True
    errors = {
        **OpenAI.errors,
        "no_key": (401, {"code": "401", "message": "Access denied due to missing subscription key. Make "
                         "sure to include subscription key when making requests to an API."}),
        "bad_key": (401, {"code": "401", "message": "Access denied due to invalid subscription key or "
                          "wrong API endpoint. Make sure to provide a valid key for an active "
                          "subscription and use a correct regional API endpoint for your resource."}),
        "rate_limit": (429, {"code": "429", "message": "Requests to the ChatCompletions_Create Operation "
                             "have exceeded the call rate limit of your current tier. Please retry "
                             "after 20 seconds."}),
        "rate_limit_tokens": (429, {"code": "429", "message": "Requests to the ChatCompletions_Create "
                                    "Operation have exceeded the token rate limit of your current "
                                    "tier. Please retry after 6 seconds."}),
        "overloaded": (503, {"code": "ServiceUnavailable", "message": "The service is temporarily "
                             "unable to process your request. Please try again later."}),
        "unknown_model": (404, {"code": "DeploymentNotFound", "message": "The API deployment for this "
                                "resource does not exist. If you created the deployment within the last "
                                "5 minutes, please wait a moment and try again."}),
        "no_version": (404, {"code": "404", "message": "Resource not found"}),
        "filtered": (400, {"code": "content_filter", "param": "prompt", "message": "The response was "
                           "filtered due to the prompt triggering Azure OpenAI's content management "
                           "policy. Please modify your prompt and retry."}),
    }

    def route(self, method: str, path: str) -> str | None:
        if DEPLOYMENT.match(path):
            return "chat" if method == "POST" else "method"
        return super().route(method, path)

    def read_key(self, request) -> str | None:
        return request.headers.get("api-key") or super().read_key(request)

    def read_ask(self, call) -> Ask:
        """On the older route the path names the deployment, whatever `model` says."""
        deployment = DEPLOYMENT.match(call.path)
        if not deployment:
            return super().read_ask(call)
        if "api-version=" not in call.request.query:
            raise Refusal("no_version")
        return Ask.read(call.request.body, model=deployment.group(1))

    def refuse_more(self, ask: Ask) -> None:
        super().refuse_more(ask)
        if ask.model.startswith("gpt-6-astra") and ask.tools and self.thinks(ask):
            raise Refusal("unsupported_value", param="tools", detail="Function tools need "
                          "reasoning_effort 'none' with this model.")

    def headers(self, call) -> list:
        return [("apim-request-id", "sim-%012x" % call.number), ("x-ms-region", "Sim"),
                *limit_headers(call, NO_LIMITS)]

    def retry_headers(self, seconds: float) -> list:
        return super().retry_headers(seconds) + [("retry-after-ms", str(math.ceil(seconds * 1000)))]

    def events(self, call):
        """First a chunk with empty fields: what the filter found in the prompt."""
        first = True
        for kind, data, tokens, thinking in super().events(call):
            if first:
                data, first = dump({"choices": [], "created": 0, "id": "", "model": "", "object": "",
                                    "prompt_filter_results": [{"prompt_index": 0,
                                                               "content_filter_results": SAFE}]}), False
            yield kind, data, tokens, thinking

    def choice_more(self, call) -> str:
        return super().choice_more(call) + ',"content_filter_results":' + dump(SAFE)

    def full_choice(self, call, at: int, answer) -> dict:
        return {**super().full_choice(call, at, answer), "content_filter_results": SAFE}

    def full_more(self, call) -> dict:
        return {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]}

    def shape_error(self, call, status: int, fields: dict) -> dict:
        if fields.get("code") == "content_filter":
            return {"error": {"message": fields["message"], "type": None, "param": "prompt",
                              "code": "content_filter", "status": status, "innererror": {
                                  "code": "ResponsibleAIPolicyViolation",
                                  "content_filter_result": {**SAFE, "violence": {
                                      "filtered": True, "severity": "high"}}}}}
        if "type" not in fields:
            return {"error": {"code": fields["code"], "message": fields["message"]}}
        return Vendor.shape_error(self, call, status, fields)

    def error_event(self, call) -> str:
        """Bare, without `error` around it."""
        status, fields = self.error_fields(call, call.plan.error_class or "overloaded", {})
        return dump({"code": fields["code"], "status": status, "message": fields["message"]})


VENDOR = Azure()
