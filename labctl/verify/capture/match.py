"""Expected packet against captured ones, pure: which fit, and why the nearest did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainSerializer, TypeAdapter
from pydantic.dataclasses import dataclass as form

from labctl.verify.capture.packet import Packet

BY_NAME = ConfigDict(populate_by_name=True)
AnyOf = Annotated[frozenset[str], PlainSerializer(sorted)]


@form(frozen=True, config=BY_NAME)
class ExpectedStack:
    """One header: any of the given addresses."""

    sources: Annotated[AnyOf, Field(alias="source")]
    targets: Annotated[AnyOf, Field(alias="target")]
    protocol: str | None = None
    port: int | None = None


@form(frozen=True, config=BY_NAME)
class ExpectedPacket:
    """What a packet must be. ``macs``: one of them is in the outermost frame (a node's own)."""

    inner: ExpectedStack
    outer: ExpectedStack | None = None
    vlan: int | None = None
    source_macs: Annotated[AnyOf | None, Field(alias="source_mac")] = None
    encapsulated: bool | None = None
    macs: Annotated[AnyOf | None, Field(alias="mac_of_the_port")] = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ExpectedPacket:
        """What `as_json` wrote. Raises `ValueError` for anything else."""
        return TypeAdapter(cls).validate_python(body)

    def as_json(self) -> dict[str, Any]:
        """For the evidence."""
        body: dict[str, Any] = TypeAdapter(ExpectedPacket).dump_python(self, by_alias=True, exclude_none=True)
        return body


@dataclass(frozen=True, slots=True)
class Found:
    """Packets that fit; ``nearest`` says what was wrong with the one that fits best."""

    packets: tuple[Packet, ...]
    seen: int
    nearest: str
    almost: Packet | None = None
    """That one."""


def find(packets: Sequence[Packet], expected: ExpectedPacket) -> Found:
    """All that fit."""
    wrong = [(packet, differences(packet, expected)) for packet in packets]
    fitting = tuple(packet for packet, trouble in wrong if not trouble)
    near = [(packet, trouble) for packet, trouble in wrong if trouble and _addresses(packet, expected)]
    if not near:
        return Found(fitting, len(packets), "none has these addresses" if packets else "no packet at all")
    almost, trouble = min(near, key=lambda row: len(row[1]))
    return Found(fitting, len(packets), f"{'; '.join(trouble)}: {almost.describe()}", almost)


def _addresses(packet: Packet, expected: ExpectedPacket) -> bool:
    inner = packet.inner
    return inner is not None and inner.source in expected.inner.sources and inner.target in expected.inner.targets


def differences(packet: Packet, expected: ExpectedPacket) -> list[str]:
    """What is wrong with a packet; empty when it fits."""
    wrong: list[str] = []
    inner = packet.inner
    if inner is None:
        return ["no IP"]
    if inner.source not in expected.inner.sources:
        wrong.append(f"source {inner.source}")
    if inner.target not in expected.inner.targets:
        wrong.append(f"target {inner.target}")
    if expected.inner.protocol and inner.protocol != expected.inner.protocol:
        wrong.append(f"protocol {inner.protocol}")
    if expected.inner.port and expected.inner.port != inner.target_port:
        wrong.append(f"port {inner.target_port}")
    wrong += _outer(packet, expected)
    frame = packet.frames[0]
    if expected.vlan is not None and frame.vlan != expected.vlan:
        wrong.append(f"VLAN {frame.vlan}, not {expected.vlan}")
    if expected.source_macs is not None and frame.source not in expected.source_macs:
        wrong.append(f"source MAC {frame.source}, not one that the leaf calls its own")
    if expected.macs is not None and not {frame.source, frame.target} & expected.macs:
        wrong.append("not of this port")
    return wrong


def _outer(packet: Packet, expected: ExpectedPacket) -> list[str]:
    outer = packet.outer
    if expected.outer is None:
        if expected.encapsulated:
            return [] if outer is not None else ["not encapsulated"]
        if outer is not None:
            return [f"encapsulated by {outer.protocol} {outer.source} > {outer.target}"]
        return []
    if outer is None:
        return ["not encapsulated"]
    wrong = []
    if outer.source not in expected.outer.sources or outer.target not in expected.outer.targets:
        wrong.append(f"outer {outer.source} > {outer.target}")
    if expected.outer.protocol and outer.protocol != expected.outer.protocol:
        wrong.append(f"outer protocol {outer.protocol}")
    return wrong
