"""ask.py - a chat request in OpenAI's language, as a simulated vendor reads it."""
from __future__ import annotations

import json

from .answer import is_chinese
from .tokens import IMAGE_HIGH, IMAGE_LOW, PER_MESSAGE, PER_PROMPT, count_tokens


class Refusal(Exception):
    """The request is refused: an error class of the vendor's table, and what fills its text."""

    def __init__(self, error_class: str, **fill):
        super().__init__(error_class)
        self.error_class, self.fill = error_class, fill


class Ask:
    def __init__(self, body: dict):
        self.body = body
        self.model = body.get("model")
        self.messages = body.get("messages")
        self.stream = body.get("stream") is True
        options = body.get("stream_options")
        self.include_usage = isinstance(options, dict) and options.get("include_usage") is True
        self.tools = body.get("tools") if isinstance(body.get("tools"), list) else []
        self.images = 0

    @classmethod
    def read(cls, raw: bytes, model: str | None = None) -> Ask:
        """`model`: named elsewhere than in the body."""
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Refusal("malformed", detail=str(error)) from None
        if not isinstance(body, dict):
            raise Refusal("malformed", detail="invalid type: expected an object")
        ask = cls(body if model is None else {**body, "model": model})
        if not isinstance(ask.model, str) or not ask.model:
            raise Refusal("invalid", detail="missing field `model`", param="model")
        if not isinstance(ask.messages, list) or not ask.messages:
            raise Refusal("invalid", detail="missing field `messages`", param="messages")
        for at, message in enumerate(ask.messages):
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise Refusal("invalid", detail="messages[%d].role is missing" % at,
                              param="messages.%d.role" % at)
        return ask

    @property
    def last(self) -> dict:
        return self.messages[-1]

    def last_user_text(self) -> str:
        for message in reversed(self.messages):
            if message["role"] == "user":
                return content_text(message.get("content"))
        return ""

    def has_images(self) -> bool:
        return any(isinstance(part, dict) and part.get("type") == "image_url"
                   for message in self.messages if isinstance(message.get("content"), list)
                   for part in message["content"])

    def prompt(self, family: str, text_of) -> tuple[str, int]:
        """The prompt as one text (for the cache) and its length in tokens."""
        texts, images = [], 0
        if self.tools:
            texts.append(json.dumps(self.tools, ensure_ascii=False))
        for message in self.messages:
            texts.append("<%s>" % message["role"])
            texts.append(text_of(message))
            if message.get("tool_calls"):
                texts.append(json.dumps(message["tool_calls"], ensure_ascii=False))
            if isinstance(message.get("content"), list):
                images += sum(map(image_tokens, message["content"]))
        text = "\n".join(texts)
        tokens = count_tokens(family, "\n".join(t for t in texts if t[:1] != "<" or t[-1:] != ">"))
        return text, tokens + images + PER_MESSAGE * len(self.messages) + PER_PROMPT


def content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content
                         if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def image_tokens(part: object) -> int:
    if not isinstance(part, dict) or part.get("type") != "image_url":
        return 0
    image = part.get("image_url")
    return IMAGE_LOW if isinstance(image, dict) and image.get("detail") == "low" else IMAGE_HIGH


def wants_both(text: str) -> bool:
    return "both" in text.lower() or "两个" in text


def in_chinese(ask: Ask) -> bool:
    return is_chinese(ask.last_user_text())
