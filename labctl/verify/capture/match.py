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
        return FORM.validate_python(body)

    def as_json(self) -> dict[str, Any]:
        """For the evidence."""
        body: dict[str, Any] = FORM.dump_python(self, by_alias=True, exclude_none=True)
        return body


FORM = TypeAdapter(ExpectedPacket)


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
    inner, wanted = packet.inner, expected.inner
    if inner is None:
        return ["no IP"]
    frame, vlan, sources, macs = packet.frames[0], expected.vlan, expected.source_macs, expected.macs
    rules = (
        (inner.source not in wanted.sources, f"source {inner.source}"),
        (inner.target not in wanted.targets, f"target {inner.target}"),
        (wanted.protocol and inner.protocol != wanted.protocol, f"protocol {inner.protocol}"),
        (wanted.port and inner.target_port != wanted.port, f"port {inner.target_port}"),
        *_outer(packet, expected),
        (vlan is not None and frame.vlan != vlan, f"VLAN {frame.vlan}, not {vlan}"),
        (sources is not None and frame.source not in sources,
         f"source MAC {frame.source}, not one that the leaf calls its own"),
        (macs is not None and not {frame.source, frame.target} & macs, "not of this port"),
    )  # fmt: skip
    return [text for broken, text in rules if broken]


def _outer(packet: Packet, expected: ExpectedPacket) -> list[tuple[object, str]]:
    outer, wanted = packet.outer, expected.outer
    if outer is None:
        return [(wanted is not None or expected.encapsulated, "not encapsulated")]
    way = f"{outer.source} > {outer.target}"
    if wanted is None:
        return [(not expected.encapsulated, f"encapsulated by {outer.protocol} {way}")]
    return [
        (outer.source not in wanted.sources or outer.target not in wanted.targets, f"outer {way}"),
        (wanted.protocol and outer.protocol != wanted.protocol, f"outer protocol {outer.protocol}"),
    ]
