"""The seam between the switch's command line and what carries the packets.

The command line (`labctl.standin.switch.shell`) owns the configuration tree; a `Platform` makes the machine
do what the tree says and answers show commands from what the machine really does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from labctl.nxos.tree import ConfigTree
from labctl.peers import NXOS_DEFAULT


@dataclass(frozen=True, slots=True)
class SwitchIdentity:
    """What a switch is before any configuration: its box, not its role.

    ``interfaces`` maps NX-OS names to kernel names in its namespace (``Ethernet1/1`` → ``eth1``).
    ``management`` is mgmt0's address with prefix length (``172.20.20.11/24``).
    """

    name: str
    namespace: str | None
    interfaces: Mapping[str, str]
    management: str | None = None
    management_interface: str = "eth0"
    gateway: str | None = None
    """Of the management network; None: its first address."""
    serves: bool = False
    """Whether this box itself is logged in to over the management interface (a container)."""
    nxos_version: str = NXOS_DEFAULT


class UnknownShow(Exception):
    """A show command (or a word of one) that is not known; ``word`` is the index of the offending word."""

    def __init__(self, word: int) -> None:
        super().__init__(f"unknown word {word}")
        self.word = word


class Platform(Protocol):
    """What makes the configuration true.

    ``patterns``: the show commands that it answers, as the grammar writes them, without ``show``.
    """

    @property
    def patterns(self) -> Sequence[str]: ...

    def start(self) -> None:
        """Prepare the empty box (management interface, loopback); no routing process runs yet."""

    def apply(self, tree: ConfigTree) -> list[str]:
        """Make the machine do what the tree says; returns log lines (what could not be done, with the reason).

        Called with the whole tree after each burst of configuration; applies the difference. Blocks until done.
        """

    def show(self, words: tuple[str, ...], *, as_json: bool) -> str:
        """Answer ``show WORDS``, from the running machine; the text has NX-OS's layout. Raises `UnknownShow`."""

    def clear(self, words: tuple[str, ...]) -> str:
        """Do ``clear WORDS``; empty when it was done, else what the switch says instead."""

    def stop(self) -> None:
        """End every process that it started."""
