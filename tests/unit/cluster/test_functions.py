"""A node's system functions in motion: calico-node, kube-proxy, calico-kube-controllers, with an API in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from labctl import peers
from labctl.errors import LabError
from labctl.kube.resources import (
    BGP_CONFIGURATIONS,
    BGP_PEERS,
    BLOCK_AFFINITIES,
    ENDPOINT_SLICES,
    IP_POOLS,
    IPAM_BLOCKS,
    IPAM_HANDLES,
    NODES,
    PODS,
    SERVICES,
)
from labctl.standin.cluster import functions as functions_module
from labctl.standin.cluster.calico import node as node_module
from labctl.standin.cluster.calico import sessions
from labctl.standin.cluster.calico.cluster import ClusterState
from labctl.standin.cluster.calico.cni import CalicoNetwork
from labctl.standin.cluster.calico.ipam import Ipam
from labctl.standin.cluster.calico.node import CalicoNode, CalicoParts
from labctl.standin.cluster.firewall import Firewall
from labctl.standin.cluster.function import LOG_LINES, Log, Loop
from labctl.standin.cluster.functions import KubeControllers, KubeProxy
from labctl.standin.cluster.podnet import FunctionContext
from labctl.standin.cluster.spec import NodeSpec
from labctl.waiting import Deadline, NotYet, wait_for

SPEC = NodeSpec("node01", "ns-node01", False, "172.20.20.12", 10250, "", "")
CONF, SOCKET = "/run/labctl/calico/ns-node01/bird.conf", "/run/labctl/calico/ns-node01/bird.ctl"


def until(question: Callable[[], Any], what: str = "it did not come") -> None:
    wait_for(lambda: question() or NotYet(what), Deadline(10), every=0.005)


# --- the loop ---------------------------------------------------------------------------------------------------


def test_a_loop_tries_again_and_tells_a_trouble_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    tries = threading.Semaphore(0)

    def act() -> None:
        tries.release()
        raise LabError("not there")

    loop = Loop("x", act, Log("x"), retry=0.001, settle=0.0)
    loop.start()
    for _ in range(5):
        assert tries.acquire(timeout=10)
    loop.stop()
    assert [row.getMessage() for row in caplog.records if row.name.startswith("labctl")] == ["x: not there"]
    assert loop.trouble == "not there"


def test_a_loop_acts_at_wake_ups_and_at_no_other_time() -> None:
    acted = threading.Semaphore(0)
    loop = Loop("x", acted.release, Log("x"), settle=0.0)
    loop.start()
    assert acted.acquire(timeout=10)
    assert not acted.acquire(timeout=0.03)
    loop.wake.set()
    assert acted.acquire(timeout=10)
    loop.stop()


def test_a_log_keeps_its_last_lines() -> None:
    log = Log("x")
    for number in range(LOG_LINES + 3):
        log(f"line {number}")
    lines = log.data().decode().splitlines()
    assert len(lines) == LOG_LINES
    assert lines[0].endswith(" line 3")


# --- calico-node ------------------------------------------------------------------------------------------------


@dataclass
class Bird:
    """BIRD's control socket as the test wants it."""

    states: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    refusal: str | None = None

    def connect(self, _ns: str | None, address: str) -> Bird:
        assert address == SOCKET
        self._data = b"0001 BIRD ready.\n"
        return self

    def recv(self, _size: int) -> bytes:
        data, self._data = self._data, b""
        return data

    def sendall(self, data: bytes) -> None:
        command = data.decode().strip()
        self.commands.append(command)
        if command == "configure":
            text = f"8002 {self.refusal}\n" if self.refusal else "0003 Reconfigured\n"
        else:
            rows = [f" {name} BGP --- up 10:00:00 {state}\n" for name, state in self.states.items()]
            text = "2002-Name Proto Table State Since Info\n" + "".join(rows) + "0000 \n"
        self._data = text.encode()

    def close(self) -> None:
        return


ADDRESSES = json.dumps([
    {
        "ifname": "bond0",
        "addr_info": [
            {"family": "inet", "local": "192.168.1.11", "prefixlen": 24, "scope": "global"},
            {"family": "inet6", "local": "2001:192:168:1::11", "prefixlen": 64, "scope": "global"},
        ],
    }
])  # fmt: skip
ENVIRONMENT = {
    "IP": "autodetect", "IP_AUTODETECTION_METHOD": "interface=^bond0$", "IP6": "autodetect",
    "IP6_AUTODETECTION_METHOD": "interface=^bond0$", "FELIX_IPINIPMTU": "1400",
}  # fmt: skip


