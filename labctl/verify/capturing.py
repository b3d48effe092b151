"""Captures: around one action, judged against what ``checks.yaml`` expects; and those that go on for long."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field

from labctl.errors import LabctlError
from labctl.guest.api import Capture
from labctl.nxos.tables import rows
from labctl.pace import limit
from labctl.verify.capture.match import ExpectedPacket, ExpectedStack, find
from labctl.verify.capture.packet import decode
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Command, Unanswered
from labctl.verify.values import CaptureInput, PortChannelOf, PortChannelsInput, StackInput
from labctl.verify.verdict import CheckResult, Judgement, fails, passes

GATEWAY_MACS = "show mac address-table"


@dataclass(slots=True)
class Taken:
    """What came of the captures of one input: place → pcap bytes, or why there are none."""

    pcaps: dict[str, bytes] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)


Addresses = Mapping[str, frozenset[str]]
"""Resolved addresses: ``from`` and ``to`` of pods, ``endpoints`` of the Service."""


@contextmanager
def capturing(lab: LabUnderTest, inputs: Sequence[CaptureInput]) -> Iterator[list[Taken]]:
    """Capture at every place of every input while the body runs; results are there when it is over."""
    results = [Taken() for _ in inputs]
    running: list[tuple[Taken, str, Capture]] = []
    jobs = [(taken, place, row) for taken, row in zip(results, inputs, strict=True) for place in row.at]

    def begin(job: tuple[Taken, str, CaptureInput]) -> None:
        taken, place, row = job
        interface = (
            row.interface if isinstance(row.interface, str) else channel_of(lab, place, row.interface.port_channel_of)
        )
        try:
            running.append((taken, place, lab.observer.endpoints.capture(place, interface)))
        except LabctlError as error:
            taken.troubles[place] = str(error)

    with ThreadPoolExecutor(max(1, len(jobs))) as pool:
        for begun in [pool.submit(copy_context().run, begin, job) for job in jobs]:
            begun.result()
    try:
        yield results
    finally:
        for taken, place, capture in running:
            try:
                taken.pcaps[place] = capture.stop()
            except LabctlError as error:
                taken.troubles[place] = str(error)


def channel_of(lab: LabUnderTest, switch: str, node: str) -> str:
    """The leaf's port-channel towards a node: that whose members are wired to the node."""
    ports = {port for port, (other, _) in lab.folder.lab.neighbors(switch) if other == node}
    rows = [row for row in lab.parts(PortChannelsInput) if row.switch == switch]
    for channel in (channel for row in rows for channel in row.channels):
        if ports.intersection(channel.members):
            return f"port-channel{channel.channel}"
    return min(ports, default="port-channel")


def judge(lab: LabUnderTest, name: str, row: CaptureInput, taken: Taken, addresses: Addresses) -> CheckResult:
    """One input: a fitting packet at one of its places (the hash decides which leaf carries a flow)."""
    files = tuple(lab.observer.evidence.capture(f"{name}.{place}", data) for place, data in sorted(taken.pcaps.items()))
    where = row.interface if isinstance(row.interface, str) else f"port-channel of {row.interface.port_channel_of}"
    where = f"{where} of {' or '.join(row.at)}"
    try:
        judgement = _judge(taken, resolve(lab, row, addresses), where)
    except Unanswered as unanswered:
        judgement = Judgement("INCONCLUSIVE", str(unanswered))
    return judgement.of(f"{name}.capture.{'-'.join(row.at)}", f"packets at {where}", captures=files)


def _judge(taken: Taken, packet: ExpectedPacket, where: str) -> Judgement:
    expected, nearest = packet.as_json(), []
    troubles = "; ".join(taken.troubles.values())
    for place, data in sorted(taken.pcaps.items()):
        found = find(decode(data), packet)
        if found.packets:
            first = found.packets[0].describe()
            seen = {"at": place, "packets": len(found.packets), "first": first}
            return passes(f"{place}: {len(found.packets)} packets as expected: {first}", expected, seen)
        nearest.append(f"{place}: {found.nearest} ({found.seen} packets)")
    if not nearest:
        return Judgement("INCONCLUSIVE", f"nothing was captured at {where}: {troubles}", expected)
    if troubles:
        told = f"not every place of {where} could be captured: {troubles}"
        return Judgement("INCONCLUSIVE", told, expected, nearest)
    return fails(f"no packet at {where} is as expected; {'; '.join(nearest)}", expected, nearest)


def resolve(lab: LabUnderTest, row: CaptureInput, addresses: Addresses) -> ExpectedPacket:
    """The input's rules by addresses and MACs that are true now. Raises `Unanswered`."""
    expect, at = row.expect, row.interface
    return ExpectedPacket(
        _stack(expect.inner, addresses), _stack(expect.outer, addresses) if expect.outer else None, expect.vlan,
        gateway_macs(lab, row) if expect.source_mac else None, expect.encapsulated,
        frozenset({bond_mac(lab, at.port_channel_of)}) if isinstance(at, PortChannelOf) else None,
    )  # fmt: skip


def _stack(row: StackInput, addresses: Addresses) -> ExpectedStack:
    source = frozenset({row.source}) if isinstance(row.source, str) else addresses[row.source.pod]
    target = (
        frozenset({row.target}) if isinstance(row.target, str) else addresses[getattr(row.target, "pod", "endpoints")]
    )
    return ExpectedStack(source, target, row.protocol, row.port)


def bond_mac(lab: LabUnderTest, node: str) -> str:
    """The MAC of a node's bond, from the node."""
    text, _ = lab.observer.ask(Command("node", node, "ip -j link show dev bond0"))
    try:
        return str(json.loads(text)[0]["address"])
    except (ValueError, LookupError):
        raise Unanswered(f"{node}: bond0 has no MAC") from None


def gateway_macs(lab: LabUnderTest, row: CaptureInput) -> frozenset[str]:
    """Every MAC that the leafs call a gateway's (G in ``show mac address-table``)."""
    found: set[str] = set()
    for place in row.at:
        body, _ = lab.observer.ask(Command("nxos", place, GATEWAY_MACS))
        for entry in rows(body, "mac_address"):
            if entry.get("disp_type") == "G":
                digits = str(entry["disp_mac_addr"]).replace(".", "")
                found.add(":".join(digits[start : start + 2] for start in range(0, 12, 2)))
    return frozenset(found)


class Reader:
    """What ``read`` gives, read from now on."""

    def __init__(self, read: Callable[[], bytes | None]) -> None:
        self._read = read
        self._data = bytearray()
        self._trouble: LabctlError | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while (piece := self._read()) is not None:
                self._data += piece
        except LabctlError as error:
            self._trouble = error

    @property
    def text(self) -> str:
        """So far; why reading broke is what is read last."""
        return self._data.decode(errors="replace") + (f"\n{self._trouble}\n" if self._trouble else "")

    @property
    def over(self) -> bool:
        """Whether there is no more."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Until it is over, or as long as an end may take."""
        self._thread.join(limit("end"))


class Recording(Reader):
    """Reads a capture from now on."""

    def __init__(self, capture: Capture) -> None:
        super().__init__(capture.read)
        self._capture = capture

    def stop(self) -> bytes:
        """End it and give the whole pcap file. Raises what reading raised."""
        self._capture.end()
        self.join()
        self._capture.close()
        if self._trouble is not None:
            raise self._trouble
        return bytes(self._data)

    def close(self) -> None:
        """Give it up."""
        self._capture.close()
