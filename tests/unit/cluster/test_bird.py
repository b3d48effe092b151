"""BIRD's configuration of a node, and its control socket."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from labctl.guest.api import AgentError
from labctl.standin.cluster.calico.bird import Peer, PoolView, RouterView, Timers, config
from labctl.standin.cluster.calico.birdctl import BirdControl, BirdRefused
from tests.tools import tool

LEAFS = (
    Peer("Global", "192.168.100.1", 65102),
    Peer("Global", "192.168.100.2", 65102),
    Peer("Global", "2001:193:168:1::4", 65102),
    Peer("Global", "2001:193:168:1::5", 65102),
)
MESH = (
    Peer("Mesh", "192.168.1.10", 65531),
    Peer("Mesh", "192.168.1.13", 65531, passive=True),
    Peer("Mesh", "2001:192:168:1::10", 65531),
    Peer("Mesh", "2001:192:168:1::13", 65531, passive=True),
)
ROUTED = RouterView(
    log="/run/labctl/calico/node01/bird.log",
    router_id="192.168.1.11",
    asn=65531,
    address="192.168.1.11",
    address6="2001:192:168:1::11",
    blocks=(ip_network("10.244.196.128/26"), ip_network("2001:db8:42:ae:fe9b:5aae:bdcd:3700/122")),
    borrowed=(),
    advertised=tuple(map(ip_network, ("10.96.0.0/16", "10.96.120.215/32", "203.0.113.0/24", "2001:db8:42:1::/112"))),
    service_ranges=tuple(map(ip_network, ("10.96.0.0/16", "2001:db8:42:1::/112", "203.0.113.0/24"))),
    pools=(PoolView(ip_network("10.244.0.0/16"), ipip=False), PoolView(ip_network("2001:db8:42::/56"), ipip=False)),
    peers=LEAFS,
    mesh_nodes=(),
    timers=Timers("1", "1", "1,3"),
)
IPIP = replace(
    ROUTED,
    pools=(PoolView(ip_network("10.244.0.0/16"), ipip=True), ROUTED.pools[1]),
    peers=(*LEAFS, *MESH),
    mesh_nodes=("192.168.1.10", "192.168.1.13"),
)
VIEWS = {"routed": ROUTED, "ipip": IPIP, "routed-3.32": replace(ROUTED, route_metric=1024)}


@pytest.mark.parametrize("name", VIEWS)
def test_golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"cluster/bird-{name}.conf", config(VIEWS[name]))


@pytest.mark.parametrize("name", VIEWS)
def test_bird_itself_reads_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bird.conf"
    path.write_text(config(replace(VIEWS[name], log=str(tmp_path / "bird.log"))))
    done = subprocess.run((tool("bird"), "-p", "-c", str(path)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def block_of(text: str, head: str) -> str:
    """One ``head { … }`` of the configuration."""
    start = text.index(head)
    depth = 0
    for position in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start : position + 1]
    raise AssertionError(f"{head} does not end")


def test_the_shape_that_was_run_with_bird_2() -> None:
    """As in the laboratory's configuration (reference: embedded examples), in both modes."""
    routed, ipip = config(ROUTED), config(IPIP)
    for text in (routed, ipip):
        assert text.count("{") == text.count("}")
        assert "protocol device { scan time 2; }" in text
        assert re.search(r'protocol direct \{ ipv4; ipv6; interface -"cali\*", -"kube-ipvs\*", "\*"; \}', text)
        assert len(re.findall(r"^protocol kernel .*learn; persist; scan time 2; merge paths on;", text, re.M)) == 2
        for session in re.findall(r"^protocol bgp (\S+) \{", text, re.M):
            body = block_of(text, f"protocol bgp {session} ")
            assert "gateway recursive; import all; export filter to_" in body
            assert ("next hop prefer global;" in body) is (":" in body.partition("neighbor")[2].split(" as ")[0])
    assert "tunl0" not in routed
    assert "ipv4 table tunnels4;" in ipip
    for other in IPIP.mesh_nodes:
        assert f"route {other}/32 via {other}%tunl0 onlink;" in block_of(ipip, "protocol static tunnels")


def test_only_ipv4_mesh_sessions_resolve_through_the_tunnel() -> None:
    text = config(IPIP)
    sessions = re.findall(r"^protocol bgp (\S+) \{", text, re.M)
    through = [name for name in sessions if "igp table tunnels4;" in block_of(text, f"protocol bgp {name} ")]
    assert through == ["Mesh_192_168_1_10", "Mesh_192_168_1_13"]


