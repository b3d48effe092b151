"""What all tests share: golden files, and where the topologies stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("labctl", deadline=None)  # a busy machine is no finding
settings.load_profile("labctl")

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write what came instead of comparing; then look at it."
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What this host could not show, a line each, last and not to be overlooked."""
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
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def golden(update_golden: bool) -> Callable[[str, str], None]:
    """``golden("spec/bad/x.txt", text)``: the text is what the file holds, or becomes it with ``--update-golden``."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if update_golden:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden file {name}: run with --update-golden and look at what was written"
        assert text == path.read_text(encoding="utf-8"), f"{name} differs: look, then --update-golden"

    return check


@pytest.fixture
def topologies() -> Path:
    """The specs that labctl comes with."""
    return ROOT / "topologies"
