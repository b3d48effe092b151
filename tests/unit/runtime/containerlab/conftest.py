"""A lab's state folder, the host's paths, Docker and containerlab, none of them this machine's."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from labctl.cli.sources import planned
from labctl.render.folder import render_folder, write_folder
from labctl.runtime.containerlab.runtime import ContainerlabRuntime
from labctl.state import LabState, lab_state
from tests.unit.runtime.containerlab.world import Park, World

MINIMAL = Path(__file__).parents[4] / "topologies" / "minimal.yaml"
SCRIPT = Path(__file__).with_name("scripted_containerlab.py")
SITE = Path(yaml.__file__).parents[1]
HOSTS = "127.0.0.1\tlocalhost\n"


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """An artifact folder of the minimal topology under a name: 2 spines, 2 leafs, 3 nodes."""
    made: dict[str, Path] = {}

    def render(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("rendered") / name
            write_folder(render_folder(planned(MINIMAL, target=("standin", "standin"), name=name)[0]), made[name])
        return made[name]

    return render


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    folder = tmp_path / "w"
    (folder / "root" / "etc").mkdir(parents=True)
    (folder / "root" / "etc" / "hosts").write_text(HOSTS)
    (folder / "bin").mkdir()
    program = folder / "bin" / "containerlab"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={SITE} exec {sys.executable} -S {SCRIPT} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "s"))
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "c"))
    monkeypatch.setenv("LABCTL_TEST_WORLD", str(folder))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder / 'docker.sock'}")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("labctl.runtime.containerlab.clab.LOOK_EVERY", 0.02)  # a look costs what a whole test does else
    monkeypatch.setattr("labctl.runtime.containerlab.runtime.measure", lambda: 1.0)  # works for 0.15 s, in each test
    # a user with rights on Docker: containers are entered through its API, which the world can answer
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with World(folder).serving() as world:
        yield world


@dataclass(frozen=True)
class HostPaths:
    """Where containerlab leaves its marks on the host."""

    hosts: Path
    ssh_config: Path
    namespaces: Path
    backups: Path
    interfaces: Path


@pytest.fixture
def paths(world: World, monkeypatch: pytest.MonkeyPatch) -> HostPaths:
    """No test looks at this machine's."""
    root = world.folder / "root"
    paths = HostPaths(
        hosts=root / "etc" / "hosts",
        ssh_config=root / "ssh",
        namespaces=root / "netns",
        backups=root / "tmp" / ".clab" / "bak",
        interfaces=root / "net",
    )
    for name, path in (*vars(paths).items(), ("hosts_lock", root / "lock" / "hosts.lock"), ("proc", world.proc)):
        monkeypatch.setattr(f"labctl.runtime.containerlab.cleanup.{name.upper()}", path)
    monkeypatch.setattr("labctl.runtime.containerlab.endpoints.PROC", world.proc)
    return paths


class Labs:
    """Makes state folders with a rendered folder in them, and runtimes on them."""

    def __init__(self, world: World, rendered: Callable[[str], Path]) -> None:
        self._world = world
        self._rendered = rendered
        self.parks: dict[str, Park] = {}

    def state(self, name: str = "paper") -> LabState:
        state = lab_state(name)
        if not state.exists:
            state.make()
            shutil.copytree(self._rendered(name), state.folder)
        return state

    def runtime(self, name: str = "paper") -> ContainerlabRuntime:
        return ContainerlabRuntime(self.state(name))

    def park(self, name: str) -> Park:
        park = Park(self._world)
        self.parks[name] = park
        return park


@pytest.fixture
def labs(world: World, paths: HostPaths, rendered: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Labs:
    labs = Labs(world, rendered)
    monkeypatch.setattr("labctl.runtime.containerlab.repair.Parking", labs.park)
    return labs


@pytest.fixture
def told() -> list[str]:
    """Everything that was told as progress."""
    return []
