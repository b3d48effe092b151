"""Expected packet against captured ones, pure: which fit, and why the nearest did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labctl.verify.capture.packet import Packet


@dataclass(frozen=True, slots=True)
class ExpectedStack:
    """One header: any of the given addresses."""

    sources: frozenset[str]
    targets: frozenset[str]
    protocol: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class ExpectedPacket:
    """What a packet must be. ``macs``: one of them is in the outermost frame (a node's own)."""

    inner: ExpectedStack
    outer: ExpectedStack | None = None
    vlan: int | None = None
    source_macs: frozenset[str] | None = None
    encapsulated: bool | None = None
    macs: frozenset[str] | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ExpectedPacket:
        """What `as_json` wrote. Raises `ValueError` for anything else."""
        try:
            return cls(
                _read_stack(body["inner"]),
                _read_stack(body["outer"]) if body.get("outer") else None,
                body.get("vlan"),
                _read_set(body.get("source_mac")),
                body.get("encapsulated"),
                _read_set(body.get("mac_of_the_port")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no expected packet: {error!r}") from None

    def as_json(self) -> dict[str, Any]:
        """For the evidence."""
        body: dict[str, Any] = {"inner": _stack(self.inner)}
        if self.outer:
            body["outer"] = _stack(self.outer)
        if self.vlan is not None:
            body["vlan"] = self.vlan
        if self.source_macs is not None:
            body["source_mac"] = sorted(self.source_macs)
        if self.encapsulated is not None:
            body["encapsulated"] = self.encapsulated
        if self.macs is not None:
            body["mac_of_the_port"] = sorted(self.macs)
        return body


def _stack(stack: ExpectedStack) -> dict[str, Any]:
    body: dict[str, Any] = {"source": sorted(stack.sources), "target": sorted(stack.targets)}
    if stack.protocol:
        body["protocol"] = stack.protocol
    if stack.port:
        body["port"] = stack.port
    return body


def _read_stack(body: Mapping[str, Any]) -> ExpectedStack:
    return ExpectedStack(frozenset(body["source"]), frozenset(body["target"]), body.get("protocol"), body.get("port"))


def _read_set(words: Sequence[str] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(words)


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
    fitting, best, nearest = [], 99, "no packet at all" if not packets else "none has these addresses"
    almost = None
    for packet in packets:
        wrong = differences(packet, expected)
        if not wrong:
            fitting.append(packet)
        elif len(wrong) < best and (packet.inner is not None and _addresses(packet, expected)):
            best, almost, nearest = len(wrong), packet, f"{'; '.join(wrong)}: {packet.describe()}"
    return Found(tuple(fitting), len(packets), nearest, almost)


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
