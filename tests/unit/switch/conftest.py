"""A switch without a machine: the platform remembers what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from labctl.nxos.tree import ConfigTree
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.shell import Device, Shell


@dataclass
class RememberingPlatform:
    """Platform that answers ``show clock`` (and takes some words that other commands begin like)."""

    patterns: tuple[str, ...] = (
        "clock",
        "ip bgp summary [vrf <name>]",
        "ip route [vrf <name>]",
        "ipv6 route",
        "vpc",
        "vlan",
    )
    applied: list[ConfigTree] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    cleared: list[tuple[str, ...]] = field(default_factory=list)
    words: str = ""
    """What is said to ``clear``."""

    def apply(self, tree: ConfigTree) -> list[str]:
        self.applied.append(tree)
        return self.trouble

    def show(self, words: tuple[str, ...], *, as_json: bool) -> str:
        if words[:1] != ("clock",):
            return " ".join(words)
        return '{"time": "12:00"}' if as_json else "12:00\nTime source is NTP"

    def clear(self, words: tuple[str, ...]) -> str:
        self.cleared.append(words)
        return self.words


class Console:
    """A session, and lines typed into it."""

    def __init__(self, name: str = "sw1") -> None:
        self.platform = RememberingPlatform()
        self.device = Device(RunningConfig(name), self.platform)
        self.shell = Shell(self.device)

    def type(self, *lines: str) -> list[str]:
        """What each line answers."""
        return [self.shell.execute(line) for line in lines]

    def configure(self, *lines: str) -> None:
        """Lines that must be taken in silence, from ``configure terminal`` to ``end``."""
        for line in ("configure terminal", *lines, "end"):
            assert self.shell.execute(line) == "", line

    @property
    def running(self) -> str:
        return self.device.config.tree().text()


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def new_console() -> type[Console]:
    return Console
