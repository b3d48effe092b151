"""The captures of a check, read again: which packet it was judged by, drawn beside the paper's where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labctl.report.evidencefolder import EvidenceFolder
from labctl.report.layers import Layer, expected_layers, layers
from labctl.report.printed import Printed, printed_like
from labctl.verify.capture.match import ExpectedPacket, differences, find
from labctl.verify.capture.packet import Packet, decode, http_request


@dataclass(frozen=True, slots=True)
class CaptureShown:
    """One pcap file. ``wrong`` says why the packet that is shown does not fit; empty when it does."""

    file: str
    there: bool
    packets: int = 0
    fitting: int = 0
    expected: tuple[Layer, ...] = ()
    layers: tuple[Layer, ...] = ()
    wrong: tuple[str, ...] = ()
    printed: Printed | None = None

    @property
    def sentence(self) -> str:
        """What there is in the file."""
        if not self.there:
            return "the file is missing"
        if not self.packets:
            return "no packet"
        packets = f"{self.packets} packet{'s' * (self.packets != 1)}"
        return (
            f"{packets}, {self.fitting} as expected" if self.fitting or self.wrong else f"{packets}, none as expected"
        )


def captures_shown(folder: EvidenceFolder, check: Mapping[str, Any]) -> tuple[CaptureShown, ...]:
    """Every pcap of a check, in its order. What cannot be read is shown as missing, never left out."""
    try:
        expected = ExpectedPacket.from_json(check.get("expected") or {})
    except ValueError:
        expected = None
    return tuple(_shown(folder, str(name), expected) for name in check.get("captures") or ())


def _shown(folder: EvidenceFolder, name: str, expected: ExpectedPacket | None) -> CaptureShown:
    data = folder.read(name)
    if data is None:
        return CaptureShown(name, there=False)
    packets = decode(data)
    if expected is None:
        return CaptureShown(name, there=True, packets=len(packets))
    found = find(packets, expected)
    wanted = expected_layers(expected)
    packet = _telling(found.packets) or found.almost
    if packet is None:
        return CaptureShown(name, there=True, packets=len(packets), expected=wanted)
    drawn = layers(packet)
    wrong = () if found.packets else tuple(differences(packet, expected))
    return CaptureShown(
        name, there=True, packets=len(packets), fitting=len(found.packets), expected=wanted, layers=drawn, wrong=wrong,
        printed=printed_like(drawn),
    )  # fmt: skip


def _telling(packets: Sequence[Packet]) -> Packet | None:
    """The first that carries an HTTP request, else the first: a SYN says less."""
    with_request = (
        packet for packet in packets if packet.inner is not None and http_request(packet.inner.payload) is not None
    )
    return next(with_request, packets[0] if packets else None)


def all_captures(folder: EvidenceFolder) -> Iterator[tuple[str, int | None, int]]:
    """(file, packets or None when it is missing, bytes) of every capture that a check names, each once."""
    named = [str(name) for check in folder.checks for name in check.get("captures") or ()]
    for name in dict.fromkeys(named):
        data = folder.read(name)
        yield name, None if data is None else len(decode(data)), len(data or b"")
