#!/usr/bin/env python3
"""Traffic that the shared traces lack: applications with long common prompts.

    python3 synth.py DIR     writes a trace for each of TRACES

The same every time. `agents`: long conversations behind prompts of up to
20,000 tokens; `faq`: single questions behind such prompts; `mixed`: both,
small and large, in three classes of text; `chats`: short prompts, long
answers; `tasks`: few, long and fast; `documents`: questions about one each.
"""
import json
import os
import random
import sys

START, LASTS_S, BLOCK = 1795397400.0, 1800, 512
TRACES = {
    # common prompts, turns, growth, gap s, rate, answers, text classes, seed
    "agents": ([20000, 6000, 3000, 12000], 8, 900, 20, .35, [150, 400, 80], ["en"], 3),
    "faq": ([16000, 9000, 4000], .4, 300, 60, 2, [60, 200, 500], ["en"], 4),
    "mixed": ([512, 30000, 1024, 8000, 2048, 600], 2, 2500, 90, .8,
              [300, 700, 40, 150], ["en", "zh", "digits"], 5),
    "chats": ([1024, 2048, 512], 2.2, 700, 120, 1.2, [300, 500, 200], ["en", "zh"], 11),
    "tasks": ([9000, 2500], 14, 1500, 12, .15, [200, 120], ["en"], 12),
    "documents": ([3000, 6000], .6, 3000, 60, 1.5, [250], ["en"], 13),
}


class Names:
    """Names of blocks."""

    def __init__(self):
        self.last = 0

    def new(self):
        self.last += 1
        return self.last


def arrivals(shape, chance):
    common, turns, growth, gap, rate, answers = shape[:6]
    names = Names()
    prompts = [[names.new() for _ in range(tokens // BLOCK)] for tokens in common]
    at, found = 0.0, []
    while at < LASTS_S:
        at += chance.expovariate(rate)
        app = chance.choices(range(len(common)), [1 / (i + 1) for i in range(len(common))])[0]
        tokens, prefix, then = common[app] // BLOCK * BLOCK, list(prompts[app]), at
        for _ in range(int(chance.expovariate(1 / turns)) + 1):
            tokens += max(20, int(chance.expovariate(1 / growth)))
            while len(prefix) < tokens // BLOCK:
                prefix.append(names.new())
            answer = max(1, int(chance.lognormvariate(0, .8) * answers[app % len(answers)]))
            if then < LASTS_S:
                last = [names.new()] if tokens % BLOCK else []
                found.append((then, tokens, answer, prefix + last, app))
            tokens += answer
            then += chance.expovariate(1 / gap)
    return sorted(found)


def write(directory):
    os.makedirs(directory, exist_ok=True)
    for name, shape in TRACES.items():
        path = os.path.join(directory, f"{name}.jsonl")
        if os.path.exists(path):
            continue
        with open(path + ".new", "w", encoding="utf-8") as file:
            for i, (at, tokens, answer, prefix, app) in enumerate(
                    arrivals(shape, random.Random(shape[7]))):
                file.write(json.dumps({
                    "at": round(START + at, 3), "id": f"r{i}", "team": "t", "model": "chat",
                    "input_tokens": tokens, "output_tokens": answer, "prefix": prefix,
                    "block_tokens": BLOCK, "max_tokens": None,
                    "text_class": shape[6][app % len(shape[6])]}) + "\n")
        os.rename(path + ".new", path)


if __name__ == "__main__":
    write(sys.argv[1])
