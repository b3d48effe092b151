"""What was lost of a ping, out of the packets at its sender's interface. Pure.

A request without a reply is lost, wherever it was lost. An outage lasts from the last answered request before it to the
first answered one after it; it is as exact as the ping's interval. Requests so young at the end of the capture that
their reply may be on its way are neither answered nor lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from labctl.verify.capture.packet import Header, Packet

SETTLE = 0.5
"""Seconds that a request at the end of a capture had at the least before it is called lost."""
NEAR = 1 << 15
"""A sequence number that comes again within half its range is the same packet seen twice, not a new round."""


Probe = tuple[float, bool]
"""When an echo request was sent, by the capture's clock, and whether its reply came."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Requests in a row without a reply. ``begin``: the last answered request before (the first of all where none
    was); ``end``: the first answered one after, None where none came."""

    begin: float
    end: float | None
    lost: int
    last: float
    """The last lost request of it."""

    @property
    def ms(self) -> float:
        """How long, in milliseconds; one that did not end lasts to its last request."""
        return (self.last if self.end is None else self.end) * 1000 - self.begin * 1000


@dataclass(frozen=True, slots=True)
class Loss:
    """Of one ping."""

    requests: int
    answered: int
    in_flight: int
    began: float
    ended: float
    outages: tuple[Outage, ...]

    @property
    def lost(self) -> int:
        """Packets."""
        return sum(outage.lost for outage in self.outages)

    @property
    def longest_ms(self) -> float:
        """Of the longest outage; 0 where nothing was lost."""
        return max((outage.ms for outage in self.outages), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """For the evidence: numbers, and each outage with its place in the ping."""
        return {
            "requests": self.requests, "answered": self.answered, "in_flight": self.in_flight, "lost": self.lost,
            "longest_ms": round(self.longest_ms, 1), "seconds": round(self.ended - self.began, 3),
            "outages": [
                {"after_s": round(outage.begin - self.began, 3), "ms": round(outage.ms, 1), "lost": outage.lost,
                 "ended": outage.end is not None}
                for outage in self.outages
            ],
        }  # fmt: skip


def measure(packets: Iterable[Packet], source: str, target: str, *, settle: float = SETTLE) -> Loss:
    """The loss of the ping from ``source`` to ``target``; of several, of the one with the most requests."""
    echoes = [(packet.time, header) for packet in packets for header in _echoes(packet, source, target)]
    asked = Counter(header.identifier for _, header in echoes if header.echo == "request")
    if not asked:
        return Loss(0, 0, 0, 0.0, 0.0, ())
    identifier = asked.most_common(1)[0][0]
    probes = _probes([(time, header) for time, header in echoes if header.identifier == identifier])
    ended = max(time for time, _ in echoes)
    settled = [(time, answered) for time, answered in probes if answered or time <= ended - settle]
    count = sum(answered for _, answered in probes)
    return Loss(len(probes), count, len(probes) - len(settled), probes[0][0], ended, tuple(_outages(settled)))


def _echoes(packet: Packet, source: str, target: str) -> list[Header]:
    header = packet.inner
    if header is None or header.sequence is None:
        return []
    wanted = (source, target) if header.echo == "request" else (target, source)
    return [header] if (header.source, header.target) == wanted else []


def _probes(echoes: Sequence[tuple[float, Header]]) -> list[Probe]:
    probes: list[Probe] = []
    newest: dict[int, int] = {}
    for time, header in echoes:
        assert header.sequence is not None  # noqa: S101 - chosen by it
        index = newest.get(header.sequence)
        if header.echo == "request":
            if index is not None and len(probes) - index < NEAR:
                continue
            newest[header.sequence] = len(probes)
            probes.append((time, False))
        elif index is not None:
            probes[index] = probes[index][0], True
    return probes


def _outages(probes: Sequence[Probe]) -> Iterator[Outage]:
    """Between each two answered ones that are not neighbors; the ends count as if they were answered."""
    answered = [index for index, (_, replied) in enumerate(probes) if replied]
    for before, after in pairwise([-1, *answered, len(probes)]):
        if after - before > 1:
            end = probes[after][0] if after < len(probes) else None
            yield Outage(probes[max(before, 0)][0], end, after - before - 1, probes[after - 1][0])
