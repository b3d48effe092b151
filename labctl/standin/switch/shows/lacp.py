"""``show lacp neighbor``: the partner's LACPDU of each member port, as the kernel last received it.

The kernel's text is ``/proc/net/bonding/poN`` (Linux, Documentation/networking/bonding.rst); states are bytes of
IEEE 802.1AX flags. The kernel does not tell how old a LACPDU is: the Age column is ``-``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labctl.standin.switch.dataplane.names import kernel_name, nxos_name
from labctl.standin.switch.shows.form import short, table
from labctl.standin.switch.shows.machine import Source, bond_texts, link_states

ACTIVE, FAST = 0x01, 0x02
FLAGS = """\
Flags:  S - Device is sending Slow LACPDUs F - Device is sending Fast LACPDUs
        A - Device is in Active mode       P - Device is in Passive mode"""
SYSTEM_HEAD = """\
Partner's information
            Partner                Partner                     Partner
Port        System ID              Port Number     Age         Flags"""
PORT_HEAD = """\

            LACP Partner           Partner                     Partner
            Port Priority          Oper Key                    Port State"""


@dataclass(frozen=True, slots=True)
class Partner:
    """What the other end says of itself; ``speed`` (Mbit/s, None: unknown) and ``duplex`` are the port's own."""

    port: str
    speed: int | None
    duplex: str
    system_priority: int
    system: str
    port_priority: int
    number: int
    key: int
    state: int
    actor_state: int

    @property
    def flags(self) -> str:
        return ("F" if self.state & FAST else "S") + ("A" if self.state & ACTIVE else "P")


def partners(source: Source) -> dict[str, list[Partner]]:
    """Port-channel → its members' partners, read now."""
    links = link_states(source)
    names = [kernel_name(channel.name) for channel in source.model.kind("port-channel")]
    return {nxos_name(name): parse(text) for name, text in bond_texts(source, [n for n in names if n in links]).items()}


def members(source: Source) -> dict[str, Partner]:
    """By member port (NX-OS name); the kernel's bonding files are the only place that tells a port's speed."""
    return {row.port: row for rows in partners(source).values() for row in rows}


def parse(text: str) -> list[Partner]:
    """Pure: the kernel's text of one bond."""
    return [_partner(part) for part in re.split(r"\n(?=Slave Interface: )", text)[1:]]


def _partner(text: str) -> Partner:
    actor, _, partner = text.partition("details partner lacp pdu:")
    duplex = re.search(r"^Duplex: (full|half)$", actor, re.MULTILINE)
    speed = re.search(r"^Speed: (\d+) Mbps", actor, re.MULTILINE)

    def value(where: str, name: str) -> str:
        found = re.search(rf"^\s+{name}: (\S+)", where, re.MULTILINE)
        return found[1] if found else ""

    def number(where: str, name: str) -> int:
        return int(value(where, name) or "0")

    name = re.match(r"Slave Interface: (\S+)", text)
    return Partner(
        nxos_name(name[1] if name else ""),
        int(speed[1]) if speed else None,
        duplex[1] if duplex else "auto",
        number(partner, "system priority"),
        value(partner, "system mac address"),
        number(partner, "port priority"),
        number(partner, "port number"),
        number(partner, "oper key"),
        number(partner, "port state"),
        number(actor, "port state"),
    )


def as_text(found: Mapping[str, list[Partner]]) -> str:
    """NX-OS's layout."""
    lines = [FLAGS]
    for channel, members in found.items():
        lines.append(f"{channel} neighbors")
        for row in members:
            mac = "-".join(f"{int(part, 16):x}" for part in row.system.split(":") if part)
            system = f"{row.system_priority},{mac}"
            lines += [
                SYSTEM_HEAD,
                f"{short(row.port):<11} {system:<22} {row.number:<#15x} {'-':<11} {row.flags}",
                PORT_HEAD,
                f"            {row.port_priority:<22} {row.key:<#27x} {row.state:#x}",
            ]
    return "\n".join(lines)


def as_json(found: Mapping[str, list[Partner]]) -> dict[str, Any]:
    """``TABLE_interface``/``ROW_interface`` with ``TABLE_member``/``ROW_member``."""
    return table(
        "interface",
        [
            {
                "interface": channel,
                **table(
                    "member",
                    [
                        {
                            "port": row.port,
                            "partner-mac": row.system,
                            "partner-port-state": f"{row.state:#x}",
                            "actor-port-state": f"{row.actor_state:#x}",
                        }
                        for row in members
                    ],
                ),
            }
            for channel, members in found.items()
        ],
    )
