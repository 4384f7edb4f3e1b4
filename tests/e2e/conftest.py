"""The running program, from outside: a simulated market, the proxy in front of it, real clients."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sim"))

from market import Proxy, Sim  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "threads: worth running under the thread sanitizer")


def pytest_terminal_summary(terminalreporter, config):
    """Vendors and abilities, as test_vendors.py saw them."""
    lines = getattr(config, "vendors_table", None)
    if lines:
        terminalreporter.section("vendors and abilities")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def market():
    with Sim(windows=True) as sim:
        yield sim


@pytest.fixture
def sim(market):
    """The market, as new: no orders, no bills, its own prices."""
    market.reset()
    return market


@pytest.fixture(scope="module")
def running(market):
    """One proxy for the tests of a file that leave it as it was."""
    market.reset()
    with Proxy(market) as proxy:
        yield proxy
        assert proxy.stop() == 0, proxy.stderr()


@pytest.fixture
def proxy(running, sim):
    return running


@pytest.fixture
def start(sim):
    """start(**settings of Proxy): a proxy of the test's own."""
    begun = []

    def begin(**how):
        one = Proxy(sim, **how)
        begun.append(one)
        return one.__enter__()
    yield begin
    for one in begun:
        status = one.stop()
        text = one.stderr() if one.directory else ""
        one.__exit__()
        assert status in (0, None), text
