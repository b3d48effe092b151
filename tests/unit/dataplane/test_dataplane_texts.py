"""What the configuration becomes in Linux and FRR: golden texts of the white paper's switches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.nxos.tree import parse
from labctl.standin.switch.dataplane import frr, linux
from labctl.standin.switch.dataplane.model import SwitchModel, read

RENDERED = Path(__file__).parents[2] / "golden" / "render"
MAC = "02:00:00:00:00:01"
CASES = [
    ("whitepaper-standin-fabric", "spine1"),
    ("whitepaper-standin-fabric", "leaf2101"),
    ("whitepaper-standin-fabric", "leaf2999"),
    ("whitepaper-standin-physical", "leaf2101"),
]


def model(folder: str, switch: str) -> SwitchModel:
    return read(parse((RENDERED / folder / "nxos" / f"{switch}.cfg").read_text()))


@pytest.mark.parametrize(("folder", "switch"), CASES)
def test_kernel_objects(folder: str, switch: str, golden: Callable[[str, str], None]) -> None:
    text = ""
    for item in linux.desired(model(folder, switch), MAC):
        text += f"# {item.name}\n" + "".join(f"{op.kind} {op.text}\n" for op in item.make)
        text += "".join(f"  remove: {op.kind} {op.text}\n" for op in item.remove)
    golden(f"dataplane/{folder}-{switch}.linux.txt", text)


@pytest.mark.parametrize(("folder", "switch"), CASES)
def test_frr_texts(folder: str, switch: str, golden: Callable[[str, str], None]) -> None:
    daemons = frr.texts(model(folder, switch)).daemons()
    golden(f"dataplane/{folder}-{switch}.frr.txt", "".join(f"### {name}\n{text}" for name, text in daemons.items()))
