"""``labctl setup build``: what is there stays, what is damaged is brought anew, silence is broken by a heartbeat."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import HostError
from labctl.setup import parts as building
from labctl.setup.parts import parts, setup_status


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, fill: Callable[[Path], Path], tmp_path: Path) -> list[str]:
    """Builders that copy what a whole cache has, when they would build; each call is noted."""
    import shutil

    store, noted = fill(tmp_path / "store"), list[str]()

    def builder(index: int, name: str) -> Callable[[Path, Callable[[str], None]], None]:
        def bring(cache: Path, progress: Callable[[str], None], **_: object) -> None:
            part = parts(cache)[index]
            noted.append(name)
            if not (part.folder / "manifest.json").exists():
                progress(f"building {name}")
                shutil.rmtree(part.folder, ignore_errors=True)
                shutil.copytree(parts(store)[index].folder, part.folder)

        return bring

    monkeypatch.setattr(building, "build_image", builder(0, "image"))
    monkeypatch.setattr(building, "bring_binaries", builder(1, "binaries"))
    return noted


def test_everything_is_brought_in_order(tmp_path: Path, calls: list[str], said: list[str]) -> None:
    rows = building.build(tmp_path / "cache", said.append)
    assert calls == ["image", "binaries"]
    assert [(row.state, seconds is None) for row, seconds in rows] == [("whole", False)] * 2
    assert any(line.startswith("control plane: building binaries") for line in said)


def test_what_is_there_stays(cache: Path, calls: list[str], said: list[str]) -> None:
    rows = building.build(cache, said.append)
    assert [seconds for _, seconds in rows] == [None, None]
    assert said == []
    assert calls == []


@pytest.mark.parametrize("index", [0, 1])
def test_damage_that_has_the_right_size_is_repaired(cache: Path, calls: list[str], said: list[str], index: int) -> None:
    path = parts(cache)[index].folder / parts(cache)[index].files[0]
    path.write_bytes(path.read_bytes()[::-1])
    rows = building.build(cache, said.append)
    assert [seconds is not None for _, seconds in rows] == [index == 0, index == 1]
    assert any("broken" in line and "SHA-256" in line for line in said)
    assert all(row.state == "whole" for row in setup_status(cache, full=True))


def test_without_an_image_nothing_else_is_tried(
    tmp_path: Path, calls: list[str], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_cache: Path, _progress: object, **_: object) -> None:
        raise HostError("no packages")

    monkeypatch.setattr(building, "build_image", fails)
    with pytest.raises(HostError):
        building.build(tmp_path / "cache", said.append)
    assert calls == []


def test_heartbeat() -> None:
    lines: list[str] = []
    third = threading.Event()

    def progress(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            third.set()

    with building.heartbeat(progress, every=0.02) as tell:
        tell("building etcd")
        assert third.wait(10)
    assert lines[0] == "building etcd"
    assert all(line.startswith("building etcd: since ") for line in lines[1:])
    count = len(lines)
    threading.Event().wait(0.06)
    assert len(lines) == count  # it ends with its block


def test_no_heartbeat_before_anything_was_said() -> None:
    lines: list[str] = []
    with building.heartbeat(lines.append, every=0.01):
        threading.Event().wait(0.05)
    assert lines == []
