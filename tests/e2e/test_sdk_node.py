"""The official Node SDK against the proxy: sdk.mjs makes the checks, each is told here."""
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def test_the_node_sdk_works_unchanged_but_for_base_url_and_key(start, sim):
    proxy = start()
    modules = os.environ.get("NODE_PATH") or os.path.join(ROOT, "build", "sdk", "node_modules")
    done = subprocess.run(["node", os.path.join(HERE, "sdk.mjs")], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "NODE_PATH": modules, "BASE_URL": proxy.base_url,
                               "KEY": proxy.key, "SIM": sim.url})
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert len(lines) == 10
