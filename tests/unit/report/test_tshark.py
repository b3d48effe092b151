"""What the page says of captures is what Wireshark's dissectors read; and the comparison finds what is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.report.evidencefolder import EvidenceFolder, read_evidence
from labctl.report.page import captures_shown
from tests import tshark
from tests.frames import ethernet, ip4, pcap, tcp
from tests.tshark import disagreements
from tests.unit.report.evidence import FETCHED, PINGED, REQUEST, SYN, write_evidence


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return read_evidence(write_evidence(tmp_path / "evidence"))


def test_both_agree(folder: EvidenceFolder) -> None:
    drawn = [shown for check in folder.checks for shown in captures_shown(folder, check) if shown.layers]
    assert len(drawn) == 3
    assert disagreements(folder) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pcap(SYN, FETCHED, PINGED), "2 packets in the report, 3 in tshark"),
        (pcap(SYN, PINGED), "2 as expected in the report, 1 in tshark"),
        (pcap(SYN, ethernet(ip4("192.168.1.10", "10.244.196.129", 6, tcp(1, 80, REQUEST)), vlan=3001)),
         "no packet is as drawn"),
    ],
)  # fmt: skip
def test_a_report_that_says_otherwise_is_found_out(
    folder: EvidenceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, words: str
) -> None:
    """The report reads the one capture, tshark another."""
    other = tmp_path / "other.pcap"
    other.write_bytes(data)
    read = tshark.rows
    monkeypatch.setattr(tshark, "rows", lambda path: read(other if path.name == "curl.web.leaf2102.pcap" else path))
    assert any(words in trouble for trouble in disagreements(folder))
