"""A terminal of our own to look at what was painted, and reports to render."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from labctl.report.evidencefolder import EvidenceDocument
from labctl.verify.verdict import SCHEMA, CheckResult, Report, ScenarioResult

TOKEN = re.compile(r"\x1b\[(\?)?([0-9;]*)([A-Za-z])|(\r)|(\n)|([^\x00-\x1f\x7f-\x9f])|(.)", re.S)


class Terminal:
    """Understands what labctl may send (ECMA-48: CUU, ED, EL, SGR, show and hide cursor) and refuses all else."""

    def __init__(self, columns: int, lines: int = 24) -> None:
        self.columns = columns
        self.lines = lines
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0
        self.cursor = True
        self.coloured = False
        self.wrapped = 0

    def feed(self, text: str) -> Terminal:
        for private, numbers, final, carriage, newline, character, other in TOKEN.findall(text):
            assert not other, f"raw control character {other!r}"
            if final:
                self._control(private, numbers, final)
            elif carriage:
                self.column = 0
            elif newline:
                self.row, self.column = self.row + 1, 0  # as with the tty's ONLCR
                self._reach()
            elif character:
                self._put(character)
        return self

    def _control(self, private: str, numbers: str, final: str) -> None:
        if private:
            assert (numbers, final) in (("25", "h"), ("25", "l"))
            self.cursor = final == "h"
        elif final == "A":
            self.row -= int(numbers or 1)
            assert len(self.rows) - self.row <= self.lines, "the cursor cannot go up into the scrollback"
            assert self.row >= 0
        elif final == "K":
            del self.rows[self.row][self.column :]
        elif final == "J":
            del self.rows[self.row + 1 :]
            del self.rows[self.row][self.column :]
        else:
            assert final == "m", f"unknown sequence {final!r}"
            self.coloured = True

    def _put(self, character: str) -> None:
        if self.column >= self.columns:
            self.wrapped += 1
            self.row, self.column = self.row + 1, 0
            self._reach()
        row = self.rows[self.row]
        row += [" "] * (self.column + 1 - len(row))
        row[self.column] = character
        self.column += 1

    def _reach(self) -> None:
        while self.row >= len(self.rows):
            self.rows.append([])

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.rows)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine that tests says of its own terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def terminal() -> Callable[..., Terminal]:
    return Terminal


ENVIRONMENT = {
    "labctl": "0.1.0", "target": {"switch": "standin", "cluster": "standin"}, "mode": "routed",
    "versions": {"kubernetes": "1.34.3", "calico": "3.20.0", "nxos": "10.5(4)"}, "python": "3.11.7",
    "kernel": "6.1.0", "edited": ["nxos/leaf2101.cfg", "checks.yaml"], "time": "2025-06-01T10:00:20Z",
    "runtime": "embedded", "launcher": "uml",
}  # fmt: skip


def _passed(prefix: str, count: int) -> tuple[CheckResult, ...]:
    return tuple(CheckResult(f"{prefix}.{n}", f"thing {n}", "PASS", f"{prefix} {n} is so") for n in range(count))


LINKS = ScenarioResult("links", "LACP and vPC", 1.204, _passed("links", 14))
BGP = ScenarioResult("bgp", "BGP between fabric and Calico", 2.318, _passed("bgp.session", 38), 0.01)
PING = ScenarioResult(
    "ping", "pod ping", 9.91,
    (
        CheckResult("ping.node01-node02.route", "routes", "PASS", "node01: 10.244.2.0/26 via 10.2.1.1 dev bond0"),
        CheckResult(
            "ping.node01-node02.answered", "5 of 5 with ttl 61, ipv4", "FAIL",
            "node01 to node02 (10.244.2.3): 0 of 5 answered",
            {"received": 5, "ttl": 61}, {"sent": 5, "received": 0, "ttl": []}, 9,
            ("commands/pod-1__ping--4--c-5--i-0.2--W-1-10.244.2.3.txt",),
        ),
        CheckResult(
            "ping.node01-node02.fabric", "VXLAN between leafs", "INCONCLUSIVE",
            "leaf2101: no capture: the channel is closed",
            captures=("captures/leaf2101.pcap",),
        ),
    ),
    0.02,
)  # fmt: skip
CURL = ScenarioResult(
    "curl", "curl of a ClusterIP", 4.0,
    (
        CheckResult(
            "curl.ext1.answered", "ext1 fetches default/my-service-ipv4", "FAIL",
            "leaf2999: 10.96.10.10/32 has next hops 10.2.1.11, expected 10.2.1.11, 10.2.1.12",
            {"prefix": "10.96.10.10/32", "next_hops": [f"10.2.{n}.11" for n in range(40)], "segment": 50001},
            {"prefix": "10.96.10.10/32", "next_hops": ["10.2.1.11"], "segment": 50001},
        ),
    ),
    0.03,
)  # fmt: skip
IPIP = ScenarioResult("ping-ipip", "pod ping over IPIP", 0.4, (), 10.1)


@pytest.fixture
def green() -> dict[str, Any]:
    """All passed."""
    return Report("whitepaper", (LINKS, BGP), 3.5, ENVIRONMENT).as_dict()


@pytest.fixture
def mixed() -> dict[str, Any]:
    """Some of everything."""
    return Report("whitepaper", (LINKS, BGP, PING, CURL, IPIP), 14.22, ENVIRONMENT).as_dict()


@pytest.fixture
def empty() -> dict[str, Any]:
    """Nothing ran."""
    return Report("whitepaper", (), 0.0, ENVIRONMENT).as_dict()


HOSTILE = (
    "\x1b[2J\x1b[31mred\x1b[0m \x1b]0;owned\x07title\x9b5A \x08\x08bell\x07 nul\x00 \u202ertl \r\nnext\tline \ud800 "
    "<&\"']]> \ufffe"
)


@pytest.fixture
def hostile_text() -> str:
    """What a switch might say to steer the terminal of who looks."""
    return HOSTILE


@pytest.fixture
def hostile() -> dict[str, Any]:
    """A report whose every text is hostile."""
    check = CheckResult(HOSTILE, HOSTILE, "FAIL", HOSTILE, {HOSTILE: HOSTILE}, [HOSTILE], 2, (HOSTILE,), (HOSTILE,))
    unsure = CheckResult(HOSTILE, HOSTILE, "INCONCLUSIVE", HOSTILE)
    return Report(
        HOSTILE, (ScenarioResult(HOSTILE, HOSTILE, 1.0, (check, unsure)),), 1.0, {"mode": HOSTILE, HOSTILE: HOSTILE}
    ).as_dict()


def whole(*scenarios: dict[str, Any], **more: Any) -> dict[str, Any]:
    """``labctl.evidence/v1`` as `read_evidence` gives it: what these scenarios and their checks do not say is there."""
    said = {"title": "", "verdict": "INCONCLUSIVE", "sentence": "", "seconds": 0.0}
    rows = [said | row | {"checks": [said | check for check in row["checks"]]} for row in scenarios]
    body = said | {"schema": SCHEMA, "lab": "lab", "environment": {}, "scenarios": rows} | more
    return EvidenceDocument.model_validate(body).model_dump(by_alias=True)
