"""What the configuration becomes in Linux and FRR: golden texts of the white paper's switches."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labctl.nxos.tree import parse
from labctl.standin.switch.dataplane import frr, linux
from labctl.standin.switch.dataplane.names import vrf_device
from labctl.standin.switch.dataplane.settings import SwitchModel
from tests.rendered import rendered

MAC = "02:00:00:00:00:01"
CASES = [
    ("whitepaper-standin-fabric", "spine1"),
    ("whitepaper-standin-fabric", "leaf2101"),
    ("whitepaper-standin-fabric", "leaf2999"),
    ("whitepaper-standin-physical", "leaf2101"),
]


def model(folder: str, switch: str) -> SwitchModel:
    return SwitchModel(parse(rendered(folder)[f"nxos/{switch}.cfg"]))


@pytest.mark.parametrize(("folder", "switch"), CASES)
def test_kernel_objects(folder: str, switch: str, golden: Callable[[str, str], None]) -> None:
    text = ""
    for item in linux.desired(model(folder, switch), MAC):
        text += f"# {item.name}\n" + "".join(f"{op.kind} {op.text}\n" for op in item.make)
        text += "".join(f"  remove: {op.kind} {op.text}\n" for op in item.remove)
    golden(f"dataplane/{folder}-{switch}.linux.txt", text)


@pytest.mark.parametrize(("folder", "switch"), CASES)
def test_frr_texts(folder: str, switch: str, golden: Callable[[str, str], None]) -> None:
    daemons = frr.texts(model(folder, switch))
    golden(f"dataplane/{folder}-{switch}.frr.txt", "".join(f"### {name}\n{text}" for name, text in daemons.items()))


@pytest.mark.parametrize("name", ["a-very-long-name-of-a-vrf-31xxx", "lo", "eth0", "Vlan3001", "tunl0", "up", "a.b/c"])
def test_a_vrf_whose_name_linux_cannot_have_is_called_otherwise_there(name: str) -> None:
    """The same lines as for a name that fits, but for the name; FRR knows a VRF by its device."""
    config = rendered("whitepaper-standin-fabric")["nxos/leaf2101.cfg"]
    device = vrf_device(name)
    assert (len(device) <= 15, device == vrf_device(name), device == name) == (True, True, False)
    texts = []
    for vrf in ("vrf-001", name):
        found = SwitchModel(parse(config.replace("vrf-001", vrf)))
        lines = [op.text for item in linux.desired(found, MAC) for op in item.make + item.remove]
        daemons = "".join(frr.texts(found).values())
        lines += [line for line in daemons.splitlines() if line.startswith(("vrf ", "router bgp "))]
        texts.append([line.replace(vrf_device(vrf), "VRF") for line in lines])
    assert texts[0] == texts[1]
    assert any("router bgp 65102 vrf VRF" in line for line in texts[1])


@pytest.mark.parametrize("name", ["vrf-001", "red", "Tenant_1", "fifteen-letters"])
def test_a_vrf_whose_name_fits_keeps_it(name: str) -> None:
    assert vrf_device(name) == name
