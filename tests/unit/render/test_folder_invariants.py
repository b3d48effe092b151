"""What holds for the folder of any lab: it is whole, says everything once, and is the same every time."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from labctl.design.design import Design, Target
from labctl.design.plan import design
from labctl.folder import load_folder
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads

DEFINED = {
    "prefix-list": (r"^ip(?:v6)? prefix-list (\S+) seq", r"match ip(?:v6)? address prefix-list (\S+)$"),
    "route-map": (r"^route-map (\S+) permit", r"(?:route-map (\S+)(?: in| out)?|export map (\S+))$"),
    "template": (r"^  template peer (\S+)$", r"inherit peer (\S+)$"),
    "vrf": (r"^vrf context (\S+)$", r"vrf member (\S+)$"),
    "vlan": (r"^vlan ([\d,]+)$", r"^(?:interface Vlan|  switchport trunk (?:native|allowed) vlan )(\d+)$"),
    "vni": (r"^  (?:vn-segment|vni) (\d+)$", r"^  (?:member vni|vni) (\d+)"),
    "port-channel": (r"^interface port-channel(\d+)$", r"channel-group (\d+) mode active$"),
    "loopback": (r"^interface (loopback\d+)$", r"update-source (loopback\d+)$"),
}
"""Of each thing that lines refer to: how it is made, how it is named (line by line)."""


@st.composite
def specs(draw: st.DrawFn) -> str:
    """Labs of any shape, with written and planned values side by side."""
    pairs, borders = draw(st.integers(1, 4)), draw(st.integers(0, 2))
    names = [(f"r{i}a", f"r{i}b") for i in range(1, pairs + 1)]
    nxos = draw(st.sampled_from(["10.5(4)", "9.3(13)"]))
    kinds = ["", ", peer_link: physical", *([", peer_link: fabric"] if nxos.startswith("10") else [])]
    link = st.sampled_from(kinds)
    rows = "".join(f"    - {{leafs: [{a}, {b}]{draw(link)}}}\n" for a, b in names)
    text = f"name: {draw(st.sampled_from(['lab', 'a-much-longer-name-0123456789', '42']))!r}\n".replace("'", '"')
    text += f"fabric:\n  spines: {draw(st.integers(1, 3))}\n  borders: {borders}\n  leaf_pairs:\n{rows}"
    text += f"  nxos: {nxos}\n"
    vlan, vlan2 = draw(st.lists(st.integers(2, 3967).filter(lambda v: v != 3600), min_size=2, max_size=2, unique=True))
    vni, vni2 = draw(st.lists(st.integers(1, 16777215), min_size=2, max_size=2, unique=True))
    gateway = draw(st.sampled_from(["192.168.1.1/24", '[10.9.0.254/23, "fd00:9::ff/64"]']))
    text += f"  vrfs:\n    - vlan: {vlan}\n      vni: {vni}\n"
    text += f"      networks: [{{vlan: {vlan2}, vni: {vni2}, gateway: {gateway}}}]\n"
    if draw(st.booleans()):  # the same on every pair
        text += "      peering_loopbacks:\n"
        text += "".join(f"        {a}: 172.16.0.1\n        {b}: 172.16.0.2\n" for a, b in names)
    if draw(st.integers(0, 4)) == 0:
        text += "cluster: none\n"
    else:
        text += f"cluster: {{nodes: {draw(st.integers(2, 7))}, mode: {draw(st.sampled_from(['routed', 'ipip']))}}}\n"
    if borders:
        text += "external:\n"
        for index in range(draw(st.integers(1, 3))):
            border = draw(st.integers(1, borders))
            text += f"  - {{name: ext{index}, attach: border{border}, announces: [20.{index}.0.0/16]}}\n"
    return text


targets = st.builds(Target, st.sampled_from(["n9kv", "standin"]), st.sampled_from(["kind", "standin"]))


LABS = random.getrandbits(32)
"""All tests here see the same labs, others each time: what one test has rendered, the next one has."""


def any_lab(test: Callable[..., None]) -> Callable[..., None]:
    return seed(LABS)(settings(max_examples=15, database=None)(given(specs(), targets)(test)))


@cache
def planned(text: str, target: Target) -> Design:
    return design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target)


@cache
def rendered(text: str, target: Target) -> Mapping[str, str]:
    return render_folder(planned(text, target))


@any_lab
def test_a_rendered_folder_is_whole_and_the_same_every_time(text: str, target: Target) -> None:
    wanted = planned(text, target)
    files = rendered(text, target)
    assert files == render_folder(wanted)
    with TemporaryDirectory() as path:
        assert sorted(write_folder(files, Path(path))) == sorted(files)
        folder = load_folder(Path(path))
        assert folder.edited == ()
        assert folder.lab.name == wanted.name
        keys = {node.topology for node in folder.lab.nodes.values()} | {folder.lab.cluster} - {None}
        assert keys == set(yaml.load(files["topology.clab.yml"], yaml.CSafeLoader)["topology"]["nodes"])
    for name, content in files.items():
        assert content.endswith("\n"), name
        assert "None" not in content or name in ("calico/standin/crds.yaml", "calico/standin/limits.yaml"), name
        assert not re.search(r"[ \t]\n", content), name


@any_lab
def test_every_link_has_two_ends_that_exist_and_no_end_two_links(text: str, target: Target) -> None:
    lab = yaml.load(rendered(text, target)["topology.clab.yml"], yaml.CSafeLoader)
    ends = Counter(end for link in lab["topology"]["links"] for end in link["endpoints"])
    assert set(ends.values()) == {1}
    assert all(len(link["endpoints"]) == 2 for link in lab["topology"]["links"])
    assert {end.partition(":")[0] for end in ends} <= set(lab["topology"]["nodes"])


def configurations(text: str, target: Target) -> dict[str, str]:
    files = rendered(text, target)
    return {path: content for path, content in files.items() if path.startswith("nxos/")}


@any_lab
def test_vlans_and_vnis_of_a_switch_are_unique_and_each_wired_port_is_configured(text: str, target: Target) -> None:
    files = rendered(text, target)
    links = yaml.load(files["topology.clab.yml"], yaml.CSafeLoader)["topology"]["links"]
    for path, config in files.items():
        if not path.startswith("nxos/"):
            continue
        listed = [vlan for line in re.findall(r"^vlan (.*,.*)$", config, re.MULTILINE) for vlan in line.split(",")]
        assert len(set(listed)) == len(listed)
        vnis = re.findall(r"^  vn-segment (\d+)$", config, re.MULTILINE)
        assert len(set(vnis)) == len(vnis)
        interfaces = re.findall(r"^interface (\S+)$", config, re.MULTILINE)
        assert len(set(interfaces)) == len(interfaces)
        name = Path(path).stem
        wired = {end.partition(":")[2] for link in links for end in link["endpoints"] if end.startswith(f"{name}:")}
        assert wired == {interface for interface in interfaces if interface.startswith("Ethernet")}


@any_lab
def test_what_a_line_names_is_defined_before_it(text: str, target: Target) -> None:
    """NX-OS takes a name that does not exist, and then does what nobody wrote (an empty filter permits all)."""
    for path, config in configurations(text, target).items():
        made: dict[str, set[str]] = {kind: set() for kind in DEFINED}
        made["vni"] = set(re.findall(DEFINED["vni"][0], config, re.MULTILINE))
        for line in config.splitlines():
            for kind, (definition, use) in DEFINED.items():
                found = re.match(definition, line)
                if found:
                    made[kind] |= set(found[1].split(","))
                    continue
                for groups in [found.groups() for found in [re.search(use, line)] if found]:
                    assert {name for name in groups if name} <= made[kind], f"{path}: {line}"


@any_lab
def test_no_address_is_on_two_interfaces_of_the_folder(text: str, target: Target) -> None:
    """The anycast gateway and a pair's shared address are meant to be; coloured loopbacks too."""
    lab = planned(text, target)
    shared = {str(lab.vrf.gateway), str(lab.vrf.gateway6)}
    shared |= {f"{s.vpc.vip}/32" for s in lab.switches if s.vpc} | {f"{s.peering}/32" for s in lab.switches if s.colour}
    found: list[Any] = []
    for path, content in rendered(text, target).items():
        if path.startswith("nxos/"):
            found += re.findall(r"^  ip(?:v6)? address (\S+/\d+)", content, re.MULTILINE)
        elif path.startswith("nodes/"):
            found += re.findall(r"^addr replace (\S+) dev", content, re.MULTILINE)
    assert [address for address, count in Counter(found).items() if count > 1 and address not in shared] == []


