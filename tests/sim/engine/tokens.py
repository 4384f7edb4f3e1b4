"""tokens.py - how the simulated vendors count: a plain rule per family, and a prefix cache.

Counts are in thousandths of a token per thing seen, so that they are exact and repeatable. The
families differ as real ones do (Han text 0.55 to 1.05 tokens a character), which is all a router
needs to be tested on: that it learns from `usage` instead of believing its own estimate.
"""
from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict

HAN = re.compile("[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
WORD = re.compile("[A-Za-z]+")
DIGIT = re.compile("[0-9]")
SPACE = re.compile(r"\s")

# thousandths of a token per: Han character, word, letter beyond 8 a word, digit, any other sign
FAMILIES = {
    "deepseek": (600, 1250, 230, 450, 700),
    "qwen": (640, 1280, 230, 1000, 720),
    "doubao": (580, 1300, 240, 500, 700),
    "ernie": (720, 1350, 260, 600, 800),
    "hunyuan": (560, 1300, 240, 500, 700),
    "glm": (620, 1270, 230, 480, 690),
    "kimi": (550, 1260, 230, 460, 680),
    "openai": (750, 1200, 220, 400, 650),
    "mistral": (980, 1240, 230, 420, 670),
    "grok": (820, 1210, 220, 400, 660),
    "claude": (1000, 1350, 260, 520, 760),
    "gemini": (600, 1230, 230, 1000, 690),
    "spark": (650, 1330, 250, 560, 740),
    "minimax": (590, 1270, 230, 480, 700),
    "step": (610, 1280, 240, 470, 690),
    "yi": (630, 1290, 240, 1000, 720),
    "baichuan": (660, 1310, 250, 1000, 730),
    "llama": (1050, 1220, 220, 420, 660),
}
PER_MESSAGE = 4     # what the chat template adds
PER_PROMPT = 3
IMAGE_LOW, IMAGE_HIGH = 85, 1105


def count_tokens(family: str, text: str) -> int:
    """Tokens of a text: at least 1 unless it is empty."""
    if not text:
        return 0
    han_rate, word_rate, long_rate, digit_rate, other_rate = FAMILIES[family]
    han = 0 if text.isascii() else len(HAN.findall(text))
    words = WORD.findall(text)
    letters = sum(map(len, words))
    digits = len(DIGIT.findall(text))
    other = len(text) - han - letters - digits - len(SPACE.findall(text))
    milli = (han * han_rate + len(words) * word_rate + digits * digit_rate + other * other_rate
             + max(0, letters - 8 * len(words)) * long_rate)
    return max(1, -(-milli // 1000))


class PrefixCache:
    """Remembers the beginnings of prompts, per vendor and key, in blocks of characters.

    A prompt hits as far as its blocks are known and their last use is younger than `ttl_s`.
    """

    def __init__(self, block_chars: int = 128, ttl_s: float = 600.0, most: int = 200_000):
        self.block_chars, self.ttl_s, self.most = block_chars, ttl_s, most
        self.seen: OrderedDict[bytes, float] = OrderedDict()

    def reach(self, scope: str, text: str) -> float:
        """The share of `text` (0..1) that is remembered; remembers all of it from now on."""
        now, known, whole = time.monotonic(), 0, True
        digest = hashlib.blake2b(scope.encode(), digest_size=16)
        for at in range(0, len(text) - self.block_chars + 1, self.block_chars):
            digest.update(text[at:at + self.block_chars].encode("utf-8", "surrogatepass"))
            mark = digest.digest()
            last = self.seen.pop(mark, None)
            if whole and last is not None and now - last <= self.ttl_s:
                known = at + self.block_chars
            else:
                whole = False
            self.seen[mark] = now
        while len(self.seen) > self.most:
            self.seen.popitem(last=False)
        return known / len(text) if text else 0.0

    def clear(self) -> None:
        self.seen.clear()
