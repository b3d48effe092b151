"""Whatever names and ranges a person chooses: the lab is refused, or no node, file or range of it is another's too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st

from labctl.design.design import Design, Network, Target
from labctl.design.plan import design
from labctl.errors import SpecError
from labctl.render.folder import render_folder
from labctl.spec.keys import Spec
from labctl.spec.load import loads

NAMES = ["lab", "lab-worker", "lab-worker2", "lab-control-plane", "master", "node01", "node02", "spine1", "spine2",
         "leaf101", "leaf102", "border1", "ext1", "aa", "bb", "cc", "dd", "ee", "ff"]  # fmt: skip
name = st.sampled_from(NAMES)
SWITCHES = ["Lab", "Spine1", "LEAF101", *NAMES]


@st.composite
def named(draw: st.DrawFn) -> dict[str, Any]:
    """A small lab with names out of those that labctl gives."""
    switch = st.sampled_from(SWITCHES)
    fabric: dict[str, Any] = {
        "spines": draw(st.one_of(st.integers(1, 2), st.lists(switch, min_size=1, max_size=2))),
        "borders": draw(st.one_of(st.integers(0, 1), st.lists(switch, min_size=1, max_size=2))),
    }
    pair = st.fixed_dictionaries({"leafs": st.lists(switch, min_size=2, max_size=2)})
    fabric["leaf_pairs"] = draw(st.one_of(st.integers(1, 2), st.lists(pair, min_size=1, max_size=2)))
    node = st.fixed_dictionaries({"name": name})
    nodes = draw(st.one_of(st.integers(2, 4), st.lists(node, min_size=2, max_size=4)))
    cluster = draw(st.sampled_from([{"nodes": nodes}, {"nodes": nodes}, "none"]))
    borders = ["border1"][: fabric["borders"]] if isinstance(fabric["borders"], int) else fabric["borders"]
    hosts = draw(st.lists(name, max_size=2)) if borders else []
    external = [{"name": host, "attach": borders[0], "announces": [f"20.{i}.0.0/16"]} for i, host in enumerate(hosts)]
    return {"name": draw(st.sampled_from(["lab", "leaf101", "aa"])), "fabric": fabric, "cluster": cluster,
            "external": external}  # fmt: skip


def loaded(data: dict[str, Any]) -> Spec | SpecError:
    try:
        return loads("lab.yaml", yaml.safe_dump(data, sort_keys=False))
    except SpecError as error:
        return error


def nodes_of(lab: Design) -> tuple[list[str], list[str], list[str]]:
    """Names of switches, Kubernetes nodes, hosts."""
    nodes = [node.name for node in lab.cluster.nodes] if lab.cluster else []
    return [switch.name for switch in lab.switches], nodes, [host.name for host in lab.externals]


@settings(max_examples=120)
@given(named())
def test_nodes_and_files_of_a_folder_are_one_to_one(data: dict[str, Any]) -> None:
    spec = loaded(data)
    event("refused" if isinstance(spec, SpecError) else "a lab")
    if isinstance(spec, SpecError):
        assert {problem.code for problem in spec.problems} <= {"duplicate-name", "same-leaf"}
        return
    lab = design(spec, Target())
    switches, nodes, hosts = nodes_of(lab)
    files = render_folder(lab)
    known = [*switches, *nodes, *hosts]
    assert len({text.lower() for text in known}) == len(known)
    assert sorted(json.loads(files["lab.json"])["nodes"]) == sorted(known)
    assert sorted(path for path in files if path.startswith("nxos/")) == sorted(f"nxos/{text}.cfg" for text in switches)
    scripts = [f"nodes/{text}.sh" for text in [*nodes, *hosts]]
    assert sorted(path for path in files if path.startswith("nodes/")) == sorted(scripts)
    assert len({path.lower() for path in files}) == len(files)
    containers = [node.container for node in lab.cluster.nodes] if lab.cluster else []
    topology = [*switches, *hosts, *containers, *([lab.name] if lab.cluster else [])]
    assert sorted(yaml.load(files["topology.clab.yml"], yaml.CSafeLoader)["topology"]["nodes"]) == sorted(topology)
    assert len({text.lower() for text in topology}) == len(topology)


RANGES = ["10.0.0.0/8", "10.96.0.0/16", "10.96.4.0/24", "10.244.0.0/16", "10.244.8.0/24", "10.2.0.0/16", "10.4.0.0/17",
          "172.20.0.0/16", "172.20.20.0/24", "192.168.0.0/16", "192.168.1.0/24", "192.168.100.0/24", "198.18.0.0/15",
          "203.0.113.0/24", "100.65.0.0/16", "100.66.0.0/16", "169.254.0.0/16", "224.0.0.0/8",
          "192.168.100.2/32"]  # fmt: skip
RANGES6 = ["2001:db8:42::/56", "2001:db8:42:1::/112", "2001:192:168:1::/64", "2001:193:168:1::/64", "2001:db8:77::/56"]
wide = st.sampled_from(RANGES + RANGES6)
narrow = st.sampled_from([text for text in RANGES if 12 <= int(text.partition("/")[2]) <= 24])
gateways = st.sampled_from(["192.168.1.1/24", "10.96.4.1/24", "10.244.8.1/24", "172.20.20.1/24", "100.65.0.1/16"])


@st.composite
def ranged(draw: st.DrawFn) -> dict[str, Any]:
    """A lab with a few ranges out of labctl's own and their neighbours."""
    gateway = [draw(gateways), *draw(st.sampled_from([[], ["2001:192:168:1::1/64"]]))]
    vrf: dict[str, Any] = {"networks": [{"gateway": gateway}]}
    data: dict[str, Any] = {"name": "lab", "fabric": {"borders": 1, "vrfs": [vrf]}, "cluster": {"nodes": 3}}
    written = draw(
        st.sets(
            st.sampled_from(["management", "services", "pools", "loopback", "external IPs", "prefixes"]), max_size=2
        )
    )
    if "management" in written:
        data["management"] = draw(narrow)
    if "services" in written:
        data["cluster"]["services"] = [draw(st.sampled_from(["10.97.0.0/16", "10.244.8.0/24", "100.65.0.0/16"]))]
    if "loopback" in written:
        vrf["peering_loopbacks"] = {"leaf101": draw(st.sampled_from(["192.168.1.77", "10.244.8.9", "203.0.113.7"]))}
    pools = draw(st.lists(narrow, min_size=1, max_size=2)) if "pools" in written else []
    calico: dict[str, Any] = {"pools": [{"cidr": cidr} for cidr in pools]}
    data["cluster"]["calico"] = calico | {"external_ips": [draw(wide)] if "external IPs" in written else []}
    announces = draw(st.lists(wide, min_size=1, max_size=3, unique=True)) if "prefixes" in written else ["20.1.0.0/16"]
    data["external"] = [{"name": "ext1", "attach": "border1", "announces": announces}]
    return data


