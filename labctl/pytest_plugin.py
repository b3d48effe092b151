"""The pytest plugin: fixture ``labctl``, one lab a session (`labctl.testing.RunningLab`).

``--labctl-lab NAME`` uses a lab that runs; ``--labctl-spec FILE`` (or ``labctl_spec`` in the ini file) boots one at the
first use and removes it at the end, unless ``--labctl-keep``. Nothing of labctl is imported before that, and pytest is
needed by this module alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from labctl.testing import RunningLab

PROGRAM = (sys.executable, "-m", "labctl.cli.main")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--labctl-…`` and their ini twins."""
    group = parser.getgroup("labctl", "a lab of labctl for the fixture labctl")
    group.addoption("--labctl-spec", metavar="FILE", help="boot the lab of this spec at first use")
    group.addoption("--labctl-lab", metavar="NAME", help="use this lab, which runs")
    group.addoption("--labctl-keep", action="store_true", help="leave the lab that was booted")
    parser.addini("labctl_spec", "spec of the lab that the fixture labctl boots")
    parser.addini("labctl_up", "more arguments of labctl up", type="args")


@pytest.fixture(scope="session")
def labctl(request: pytest.FixtureRequest) -> Iterator[RunningLab]:
    """The lab, running."""
    config = request.config
    name, spec = config.getoption("--labctl-lab"), config.getoption("--labctl-spec") or config.getini("labctl_spec")
    if name:
        yield from _open(str(name))
        return
    if not spec:
        pytest.skip("no lab: say --labctl-spec FILE or --labctl-lab NAME")
    path = Path(spec) if Path(spec).is_absolute() else config.rootpath / spec
    more, kept = [str(word) for word in config.getini("labctl_up")], config.getoption("--labctl-keep")
    before = labs()
    try:
        name = boot(path, more)
    except BaseException:
        left = name_of(path, more)
        if not kept and left in labs() - before:  # labctl keeps a lab that got far, for a look
            take_down(str(left))
        raise
    try:
        yield from _open(name)
    finally:
        if not kept:
            take_down(name)


def _open(name: str) -> Iterator[RunningLab]:
    from labctl.testing import RunningLab

    lab = RunningLab(name)
    try:
        yield lab
    finally:
        lab.close()


def labs() -> set[str]:
    """Names of this user's labs."""
    from labctl.state import all_labs

    return {state.name for state in all_labs()}


def name_of(spec: Path, more: list[str]) -> str | None:
    """The name that ``labctl up`` gives a spec's lab; None for what has none."""
    import yaml

    given = [word.partition("=")[2] for word in more if word.startswith("--name=")]
    given += [name for word, name in pairwise(more) if word == "--name"]
    if given:
        return given[-1]
    try:
        body = yaml.safe_load(spec.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    name = body.get("name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


def boot(spec: Path, more: list[str]) -> str:
    """``labctl up``; the lab's name. A lab that does not come up fails the test that asked for it."""
    import json

    arguments = [*PROGRAM, "up", str(spec), "--no-verify", "--json", *more]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"labctl up {spec}: exit code {done.returncode}\n{done.stderr}", pytrace=False)
    return str(json.loads(done.stdout)["lab"])


def take_down(name: str) -> None:
    """``labctl down``."""
    done = subprocess.run([*PROGRAM, "down", name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"labctl down {name}: exit code {done.returncode}\n{done.stderr}", pytrace=False)
