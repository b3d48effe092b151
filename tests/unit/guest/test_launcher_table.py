"""The table of launchers: each row leads to one, and another one is a module and a row."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from labctl.guest.agent import wire
from labctl.guest.image import GuestImage
from labctl.guest.launchers import AUTO, LAUNCHERS, Row, note, refusal, start_guest
from labctl.guest.machine import Machine, spawn
from labctl.waiting import Deadline, NotYet, wait_for


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
    module.start = lambda name, image, machine: (name, image.key, machine.memory_mb)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(LAUNCHERS, "fake", Row("a_launcher"))  # type: ignore[arg-type]
    image = GuestImage(tmp_path, "key")
    assert refusal("fake", image) == "fake not with key, True"
    assert note("fake") == ""
    machine = Machine(300, tmp_path, tmp_path / "console.log", tmp_path / "agent.sock")
    started: Any = start_guest("fake", image, machine)
    assert started == ("fake", "key", 300)


SPEAKER = """
import os, sys
channel = int(sys.argv[1])
print("up", flush=True)
os.write(channel, bytes.fromhex(sys.argv[2]))
while os.read(channel, 100):
    pass
sys.exit(7)
"""


def test_a_guest_inherits_its_channel_and_ends_with_it(tmp_path: Path) -> None:
    """Any program is one here: it says a frame, and ends when its channel does."""
    machine = Machine(1, tmp_path, tmp_path / "console.log", tmp_path / "agent.sock")

    def command(channel: int) -> list[str]:
        return [sys.executable, "-S", "-c", SPEAKER, str(channel), wire.frame(wire.PING, 0).hex()]

    guest = spawn("fake", machine, command, window=100)
    try:
        wait_for(lambda: guest.answers() or NotYet("silent"), Deadline(10), every=0.005)
        assert guest.exit_code() is None
        assert guest.process.args[:4] == ["setpriv", "--pdeathsig", "KILL", "--"]
        assert machine.agent_disk.stat().st_size % 65536 == 0
    finally:
        guest.power_off()
    assert (guest.exit_code(), guest.console_text()) == (7, "up\n")
    assert (machine.console.stat().st_mode & 0o777, machine.socket.exists()) == (0o600, False)