class Running:
    """calico-node of node01 in a cluster with two leafs and a second node."""

    def __init__(self, api: Any, machine: Any, calico: str = "3.20.0") -> None:
        self.api, self.machine, self.bird = api, machine, Bird()
        machine.connect = self.bird.connect
        machine.answers["ip", "-j", "addr"] = ADDRESSES.encode()
        machine.files["/run/labctl/calico/ns-node01/bird.out"] = b"bird: cannot bind\n"
        api.add(NODES, "node01")
        node02 = {sessions.IPV4: "192.168.1.13/24", sessions.IPV6: "2001:192:168:1::13/64"}
        api.add(NODES, "node02", metadata={"annotations": node02})
        api.add(IP_POOLS, "four", spec={"cidr": "10.244.0.0/16", "ipipMode": "Never", "natOutgoing": True})
        spec = {"asNumber": 65531, "nodeToNodeMeshEnabled": False, "serviceClusterIPs": [{"cidr": "10.96.0.0/16"}]}
        api.add(BGP_CONFIGURATIONS, "default", spec=spec)
        api.add(BGP_PEERS, "leaf", spec={"peerIP": "192.168.100.1", "asNumber": 65102})
        self.changed = threading.Semaphore(0)
        self.network = CalicoNetwork("node01", "ns-node01", machine, api, Ipam(api))
        self.cluster = ClusterState(api)
        parts = CalicoParts(
            api, self.cluster, Ipam(api), self.network, Firewall(machine, "ns-node01"), peers.calico(calico)
        )
        context = FunctionContext(SPEC, machine, ENVIRONMENT, calico, self.changed.release)
        self.log = Log("calico-node")
        self.function = CalicoNode(context, parts, self.log)

    def start(self) -> Running:
        self.function.start()
        self.machine.await_program()
        return self

    @property
    def conf(self) -> str:
        return self.machine.files.get(CONF, b"").decode()

    @property
    def lines(self) -> list[str]:
        return self.log.data().decode().splitlines()

    def ops(self) -> list[str]:
        return [op.text for _, ops in self.machine.batched for op in ops]


