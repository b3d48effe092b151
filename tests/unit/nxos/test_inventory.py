"""Modules and ports out of what a switch prints: a 9000v's layouts, whole and while it boots."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.nxos.inventory import module_trouble, module_trouble_of_text, ports, ports_of_text

HEAD = """\
Mod Ports             Module-Type                      Model           Status
--- ----- ------------------------------------- --------------------- ---------
"""
CARD = "1    64   Nexus 9000v 64 port Ethernet Module   N9K-X9364v            ok\n"
SUPERVISOR = "27   0    Virtual Supervisor Module             N9K-vSUP              active *\n"
CYCLED = "1    64   Nexus 9000v 64 port Ethernet Module                         pwr-cycld\n"
REST = """
Mod  Power-Status  Reason
---  ------------  ---------------------------
1    pwr-cycld     Unknown. Issue show system reset mod ...
"""


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        (HEAD + CARD + SUPERVISOR, None),
        (HEAD + CYCLED + SUPERVISOR + REST, "module 1 is pwr-cycld"),
        (HEAD + CARD.replace("ok", "powered-dn") + SUPERVISOR, "module 1 is powered-dn"),
        (HEAD + SUPERVISOR.replace("active *", "ha-standby") + SUPERVISOR.replace("27 ", "28 "), None),
        (HEAD, "it lists no module"),
        ("", "it lists no module"),
    ],
)
def test_modules_of_text(text: str, trouble: str | None) -> None:
    assert module_trouble_of_text(text) == trouble


def rows(*states: str) -> dict[str, Any]:
    found = [{"modinf": str(number), "status": state} for number, state in enumerate(states, 1)]
    return {"TABLE_modinfo": {"ROW_modinfo": found[0] if len(found) == 1 else found}} if found else {}


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        (rows("ok", "active *"), None),
        (rows("active *"), None),
        (rows("testing", "active *"), "module 1 is testing"),
        (rows("", "pwr-cycld"), "module 1 is without a state, module 2 is pwr-cycld"),
        (rows(), "it lists no module"),
    ],
)
def test_modules_of_json(body: dict[str, Any], trouble: str | None) -> None:
    assert module_trouble(body) == trouble


def test_ports() -> None:
    one = {"TABLE_interface": {"ROW_interface": {"interface": "mgmt0"}}}
    assert ports(one) == frozenset()
    assert ports({}) == frozenset()
    listed = [{"interface": "mgmt0"}, {"interface": "Ethernet1/1"}, {"interface": "Eth1/64"}, {"interface": "Vlan1"}]
    assert ports({"TABLE_interface": {"ROW_interface": listed}}) == {"Ethernet1/1", "Ethernet1/64"}
    text = (
        "Ethernet      VLAN\nInterface\n----\nEth1/1        3001    eth\nEth1/64       1       eth\nPo11         3001\n"
    )
    assert ports_of_text(text) == {"Ethernet1/1", "Ethernet1/64"}