def test_a_pool_that_tunnels_without_mesh_is_a_black_hole() -> None:
    """Calico up to 3.32 sends the outer packet to the leaf, which does not decapsulate."""
    text = config(replace(IPIP, peers=LEAFS, mesh_nodes=()))
    assert 'net ~ 10.244.0.0/16 && proto !~ "Mesh_*" then dest = RTD_BLACKHOLE;' in block_of(text, "filter to_kernel4")
    assert "tunnels4" not in text
    assert "BLACKHOLE" not in config(ROUTED)


def test_passive_sessions_and_which_filter_they_use() -> None:
    text = config(IPIP)
    passive = [p.name for p in IPIP.peers if "passive on;" in block_of(text, f"protocol bgp {p.name} ")]
    assert passive == ["Mesh_192_168_1_13", "Mesh_2001_192_168_1__13"]
    for peer in IPIP.peers:
        kind = "ibgp" if peer.kind == "Mesh" else "ebgp"
        assert f"export filter to_{kind}{peer.version};" in block_of(text, f"protocol bgp {peer.name} ")
    assert 'ifname ~ "cali*" then reject;' in block_of(text, "filter to_ibgp4")
    assert "cali*" not in block_of(text, "filter to_ebgp4")


@pytest.mark.parametrize(
    ("peer", "name", "words"),
    [
        (Peer("Node", "192.168.100.9", 65102), "Node_192_168_100_9", "neighbor 192.168.100.9 as 65102;"),
        (Peer("Global", "2001:db8::1", 65102), "Global_2001_db8__1", "local 2001:192:168:1::11 as 65531;"),
        (Peer("Global", "192.0.2.1", 65102, next_hop_keep=True), "Global_192_0_2_1", "next hop keep;"),
        (Peer("Global", "192.0.2.1", 65102, allow_local_as=2), "Global_192_0_2_1", "allow local as 2;"),
        (Peer("Global", "192.0.2.1", 65102, password="s3"), "Global_192_0_2_1", 'password "s3";'),
        (Peer("Global", "192.0.2.1", 65102), "Global_192_0_2_1", "multihop;"),
    ],
)
def test_one_session(peer: Peer, name: str, words: str) -> None:
    assert words in block_of(config(replace(ROUTED, peers=(peer,))), f"protocol bgp {name} ")


def test_without_an_address_of_a_family_there_are_no_sessions_of_it() -> None:
    text = config(replace(ROUTED, address6=None))
    assert re.findall(r"^protocol bgp (\S+) \{", text, re.M) == ["Global_192_168_100_1", "Global_192_168_100_2"]


def test_order_of_the_export_filter() -> None:
    """Hidden pools, then nothing below the own block, services, no host route of ours, pools, and nothing else."""
    hidden = PoolView(ip_network("10.250.0.0/16"), ipip=False, exported=False)
    body = block_of(config(replace(ROUTED, pools=(hidden, *ROUTED.pools))), "filter to_ebgp4").splitlines()[1:-1]
    assert [line.strip() for line in body] == [
        "if net ~ 10.250.0.0/16 then reject;",
        "if net ~ 10.244.196.128/26 then { if net = 10.244.196.128/26 then accept; reject; }",
        "if net ~ 10.96.0.0/16 then accept;",
        "if net ~ 10.96.120.215/32 then accept;",
        "if net ~ 203.0.113.0/24 then accept;",
        "if source != RTS_BGP && net ~ [ 10.244.0.0/16{32,32} ] then reject;",
        "if net ~ 10.244.0.0/16 then accept;",
        "reject;",
    ]


def test_services_never_enter_the_kernel() -> None:
    body = block_of(config(ROUTED), "filter to_kernel4")
    assert "if net ~ 10.96.0.0/16 then reject;" in body
    assert "if net ~ 203.0.113.0/24 then reject;" in body
    assert "if net ~ 2001:db8:42:1::/112 then reject;" in block_of(config(ROUTED), "filter to_kernel6")


def test_single_addresses_are_no_aggregates() -> None:
    alone = ip_network("10.244.9.9/32")
    text = config(replace(ROUTED, blocks=(*ROUTED.blocks, alone)))
    assert "10.244.9.9/32 blackhole" not in text
    assert "!(net ~ [ 10.244.9.9/32 ])" in block_of(text, "filter to_ebgp4")


def test_metric_from_3_32_on() -> None:
    text = config(VIEWS["routed-3.32"])
    assert "krt_metric = 1024;" in block_of(text, "filter to_kernel4")
    assert f"bgp_local_pref = {2147483647 - 1024};" in block_of(text, "filter to_ebgp6")
    assert "krt_metric" not in config(ROUTED)


