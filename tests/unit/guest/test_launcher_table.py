"""The table of launchers: each row leads to one, and another one is a module and a row."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from labctl.guest.image import GuestImage
from labctl.guest.launchers import AUTO, LAUNCHERS, Row, note, refusal, start_guest
from labctl.guest.machine import Machine


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_row_leads_to_a_launcher(name: str) -> None:
    found = import_module(LAUNCHERS[name].module)
    assert all(callable(getattr(found, verb)) for verb in ("refusal", "start"))
    assert ("memory" in note(name)) == (name == "uml")


def test_auto_leaves_out_what_is_for_those_who_ask() -> None:
    assert set(LAUNCHERS) - set(AUTO) == {"netns"}
    assert refusal("nothing", GuestImage(Path("/"), "key")) == f"unknown; there are {', '.join(LAUNCHERS)}"


def test_another_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module: Any = ModuleType("a_launcher")
    module.refusal = lambda name, image, *, load: f"{name} not with {image.key}, {load}"
    module.start = lambda name, image, machine, **places: (
        name, machine.memory_mb, places["disk"].stat().st_size % 65536
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(LAUNCHERS, "fake", Row("a_launcher"))  # type: ignore[arg-type]
    image = GuestImage(tmp_path, "key")
    assert refusal("fake", image) == "fake not with key, True"
    assert note("fake") == ""
    started: Any = start_guest("fake", image, Machine(300), workdir=tmp_path, console=tmp_path / "console.log")
    assert started == ("fake", 300, 0)
