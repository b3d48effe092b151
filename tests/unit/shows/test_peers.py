"""``show ip bgp neighbors``: FRR's words in NX-OS's form; what a session was through can be counted."""

from __future__ import annotations

import json
from typing import Any

from labctl.standin.switch.shows import routing
from labctl.standin.switch.shows.table import show


def test_of_one_family_and_one_neighbor(leaf: Any) -> None:
    body = json.loads(show(leaf, ("ip", "bgp", "neighbors", "vrf", "vrf-001"), as_json=True))
    rows = body["TABLE_neighbor"]["ROW_neighbor"]
    assert {row["neighbor"] for row in rows} == {"192.168.1.10", "192.168.1.11", "192.168.1.13"}
    one = json.loads(show(leaf, ("ip", "bgp", "neighbors", "192.168.1.11", "vrf", "vrf-001"), as_json=True))
    assert one["TABLE_neighbor"]["ROW_neighbor"]["neighbor"] == "192.168.1.11"
    six = json.loads(show(leaf, ("ipv6", "bgp", "neighbors", "vrf", "vrf-001"), as_json=True))
    assert all(":" in row["neighbor"] for row in six["TABLE_neighbor"]["ROW_neighbor"])


def test_a_session_that_was_dropped() -> None:
    row = {
        "remoteAs": 65531, "nbrExternalLink": True, "bgpState": "Active", "connectionsEstablished": 2,
        "connectionsDropped": 2, "lastResetDueTo": "Hold Timer Expired", "bgpTimerUpMsec": 1000,
    }  # fmt: skip
    answer = routing.sessions([("10.0.0.1", row)])
    body = answer.body["TABLE_neighbor"]["ROW_neighbor"]
    assert (body["state"], body["up"], body["connsestablished"], body["connsdropped"]) == ("Active", "false", "2", "2")
    assert "BGP state = Active\n" in str(answer.text)
    assert "Connections established 2, dropped 2" in str(answer.text)
    assert "elapsedtime" not in body


def test_a_neighbor_that_is_shut() -> None:
    answer = routing.sessions([("10.0.0.1", {"remoteAs": 1, "bgpState": "Idle", "adminShutDown": True})])
    assert answer.body["TABLE_neighbor"]["ROW_neighbor"]["state"] == "Shut (Admin)"