def of_any_value(config: str, names: Mapping[str, str]) -> list[str]:
    """The lines with every address and number as ``#``, and the names of switches as what they are to this one."""
    for name, role in names.items():
        config = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", role, config)
    return [re.sub(r"[0-9a-f]*:[0-9a-f:]+|\d+", "#", line) for line in config.splitlines()]


@any_lab
def test_switches_of_a_pair_and_spines_differ_in_values_alone(text: str, target: Target) -> None:
    lab, files = planned(text, target), rendered(text, target)
    for switch in lab.switches:
        twins = [s for s in lab.switches if s.vpc and s.vpc.peer == switch.name]
        twins += [s for s in lab.by_role("spine") if switch.role == "spine"]
        for twin in twins:
            shapes = [
                of_any_value(files[f"nxos/{s.name}.cfg"], {s.name: "SELF", **({s.vpc.peer: "PEER"} if s.vpc else {})})
                for s in (switch, twin)
            ]
            assert shapes[0] == shapes[1], f"{switch.name} and {twin.name}"


@any_lab
def test_every_switch_says_what_the_design_says_of_it(text: str, target: Target) -> None:
    lab, files = planned(text, target), rendered(text, target)
    for switch in lab.switches:
        config = files[f"nxos/{switch.name}.cfg"]
        wanted = [f"hostname {switch.name}\n", f"  ip address {switch.loopback0}/32\n"]
        wanted += [f"  router-id {switch.loopback0}\n"] * 2
        wanted += [f"  ip address {switch.vtep}/32\n"] if switch.vtep else []
        wanted += [f"  ip address {switch.peering}/32 tag 6789\n"] if switch.peering and switch.role == "leaf" else []
        wanted += [
            f"interface {uplink.interface}\n  description {uplink.peer} {uplink.peer_interface}\n"
            for uplink in switch.uplinks
        ]
        wanted += [f"  ip address {uplink.address}\n" for uplink in switch.uplinks]
        if switch.vpc:
            peer = lab.switch(switch.vpc.peer)
            keepalive = f"{peer.management.ip} source {switch.management.ip}"
            wanted += [
                f"  ip address {switch.vpc.vip}/32 secondary\n",
                f"  peer-keepalive destination {keepalive} vrf management\n",
                f"  description vpc peer-link to {peer.name}\n",
            ]
            fabric = f"  virtual peer-link destination {peer.loopback0} source {switch.loopback0} dscp 56\n"
            assert (fabric in config) is (switch.vpc.peer_link == "fabric")
        spines = lab.by_role("spine") if switch.role != "spine" else [s for s in lab.switches if s.role != "spine"]
        wanted += [
            f"  neighbor {other.loopback0}\n    inherit peer {'LEAF' if switch.role == 'spine' else 'SPINE'}\n"
            for other in spines
        ]
        missing = [line for line, count in Counter(wanted).items() if config.count(line) < count]
        assert missing == [], switch.name