def test_timers_are_calicos_unless_the_manifest_says_otherwise() -> None:
    assert Timers.of({}) == Timers("2", "5", "5,30")
    environment = {
        "LABCTL_BIRD_CONNECT_DELAY": "1", "LABCTL_BIRD_CONNECT_RETRY": "3", "LABCTL_BIRD_ERROR_WAIT": "1,2",
    }  # fmt: skip
    text = config(replace(ROUTED, timers=Timers.of(environment)))
    assert text.count("connect delay time 1; connect retry time 3; error wait time 1,2;") == len(LEAFS)


# --- the control socket -----------------------------------------------------------------------------------------


class ScriptedSocket:
    """BIRD's end: a greeting, then an answer to what is asked, in small pieces."""

    def __init__(self, answer: str, piece: int) -> None:
        self._data = b"0001 BIRD 2.17.1 ready.\n"
        self._answer = answer.encode()
        self._piece = piece
        self.asked = b""
        self.closed = False

    def recv(self, size: int) -> bytes:
        piece, self._data = self._data[: self._piece], self._data[self._piece :]
        return piece

    def sendall(self, data: bytes) -> None:
        self.asked += data
        self._data += self._answer

    def close(self) -> None:
        self.closed = True


PROTOCOLS = """\
2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     10:00:00.123
 kernel4    Kernel     master4    up     10:00:00.123
 Global_192_168_100_1 BGP        ---        up     10:00:03.000  Established
 Global_192_168_100_2 BGP        ---        start  10:00:00.123  Active        Socket: Connection refused
 Mesh_192_168_1_13 BGP        ---        start  10:00:00.123  Passive
 Node_1     BGP        ---        down   10:00:00.123
0000
"""


def control(machine: Any, answer: str, piece: int = 4096) -> tuple[BirdControl, ScriptedSocket]:
    stream = ScriptedSocket(answer, piece)
    machine.connect = lambda _ns, _address: stream
    return BirdControl(machine, "/run/bird.ctl"), stream


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_sessions(machine: Any, piece: int) -> None:
    bird, stream = control(machine, PROTOCOLS.replace("0000\n", "0000 \n"), piece)
    assert bird.sessions() == {
        "Global_192_168_100_1": "Established",
        "Global_192_168_100_2": "Active",
        "Mesh_192_168_1_13": "Passive",
        "Node_1": "down",
    }
    assert (stream.asked, stream.closed) == (b"show protocols\n", True)


@pytest.mark.parametrize(
    "answer",
    [
        "0002-Reading configuration from bird.conf\n0003 Reconfigured\n",
        "0002-Reading configuration from bird.conf\n0004 Reconfiguration in progress\n",
        "0002-Reading configuration from bird.conf\n0005 Reconfiguration already in progress, queueing new config\n",
    ],
)
def test_reconfigured(machine: Any, answer: str) -> None:
    control(machine, answer)[0].configure()


def test_a_configuration_that_bird_refuses(machine: Any) -> None:
    bird, stream = control(machine, "0002-Reading configuration\n8002 bird.conf:7:3 syntax error\n", 3)
    with pytest.raises(BirdRefused, match=r"bird\.conf:7:3 syntax error"):
        bird.configure()
    assert stream.closed


def test_a_bird_that_dies_in_the_middle(machine: Any) -> None:
    with pytest.raises(AgentError, match="closed its control socket"):
        control(machine, "1002-device1    Device\n")[0].sessions()


def test_a_host_route_of_a_pool_goes_out_only_when_it_was_borrowed() -> None:
    """A pod wired before its block is here must not pass for a borrowed address and outlive the block's coming."""
    never = "  if source != RTS_BGP && net ~ [ 10.244.0.0/16{32,32} ] then reject;"
    assert never in block_of(config(ROUTED), "filter to_ebgp4").splitlines()
    view = replace(
        ROUTED,
        blocks=(ip_network("10.244.7.7/32"),),
        borrowed=(ip_network("10.244.9.9/32"), ip_network("2001:db8:42::9/128")),
    )
    assert (
        "  if source != RTS_BGP && net ~ [ 10.244.0.0/16{32,32} ] && !(net ~ [ 10.244.9.9/32, 10.244.7.7/32 ]) "
        "then reject;"
    ) in block_of(config(view), "filter to_ebgp4").splitlines()
    assert (
        "  if source != RTS_BGP && net ~ [ 2001:db8:42::/56{128,128} ] && !(net ~ [ 2001:db8:42::9/128 ]) then reject;"
    ) in block_of(config(view), "filter to_ebgp6").splitlines()
