"""What all tests share: golden files, and where the topologies stand."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.goldens import Goldens

settings.register_profile("labctl", deadline=None)  # a busy machine is no finding
settings.load_profile("labctl")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what it puts into the background so, and a labctl that a test interrupts would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
GOLDENS = pytest.StashKey[Goldens]()
UNREAD = pytest.StashKey[set[str]]()
"""Ids of the tests that have a golden file and have not passed yet."""
ORPHANS = "test_every_golden_file_is_read_by_some_test"
"""Of tests/unit/test_goldens.py; it is the last of a whole run, and no part of another."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write what came instead of comparing; then look at it."
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[GOLDENS] = Goldens(ROOT / "tests" / "golden", update=bool(config.getoption("--update-golden")))
    config.stash[UNREAD] = set()


@pytest.hookimpl(tryfirst=True)  # before marks take some away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[UNREAD] = {item.nodeid for item in items if "golden" in getattr(item, "fixturenames", ())}
    last = [item for item in items if item.name == ORPHANS]
    chosen = (
        config.option.keyword
        or getattr(config.option, "lf", False)
        or any("::" in argument for argument in config.args)
    )
    if last and not chosen and {item.path for item in items} >= set((ROOT / "tests" / "unit").rglob("test_*.py")):
        items[:] = [item for item in items if item not in last] + last
    else:
        items[:] = [item for item in items if item not in last]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and report.passed:
        item.config.stash[UNREAD].discard(item.nodeid)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What ``--update-golden`` did; and what this host could not show, a line each, last and not to be overlooked."""
    if config.stash[GOLDENS].update:
        terminalreporter.section("golden files")
        for line in config.stash[GOLDENS].told() or ["nothing changed"]:
            terminalreporter.line(line)
    found: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        found[reason.removeprefix("Skipped: ")] += 1
    loud = {reason: count for reason, count in found.items() if reason.startswith("NOT TESTED")}
    if loud:
        terminalreporter.section("not tested on this host", yellow=True)
    for reason, count in sorted(loud.items()):
        terminalreporter.line(f"{reason} ({count} {'test' if count == 1 else 'tests'})", yellow=True)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Goldens:
    """``golden("spec/wrong.txt", text)``: the text is what the file holds, or becomes it with ``--update-golden``."""
    return request.config.stash[GOLDENS]


@pytest.fixture
def unread(request: pytest.FixtureRequest) -> set[str]:
    """Ids of the tests that have a golden file and have not passed in this run."""
    return request.config.stash[UNREAD]


@pytest.fixture
def topologies() -> Path:
    """The specs that labctl comes with."""
    return ROOT / "topologies"