@any_lab
def test_both_ends_of_a_link_name_each_other(text: str, target: Target) -> None:
    files = rendered(text, target)
    for link in yaml.load(files["topology.clab.yml"], yaml.CSafeLoader)["topology"]["links"]:
        ends = [end.partition(":")[::2] for end in link["endpoints"]]
        for (name, port), (other, other_port) in (ends, ends[::-1]):
            config = files.get(f"nxos/{name}.cfg")
            if config is None or f"interface {port}\n  description vpc peer-link member\n" in config:
                continue
            described = re.search(rf"^interface {port}\n  description (.*)$", config, re.MULTILINE)
            assert described, (name, port)
            to_switch = f"nxos/{other}.cfg" in files
            assert not to_switch or described[1] == f"{other} {other_port}"
            assert to_switch or re.fullmatch(rf"external host {other}|node \S+ {other_port}", described[1])


@any_lab
def test_a_target_changes_what_is_about_it_and_nothing_else(text: str, target: Target) -> None:
    """Configurations: of the switches' target alone, which differ in OSPF's timers; nodes and workloads: of none."""
    mine, timers = rendered(text, target), re.compile(r"^  ip ospf (?:hello|dead)-interval \d+\n", re.MULTILINE)
    for other in (Target(switch, cluster) for switch in ("n9kv", "standin") for cluster in ("kind", "standin")):
        theirs = rendered(text, other)
        same_switch, same_cluster = other.switch == target.switch, other.cluster == target.cluster
        for path in mine.keys() | theirs.keys():
            part = path.split("/")[0]
            if part == "nxos":
                assert timers.sub("", mine[path]) == timers.sub("", theirs[path]), path
                assert not same_switch or mine[path] == theirs[path], path
            elif part in {"nodes", "k8s", "kind"} or (part == "calico" and same_cluster):
                assert mine[path] == theirs[path], path
            elif part == "scenarios":
                assert mine.keys() & {path} == theirs.keys() & {path}
                assert not same_switch or mine[path] == theirs[path], path


@any_lab
def test_failures_and_checks_speak_of_nodes_of_the_lab_and_of_hosts_where_there_are_some(
    text: str, target: Target
) -> None:
    lab, files = planned(text, target), rendered(text, target)
    hosts = {external.name for external in lab.externals}
    nodes = {switch.name for switch in lab.switches} | hosts
    nodes |= {node.name for node in lab.cluster.nodes} if lab.cluster else set()
    for path, content in files.items():
        if not path.startswith("scenarios/"):
            continue
        steps = yaml.load(content, yaml.CSafeLoader)["steps"]
        traffic = [step["traffic"] for step in steps if "traffic" in step]
        outside = {row["from"] for row in traffic if isinstance(row["from"], str)}
        assert outside <= hosts
        assert bool(outside) is bool(hosts), path
        assert set(named(steps, ("switch", "node", "at"))) <= nodes, path
        losses = {step["expect"]["loss"]["of"] for step in steps if "loss" in step.get("expect", {})}
        assert losses == {row["name"] for row in traffic}, path
    checks = yaml.load(files["checks.yaml"], yaml.CSafeLoader)
    assert set(named(checks, ("switch", "at"))) <= nodes
    if lab.cluster:
        assert set(checks["cluster"]["routes"]["external"]) == {str(network) for network in lab.announced}


def named(part: Any, keys: tuple[str, ...]) -> list[str]:
    """What stands under these keys, one name or several."""
    if isinstance(part, list):
        return [name for item in part for name in named(item, keys)]
    if not isinstance(part, dict):
        return []
    found = []
    for key, value in part.items():
        names = value if isinstance(value, list) else [value]
        found += [name for name in names if key in keys and isinstance(name, str)] + named(value, keys)
    return found
