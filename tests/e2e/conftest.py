"""The running program, from outside: a simulated market, the proxy in front of it, real clients."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sim"))

from market import Proxy, Sim  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "threads: worth running under the thread sanitizer")


CELLS = {}                          # {((row, account), (column, ability)): what test_vendors.py saw}
TABLE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                     "build", "tests", "vendors-table.md")


def pytest_runtest_logreport(report):
    """Cells come with the reports of the tests that ran, whichever worker ran them."""
    for name, value in report.user_properties:
        if name == "cell":
            row, account, column, ability, cell = value
            CELLS[(row, account), (column, ability)] = cell


def pytest_terminal_summary(terminalreporter):
    """Vendors and abilities: printed, and kept for tests/run.sh to print."""
    if not CELLS:
        return
    rows, columns = sorted({row for row, _ in CELLS}), sorted({column for _, column in CELLS})
    lines = ["| vendor | " + " | ".join(ability for _, ability in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        lines.append("| " + " | ".join([row[1]] + [CELLS.get((row, c), "") for c in columns]) + " |")
    terminalreporter.section("vendors and abilities")
    for line in lines:
        terminalreporter.write_line(line)
    os.makedirs(os.path.dirname(TABLE), exist_ok=True)
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


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
