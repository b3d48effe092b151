"""The stand-in switch as a container's main process: ports, health, startup configuration, wires that come anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from labctl.nxos.tree import ConfigTree
from labctl.standin.switch import container
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.shell import Device
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for


class Recorder:
    """A platform that only notes what it is told."""

    patterns = ()

    def __init__(self) -> None:
        self.trees: list[str] = []
        self.plugged: list[set[str]] = []

    def apply(self, tree: ConfigTree) -> list[str]:
        self.trees.append(tree.text())
        return []

    def replugged(self, devices: Collection[str]) -> list[str]:
        self.plugged.append(set(devices))
        return []


@pytest.fixture
def network(tmp_path: Path) -> Callable[..., Path]:
    """``network(eth1=7)``: a /sys/class/net with these interfaces and indexes."""

    def make(**devices: int) -> Path:
        for name, index in devices.items():
            (tmp_path / "net" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "net" / name / "ifindex").write_text(f"{index}\n")
        return tmp_path / "net"

    return make


def test_ports_by_number_whatever_else_is_there(network: Callable[..., Path]) -> None:
    folder = network(lo=1, eth0=2, eth10=3, eth2=4, eth1=5, po11=6)
    assert list(container.front_panel(folder).items()) == [
        ("Ethernet1/1", "eth1"), ("Ethernet1/2", "eth2"), ("Ethernet1/10", "eth10"),
    ]  # fmt: skip


def test_it_waits_for_as_many_as_it_was_told(network: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "NETWORK", network(eth1=1))
    monkeypatch.setattr(container, "front_panel", lambda: {"Ethernet1/1": "eth1"})
    assert container.await_ports(1, 0.0) == {"Ethernet1/1": "eth1"}
    with pytest.raises(DeadlinePassed, match="1 of 2 ports are there"):
        container.await_ports(2, 0.0)


def test_health_is_vrnetlabs_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "HEALTH", tmp_path / "health")
    container.health(1, "starting")
    assert (tmp_path / "health").read_text() == "1 starting\n"
    container.health(0, "running")
    assert (tmp_path / "health").read_text() == "0 running\n"


def test_a_startup_configuration_is_typed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(container, "STARTUP", tmp_path / "startup-config.cfg")
    platform = Recorder()
    device = Device(RunningConfig("sw1", "10.5(4)", ("Ethernet1/1",)), platform)  # type: ignore[arg-type]
    container.take_startup(device)
    assert platform.trees == []
    (tmp_path / "startup-config.cfg").write_text("feature bgp\nno such line\nrouter bgp 65102\n  router-id 10.2.1.1\n")
    container.take_startup(device)
    assert len(platform.trees) == 1
    assert "router bgp 65102\n  router-id 10.2.1.1\n" in platform.trees[0]
    told = capsys.readouterr().out
    assert "startup-config.cfg:2: no such line: " in told
    assert "startup-config.cfg:1:" not in told


def test_links_that_come_anew_are_configured_again(
    network: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = network(eth1=7, eth2=8)
    monkeypatch.setattr(container, "_index", partial(container._index, network=folder))
    platform = Recorder()
    device = SimpleNamespace(lock=threading.RLock(), platform=platform)
    ports = {"Ethernet1/1": "eth1", "Ethernet1/2": "eth2"}
    threading.Thread(target=container.watch_wires, args=(device, ports, 0.01), daemon=True).start()

    def plugged() -> list[set[str]] | NotYet:
        return platform.plugged or NotYet("nothing yet")

    (folder / "eth2" / "ifindex").unlink()  # the neighbour is gone: nothing to be made
    with pytest.raises(DeadlinePassed):
        wait_for(plugged, Deadline(0.1), every=0.02)
    network(eth2=21)
    assert wait_for(plugged, Deadline(5.0), every=0.02) == [{"eth2"}]
