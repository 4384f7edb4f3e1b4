"""One market for all tests of the market; each test starts from its beginning."""
import pytest

from market import Sim


@pytest.fixture(scope="session")
def running():
    with Sim() as sim:
        yield sim


@pytest.fixture
def sim(running):
    running.reset()
    return running
