"""The second processor of an emulated guest: what is held before it is switched on."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from labctl.guest.agent.processors import SO_TIMESTAMP, switch_on
from labctl.guest.machine import ALONE, BOOT


def test_a_socket_with_timestamps_is_kept_and_the_processor_switched_on(tmp_path: Path) -> None:
    with switch_on(str(tmp_path / "online")) as kept:
        assert kept.getsockopt(socket.SOL_SOCKET, SO_TIMESTAMP) == 1
        assert kept.family == socket.AF_INET, "one of AF_UNIX would hold nothing (sock_needs_netstamp)"
        assert (tmp_path / "online").read_text() == "1"


def test_nothing_is_switched_on_when_it_cannot_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> socket.socket:
        raise OSError("refused")

    monkeypatch.setattr(socket, "create_connection", refused)
    with pytest.raises(OSError, match="refused"):
        switch_on(str(tmp_path / "online"))
    assert not (tmp_path / "online").exists()


@pytest.mark.parametrize("alone", [True, False])
def test_the_agents_program_is_python_with_and_without_a_processor_to_switch_on(alone: bool) -> None:
    """As the boot script puts it together: what stands before it is empty on all launchers but QEMU's emulation."""
    boot = BOOT.format(modules="", alone=ALONE)
    switch = "" if alone else re.findall(r'^ *switch="(.+)"$', boot, re.MULTILINE)[0].replace("$second", "/dev/null")
    (program,) = re.findall(r'^python3 -S -c "(.+)" &$', boot, re.MULTILINE)
    text = program.replace("${switch}", switch).replace("$switch", switch)
    compile(text, "boot", "exec")
    assert ("switch_on('/dev/null')" in text) is not alone
    assert text.endswith("from labctl.guest.agent.main import main; main()")