def owned(lab: Design) -> Iterator[tuple[str, Network]]:
    """Whose each range of the tenant is, read off the design."""
    yield "management", lab.management
    for gateway in (lab.vrf.gateway, lab.vrf.gateway6):
        if gateway:
            yield "nodes", gateway.network
    assert lab.cluster
    yield from (("pool", pool.cidr) for pool in lab.cluster.pools)
    yield from (("service", network) for network in lab.cluster.services)
    yield from (("external IPs", network) for network in lab.cluster.external_ips)
    for switch in lab.switches:
        yield from (("loopback", type(lab.management)(str(a))) for a in (switch.peering,) if a)
        for port in switch.external_ports:
            yield from (("link", end.network) for end in (port.address, port.address6))
            yield from (("prefix", network) for network in port.announces)


@settings(max_examples=120)
@given(ranged())
def test_no_two_ranges_of_a_lab_compete(data: dict[str, Any]) -> None:
    spec = loaded(data)
    event("refused" if isinstance(spec, SpecError) else "a lab")
    if isinstance(spec, SpecError):
        return
    for (what, one), (other, two) in combinations(owned(design(spec, Target())), 2):
        if one.version != two.version or not one.overlaps(two):
            continue
        longer = one if one.prefixlen >= two.prefixlen else two
        assert "prefix" in (what, other) or {what, other, one.version} == {"pool", "service", 6}, (
            what,
            other,
            one,
            two,
        )
        if what != other and "prefix" in (what, other):
            assert longer == (one if other == "prefix" else two), "the longer route wins, and it is ours"
            assert one.prefixlen != two.prefixlen