@pytest.fixture
def running(api: Any, machine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(node_module, "READY_EVERY", 0.01)
    monkeypatch.setattr(node_module, "WATCH_EVERY", 0.01)
    running = Running(api, machine)
    yield running
    running.function.stop()


def test_it_takes_its_addresses_and_starts_bird(running: Running) -> None:
    running.start()
    annotations = running.api.get(NODES.path(name="node01"))["metadata"]["annotations"]
    assert annotations == {sessions.IPV4: "192.168.1.11/24", sessions.IPV6: "2001:192:168:1::11/64"}
    program = running.machine.await_program()
    assert program.argv == ("bird", "-f", "-c", CONF, "-s", SOCKET)
    assert program.ns == "ns-node01"
    assert "router id 192.168.1.11;" in running.conf
    assert "protocol bgp Global_192_168_100_1 {" in running.conf
    assert "Mesh_" not in running.conf
    until(lambda: any("cali-nat-outgoing" in text for text in running.ops()))


def test_it_is_ready_when_every_session_is_up_and_stays_so_with_one(running: Running) -> None:
    running.bird.states = {"Global_a": "Established", "Global_b": "Active"}
    running.start()
    until(lambda: running.bird.commands.count("show protocols") > 2)
    assert not running.function.ready()
    until(lambda: any("BGP not established with Global_b (Active)" in line for line in running.lines))
    running.bird.states["Global_b"] = "Established"
    until(running.function.ready)
    assert running.changed.acquire(timeout=10)
    running.bird.states["Global_a"] = "Active"
    asked = len(running.bird.commands)
    until(lambda: len(running.bird.commands) > asked + 2)
    assert running.function.ready()
    running.bird.states["Global_b"] = "Active"
    until(lambda: not running.function.ready())


def test_a_service_with_a_local_endpoint_is_advertised_and_withdrawn(running: Running) -> None:
    running.start()
    spec = {
        "type": "NodePort", "clusterIP": "10.96.120.215", "externalTrafficPolicy": "Local", "ipFamilies": ["IPv4"],
    }  # fmt: skip
    running.api.add(SERVICES, "web", "default", spec=spec)
    running.api.add(
        ENDPOINT_SLICES, "web-1", "default", metadata={"labels": {"kubernetes.io/service-name": "web"}},
        addressType="IPv4", endpoints=[{"addresses": ["10.244.0.1"], "nodeName": "node01"}],
    )  # fmt: skip
    until(lambda: "route 10.96.120.215/32 blackhole;" in running.conf)
    until(lambda: "configure" in running.bird.commands)
    running.api.delete(ENDPOINT_SLICES.path("default", "web-1"))
    until(lambda: "10.96.120.215" not in running.conf)


def test_ipip_comes_and_goes(running: Running) -> None:
    """Mesh, tunnel address and device on entering the mode; all given back on leaving it."""
    running.start()
    running.api.patch(IP_POOLS.path(name="four"), {"spec": {"ipipMode": "Always"}})
    running.api.patch(BGP_CONFIGURATIONS.path(name="default"), {"spec": {"nodeToNodeMeshEnabled": True}})

    def tunnel() -> str | None:
        return running.api.get(NODES.path(name="node01"))["metadata"]["annotations"].get(sessions.TUNNEL)

    until(tunnel)
    assert tunnel() == "10.244.196.128", "the first address of the node's first block"
    until(lambda: "route 192.168.1.13/32 via 192.168.1.13%tunl0 onlink;" in running.conf)
    until(lambda: "addr replace 10.244.196.128/32 dev tunl0" in running.ops())
    assert "link set tunl0 mtu 1400" in running.ops()
    until(lambda: "route 10.244.196.128/26 blackhole;" in running.conf)
    running.api.patch(IP_POOLS.path(name="four"), {"spec": {"ipipMode": "Never"}})
    running.api.patch(BGP_CONFIGURATIONS.path(name="default"), {"spec": {"nodeToNodeMeshEnabled": False}})
    until(lambda: tunnel() is None)
    until(lambda: "addr flush dev tunl0" in running.ops())
    until(lambda: "tunl0" not in running.conf)
    until(lambda: running.api.list(IPAM_HANDLES) == [])


def test_from_3_33_on_felix_programs_the_tunnels_routes(
    api: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of other nodes and what they borrow, by the node's address and without BGP; gone with the mode."""
    monkeypatch.setattr(node_module, "WATCH_EVERY", 0.01)
    left = [{"dst": "10.244.9.0/26", "gateway": "192.168.1.13", "dev": "tunl0", "protocol": "80"}]
    machine.answers["ip", "-j", "-4", "route", "show", "proto", "80"] = json.dumps(left).encode()
    it = Running(api, machine, "3.33.0")
    api.add(BLOCK_AFFINITIES, "two", spec={"cidr": "10.244.140.64/26", "node": "node02", "state": "confirmed"})
    api.add(BLOCK_AFFINITIES, "other", spec={"cidr": "10.99.0.0/26", "node": "node02", "state": "confirmed"})
    api.add(BLOCK_AFFINITIES, "soon", spec={"cidr": "10.244.7.0/26", "node": "node02", "state": "pending"})
    api.patch(IP_POOLS.path(name="four"), {"spec": {"ipipMode": "Always"}})
    try:
        it.start()
        until(lambda: "route replace 10.244.140.64/26 via 192.168.1.13 dev tunl0 onlink proto 80" in it.ops())
        assert "route del 10.244.9.0/26 dev tunl0 proto 80" in it.ops(), "an earlier calico-node had left it"
        routes = [text for text in it.ops() if text.startswith("route replace")]
        assert len(routes) == len(set(routes)) == 1, "neither its own block, nor one that is pending or of no pool"
        assert "protocol bgp Mesh_" not in it.conf
        assert "tunl0 onlink" not in it.conf
        api.delete(BLOCK_AFFINITIES.path(name="two"))
        until(lambda: "route del 10.244.140.64/26 dev tunl0 proto 80" in it.ops())
        api.patch(IP_POOLS.path(name="four"), {"spec": {"ipipMode": "Never"}})
        until(lambda: "addr flush dev tunl0" in it.ops())
    finally:
        it.function.stop()


def test_a_selector_that_is_none_is_told_and_does_not_end_the_function(running: Running) -> None:
    running.start()
    running.api.add(BGP_PEERS, "odd", spec={"peerIP": "192.0.2.1", "asNumber": 1, "nodeSelector": "rack =="})
    until(lambda: any("it ends too early" in line for line in running.lines))
    running.api.delete(BGP_PEERS.path(name="odd"))
    running.api.add(BGP_PEERS, "good", spec={"peerIP": "192.0.2.2", "asNumber": 65102})
    until(lambda: "Global_192_0_2_2" in running.conf)


def test_a_configuration_that_bird_refuses_is_told_and_tried_again(running: Running) -> None:
    running.start()
    running.bird.refusal = "bird.conf:7:3 syntax error"
    running.api.add(BGP_PEERS, "second", spec={"peerIP": "192.168.100.2", "asNumber": 65102})
    until(lambda: any("bird.conf:7:3 syntax error" in line for line in running.lines))
    running.bird.refusal = None
    until(lambda: any("BIRD reconfigured" in line for line in running.lines))


def test_a_bird_that_dies_is_a_failure_with_its_words(running: Running) -> None:
    running.start()
    running.machine.await_program().end(1)
    until(running.function.failure)
    assert running.function.failure() == "BIRD ended with code 1: bird: cannot bind"
    assert not running.function.ready()


def test_the_pod_network_is_there_once_calico_node_is(running: Running) -> None:
    enabled = threading.Event()
    running.network.on_enabled = enabled.set
    running.start()
    assert enabled.wait(10)


def test_its_end_is_birds_end(running: Running) -> None:
    running.start()
    until(lambda: running.bird.commands)
    running.function.stop()
    assert running.machine.await_program().signals == [9]
    running.machine.files["/run/labctl/calico/ns-node01/bird.log"] = b"<TRACE> hello\n"
    assert b"starting" in running.function.logs()
    assert running.function.logs().endswith(b"<TRACE> hello\n")


# --- kube-proxy -------------------------------------------------------------------------------------------------


def test_kube_proxy_follows_services(api: Any, machine: Any) -> None:
    changed = threading.Event()
    cluster = ClusterState(api)
    context = FunctionContext(SPEC, machine, {}, "", changed.set)
    function = KubeProxy(context, cluster, Firewall(machine, "ns-node01"), ("10.244.0.0/16",), Log("p"))
    function.start()
    assert changed.wait(10)
    assert function.ready()
    assert function.failure() is None
    api.add(SERVICES, "web", "default", spec={"type": "ClusterIP", "clusterIP": "10.96.0.9", "ports": [{"port": 80}]})
    until(lambda: any("10.96.0.9" in op.text for _, ops in machine.batched for op in ops))
    function.stop()
    assert b"chains of 0 service ports are in place" in function.logs()


# --- calico-kube-controllers ------------------------------------------------------------------------------------


@pytest.fixture
def collector(api: Any, machine: Any) -> KubeControllers:
    api.add(IP_POOLS, "four", spec={"cidr": "10.244.0.0/16"})
    for name in ("node01", "node02"):
        api.add(NODES, name)
    context = FunctionContext(SPEC, machine, {}, "", lambda: None)
    return KubeControllers(context, api, Ipam(api), Log("c"))


def allocate(api: Any, node: str, pod: str | None) -> str:
    attributes = {"node": node, **({"namespace": "default", "pod": pod} if pod else {"type": "ipipTunnelAddress"})}
    return str(Ipam(api).assign(node, 4, f"handle-{node}-{pod}", attributes))


def test_addresses_of_pods_that_are_gone_are_given_back_in_the_second_round(
    api: Any, collector: KubeControllers
) -> None:
    api.add(PODS, "here", "default")
    for pod in ("here", "gone", None):
        allocate(api, "node01", pod)
    collector._act()
    assert len(api.list(IPAM_HANDLES)) == 3, "a pod's object may appear after its addresses do"
    collector._act()
    assert {item["metadata"]["name"] for item in api.list(IPAM_HANDLES)} == {"handle-node01-here", "handle-node01-none"}
    assert collector.ready()


def test_a_pod_that_appears_meanwhile_keeps_its_address(api: Any, collector: KubeControllers) -> None:
    allocate(api, "node01", "late")
    collector._act()
    api.add(PODS, "late", "default")
    for _ in range(3):
        collector._act()
    assert len(api.list(IPAM_HANDLES)) == 1


def test_a_node_that_is_gone_leaves_nothing(api: Any, collector: KubeControllers) -> None:
    """So a new node of its name has the same block again, as Calico's rule wants it."""
    first = allocate(api, "node02", "gone")
    api.add(PODS, "here", "default")
    allocate(api, "node01", "here")
    api.delete(NODES.path(name="node02"))
    collector._act()
    assert len(api.list(BLOCK_AFFINITIES)) == 2, "not while addresses of it are out"
    for _ in range(2):
        collector._act()
    assert [item["spec"]["node"] for item in api.list(BLOCK_AFFINITIES)] == ["node01"]
    assert len(api.list(IPAM_BLOCKS)) == 1
    api.add(NODES, "node02")
    assert allocate(api, "node02", "new") == first


def test_rounds_are_told_apart(monkeypatch: pytest.MonkeyPatch, api: Any, collector: KubeControllers) -> None:
    monkeypatch.setattr(functions_module, "COLLECT_EVERY", 0.01)
    allocate(api, "node01", "gone")
    collector.start()
    until(lambda: api.list(IPAM_HANDLES) == [])
    collector.stop()
    assert b"released handle-node01-gone" in collector.logs()
