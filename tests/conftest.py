"""What all tests share: a seeded generator, and when a skip is a failure."""

from __future__ import annotations

import cProfile
import gc
import os
import sys

# The products of tests are small: BLAS's threads would wait for each other, on a busy machine for minutes
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # reads the number of threads
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu", action="store_true", help="also collect the tests that need a GPU")
    parser.addoption("--update-golden", action="store_true", help="rewrite the stored expectations")


def pytest_ignore_collect(collection_path, config):
    if collection_path.name.startswith("gpu_") and not config.getoption("--gpu"):
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--gpu"):
        items[:] = [item for item in items if "gpu" not in item.keywords]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Twenty thousand tests stay as they are: Python's collector need not look at them again and again.

    Nor at what each report of a test leaves: at the usual threshold of 700 objects it took one second of fourteen.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything is installed (TINYGRAD_EDU_NO_SKIP=1) a skipped test is a failed one."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("TINYGRAD_EDU_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def calls():
    """calls(function): how many Python calls it makes, which no other program on the machine can change."""

    def counted(function):
        before, profile = sys.getprofile(), cProfile.Profile(builtins=False)
        profile.enable()
        try:
            function()
        finally:
            profile.disable()
            sys.setprofile(before)
        return sum(entry.callcount for entry in profile.getstats())

    return counted
