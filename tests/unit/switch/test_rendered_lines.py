"""What labctl renders, the switch takes: every line in silence, and its running configuration lacks none of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.design.design import Design, Switch, Target
from labctl.design.plan import design
from labctl.nxos.push import config_lines
from labctl.nxos.tree import compare, parse
from labctl.render.folder import switch_config
from labctl.spec.load import loads
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.dataplane import frr, linux
from labctl.standin.switch.dataplane.settings import SwitchModel
from labctl.standin.switch.shell import Device, Shell

GATEWAYS = ("192.168.1.1/24", '[10.9.0.1/20, "fd00:9::1/64"]')


@st.composite
def labs(draw: st.DrawFn) -> Design:
    pairs, borders = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    rows = "".join(
        f"    - {{leafs: [l{2 * i + 1}, l{2 * i + 2}], peer_link: {draw(st.sampled_from(['fabric', 'physical']))}}}\n"
        for i in range(pairs)
    )
    text = f"name: lab\nfabric:\n  spines: {draw(st.integers(1, 3))}\n  borders: {borders}\n  leaf_pairs:\n{rows}"
    text += f"  vrfs:\n    - networks: [{{gateway: {draw(st.sampled_from(GATEWAYS))}}}]\n"
    if pairs > 1 and draw(st.booleans()):
        text += "      peering_loopbacks:\n"
        for leaf in range(1, 2 * pairs + 1):
            odd = leaf % 2
            text += f'        l{leaf}: [172.16.0.{1 + odd}, "fd00:10::{1 + odd}"]\n'
    text += draw(st.sampled_from(["cluster: none\n", "cluster: {nodes: 2}\n", "cluster: {nodes: 5, mode: ipip}\n"]))
    if borders and draw(st.booleans()):
        text += 'external:\n  - {name: ext1, attach: border1, announces: [20.1.0.0/16, 7.7.7.7/32, "2a00:1::/32"]}\n'
    target = Target("standin" if draw(st.booleans()) else "n9kv")
    return design(loads("lab.yaml", text), target)


class Silent:
    """A platform that can do everything."""

    patterns = ()

    def apply(self, tree: Any) -> list[str]:
        return []

    def show(self, words: tuple[str, ...], *, as_json: bool) -> str:
        return ""


def pushed(switch: Switch, text: str) -> str:
    """The running configuration after a push; every line must be taken in silence."""
    device = Device(RunningConfig("switch"), Silent())
    shell = Shell(device)
    for line in ("configure terminal", *(line for _, line in config_lines(text)), "end"):
        answer = shell.execute(line)
        assert answer == "", f"{switch.name}: {line}\n{answer}"
    return shell.execute("show running-config")


@settings(max_examples=25)
@given(labs())
def test_every_line_is_taken_and_none_is_missing(lab: Design) -> None:
    for switch in lab.switches:
        text = switch_config(lab, switch)
        running = parse(pushed(switch, text))
        assert compare(parse(text), running) == []


@settings(max_examples=10)
@given(labs())
def test_a_second_push_changes_nothing(lab: Design) -> None:
    switch = lab.by_role("leaf")[0]
    text = switch_config(lab, switch)
    once = parse(pushed(switch, text)).text()
    assert parse(pushed(switch, text + text)).text() == once


@settings(max_examples=10)
@given(labs())
def test_the_data_plane_reads_every_rendered_switch(lab: Design) -> None:
    for switch in lab.switches:
        model = SwitchModel(parse(pushed(switch, switch_config(lab, switch))))
        assert model.hostname == switch.name
        assert model.vtep() == (str(switch.vtep) if switch.vtep else None)
        objects = linux.desired(model, "02:00:00:00:00:01")
        assert len({item.name for item in objects}) == len(objects)
        assert linux.difference(objects, objects) == []
        assert set(frr.texts(model)) >= {"zebra", "ospfd", "bgpd"}
