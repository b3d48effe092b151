"""Booted tests: one guest at a time, each module cleans up after itself and shows that nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.dockerhost import DockerHost, docker_host
from tests.integration.harness import WHITEPAPER, Labctl, clean_user, edit_deadlines
from tests.integration.launchers import soon


@pytest.fixture(scope="module")
def labctl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labctl]:
    """A labctl whose labs are gone when the module is over, which is asserted."""
    with clean_user(tmp_path_factory.mktemp("state")) as user:
        yield user


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerHost]:
    """The emulated machine with Docker; booted for the first test that needs it."""
    with docker_host(tmp_path_factory.mktemp("docker")) as host:
        yield host


@pytest.fixture
def folder(labctl: Labctl, tmp_path: Path) -> Callable[..., Path]:
    """``folder()``: the white paper's folder, to be edited; ``folder(bond=10)``: of a lab that misses that gate."""

    def make(spec: Path = WHITEPAPER, **deadlines: float) -> Path:
        path = tmp_path / "edited"
        labctl("generate", spec, "-o", path).expect(0)
        if deadlines:
            edit_deadlines(path, **{gate: soon(seconds) for gate, seconds in deadlines.items()})
        return path

    return make
