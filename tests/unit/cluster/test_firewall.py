"""Several owners' chains as one text; Felix's chains; a pod's wires."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

import pytest

from labctl.guest.api import AgentError
from labctl.kube.resources import CONFIG_MAPS, IP_POOLS, IPAM_HANDLES, NODES
from labctl.standin.cluster.calico import felix
from labctl.standin.cluster.calico.cni import CalicoNetwork, handle_of, wire
from labctl.standin.cluster.calico.ipam import Ipam
from labctl.standin.cluster.firewall import Chains, Firewall
from labctl.standin.cluster.podnet import NetworkNotReady, PodRef


class Kernel:
    """What ``iptables-restore --noflush`` leaves behind, of one family."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, list[str]]] = {
            "nat": {"PREROUTING": [], "INPUT": [], "OUTPUT": [], "POSTROUTING": []},
            "filter": {"INPUT": [], "FORWARD": [], "OUTPUT": []},
        }

    def restore(self, text: str) -> None:
        table: dict[str, list[str]] = {}
        for line in text.splitlines():
            head, _, rest = line.partition(" ")
            if line.startswith("*"):
                table = self.tables[line[1:]]
            elif line.startswith(":"):
                table[head[1:]] = []
            elif head == "-F":
                table[rest] = []
            elif head == "-X":
                assert not any(f"-j {rest}" in rule for rules in table.values() for rule in rules), f"{rest} is in use"
                del table[rest]
            elif head == "-A":
                chain, _, rule = rest.partition(" ")
                table[chain].append(rule)
                target = rule.rpartition("-j ")[2].split()[0]
                assert target.isupper() or target in table, f"{rule}: no chain {target}"


def rules(**chains: Sequence[str]) -> list[Chains]:
    return [Chains(4, "nat", {name.replace("_", "-"): rows for name, rows in chains.items()})]


@pytest.fixture
def kernel(machine: Any) -> Kernel:
    kernel = Kernel()
    real = machine.batch

    def batch(ns: str, ops: Sequence[Any]) -> Any:
        failures = real(ns, ops)
        if not failures:
            for op in ops:
                if op.kind == "iptables":
                    kernel.restore(op.text)
        return failures

    machine.batch = batch
    return kernel


def test_owners_share_built_in_chains(machine: Any, kernel: Kernel) -> None:
    firewall = Firewall(machine, "node01")
    firewall.put("kube-proxy", rules(POSTROUTING=["-j kube"], kube=["-j MASQUERADE"]))
    firewall.put("felix", rules(POSTROUTING=["-j cali"], cali=["-j RETURN"]))
    nat = kernel.tables["nat"]
    assert nat["POSTROUTING"] == ["-j cali", "-j kube"]
    assert (nat["kube"], nat["cali"]) == (["-j MASQUERADE"], ["-j RETURN"])


def test_the_same_again_asks_the_kernel_nothing(machine: Any, kernel: Kernel) -> None:
    firewall = Firewall(machine, "node01")
    for _ in range(3):
        firewall.put("felix", rules(POSTROUTING=["-j cali"], cali=[]))
    assert len(machine.batched) == 1
    assert machine.batched[0][0] == "node01"


def test_a_restarted_owner_leaves_no_second_jump(machine: Any, kernel: Kernel) -> None:
    for _ in range(2):  # a new process knows nothing of the old one's text
        firewall = Firewall(machine, "node01")
        firewall.put("kube-proxy", rules(POSTROUTING=["-j kube"], kube=["-j RETURN"]))
    assert kernel.tables["nat"]["POSTROUTING"] == ["-j kube"]
    assert kernel.tables["nat"]["kube"] == ["-j RETURN"]


def test_chains_that_are_gone_are_removed(machine: Any, kernel: Kernel) -> None:
    firewall = Firewall(machine, "node01")
    firewall.put("kube-proxy", rules(OUTPUT=["-j a"], a=["-j b"], b=["-j RETURN"]))
    firewall.put("kube-proxy", rules(OUTPUT=["-j c"], c=["-j RETURN"]))
    assert set(kernel.tables["nat"]) == {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING", "c"}
    firewall.put("kube-proxy", [])
    assert set(kernel.tables["nat"]) == {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}


def test_a_refused_text_is_tried_again_and_forgets_nothing(machine: Any, kernel: Kernel) -> None:
    firewall = Firewall(machine, "node01")
    firewall.put("kube-proxy", rules(OUTPUT=["-j a"], a=[]))
    machine.refuse = lambda _ns, _op: "line 3 failed"
    with pytest.raises(AgentError, match="iptables-restore: line 3 failed"):
        firewall.put("kube-proxy", rules(OUTPUT=["-j b"], b=[]))
    machine.refuse = lambda _ns, _op: None
    firewall.put("kube-proxy", rules(OUTPUT=["-j b"], b=[]))
    assert "a" not in kernel.tables["nat"], "what the refused text would have removed is still removed"
    assert kernel.tables["nat"]["OUTPUT"] == ["-j b"]


def test_families_do_not_mix(machine: Any) -> None:
    firewall = Firewall(machine, "node01")
    firewall.put("x", [Chains(6, "filter", {"FORWARD": ["-j DROP"]})])
    ((_, (op,)),) = machine.batched
    assert op.kind == "ip6tables"
    assert "*nat" not in op.text


# --- Felix ------------------------------------------------------------------------------------------------------


def pools(*rows: tuple[str, bool]) -> list[Any]:
    return [{"spec": {"cidr": cidr, "natOutgoing": outgoing}} for cidr, outgoing in rows]


def felix_rules(family: int, table: str, *args: Any) -> Any:
    return next(row.rules for row in felix.chains(*args) if (row.family, row.table) == (family, table))


def test_outgoing_pods_are_masqueraded_but_not_between_pools() -> None:
    rows = pools(("10.244.0.0/16", True), ("10.250.0.0/16", False), ("2001:db8:42::/56", False))
    assert felix_rules(4, "nat", rows, [])["cali-nat-outgoing"] == [
        "-s 10.244.0.0/16 -d 10.244.0.0/16 -j RETURN",
        "-s 10.244.0.0/16 -d 10.250.0.0/16 -j RETURN",
        "-s 10.244.0.0/16 -j MASQUERADE",
    ]
    assert felix_rules(6, "nat", rows, [])["cali-nat-outgoing"] == []
    assert any("tunl0" in rule for rule in felix_rules(4, "nat", rows, [])["cali-POSTROUTING"])
    assert not any("tunl0" in rule for rule in felix_rules(6, "nat", rows, [])["cali-POSTROUTING"])


def test_service_addresses_are_not_forwarded_untranslated() -> None:
    ranges = [ip_network("10.96.0.0/16"), ip_network("2001:db8:42:1::/112")]
    assert felix_rules(4, "filter", [], ranges)["cali-cidr-block"] == ["-d 10.96.0.0/16 -j DROP"]
    assert felix_rules(6, "filter", [], ranges)["cali-cidr-block"] == ["-d 2001:db8:42:1::/112 -j DROP"]


def test_the_tunnel_device() -> None:
    assert [op.text for op in felix.tunnel(IPv4Address("10.244.196.128"), 1480)] == [
        "link add tunl0 type ipip local any remote any",
        "link set tunl0 mtu 1480",
        "addr replace 10.244.196.128/32 dev tunl0",
        "link set tunl0 up",
    ]
    assert "addr flush dev tunl0" in [op.text for op in felix.no_tunnel()]


# --- CNI --------------------------------------------------------------------------------------------------------

POD = PodRef("default", "ping", "uid-7", "pod-7")


@pytest.fixture
def network(api: Any, machine: Any) -> CalicoNetwork:
    api.add(NODES, "node01")
    api.add(IP_POOLS, "four", spec={"cidr": "10.244.0.0/16"})
    api.add(IP_POOLS, "six", spec={"cidr": "2001:db8:42::/56"})
    return CalicoNetwork("node01", "ns-node01", machine, api, Ipam(api))


def test_no_pod_network_before_calico_node(network: CalicoNetwork) -> None:
    with pytest.raises(NetworkNotReady, match="calico-node is not running on this node"):
        network.add(POD)


def test_a_pod_is_wired_as_calico_does_it(network: CalicoNetwork, machine: Any, golden: Callable[..., None]) -> None:
    network.enable()
    found = network.add(POD)
    assert found.addresses == ("10.244.196.128", "2001:db8:42:ae:fe9b:5aae:bdcd:3700")
    assert found.host_interface == "cali19697d18bb9"
    golden(
        "cluster/pod-wires.txt",
        "".join(f"{ns}: {op.kind} {op.text}\n" for ns, ops in machine.batched for op in ops),
    )


def pinned_pod(text: str, name: str = "ping") -> PodRef:
    return PodRef("default", name, f"uid-{name}", f"pod-{name}", {"cni.projectcalico.org/ipAddrs": text})


def test_a_pod_has_the_addresses_that_its_annotation_says(network: CalicoNetwork, machine: Any) -> None:
    network.enable()
    found = network.add(pinned_pod('["2001:db8:42::7", "10.244.9.8"]'))
    assert found.addresses == ("10.244.9.8", "2001:db8:42::7")
    assert network.add(pinned_pod('["10.244.9.9"]', "other")).addresses == ("10.244.9.9",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["10.244.9.8"]', "error getting IP from IPAM: Address already assigned in block"),
        ('["10.9.9.9"]', "error getting IP from IPAM: The provided IP address is not in a configured pool"),
        ('["2001:db8:42::1", "10.9.9.9"]', "is not in a configured pool"),
        ("10.244.9.7", 'failed to parse IPs 10.244.9.7 for annotation "cni.projectcalico.org/ipAddrs": '),
        ("[7]", "failed to parse IPs"),
        ('{"a": 1}', "failed to parse IPs"),
        ("[]", 'annotation "cni.projectcalico.org/ipAddrs" specified but empty'),
        ('["10.244.9"]', "invalid IP format: 10.244.9"),
        ('["10.244.9.1", "10.244.9.2"]', "cannot have more than one IPv4 address for"),
    ],
)
def test_an_annotation_that_cannot_be_followed(network: CalicoNetwork, api: Any, text: str, words: str) -> None:
    """The pod waits, with Calico's words in its events; nothing of it stays in IPAM."""
    network.enable()
    network.add(pinned_pod('["10.244.9.8"]', "first"))
    with pytest.raises(NetworkNotReady, match=re.escape(words)) as caught:
        network.add(pinned_pod(text))
    assert caught.value.message.startswith('plugin type="calico" failed (add): ')
    assert [item["spec"]["handleID"] for item in api.list(IPAM_HANDLES)] == ["k8s-pod-network.uid-first"]


@pytest.mark.parametrize(("configured", "mtu"), [(None, 1500), ("0", 1500), ("1480", 1480)])
def test_mtu(network: CalicoNetwork, api: Any, machine: Any, configured: str | None, mtu: int) -> None:
    if configured is not None:
        api.add(CONFIG_MAPS, "calico-config", "kube-system", data={"veth_mtu": configured})
    network.enable()
    network.add(POD)
    assert f"mtu {mtu} type veth peer name eth0 mtu {mtu} netns pod-7" in machine.batched[0][1][0].text


def test_a_link_that_the_kernel_refuses_gives_the_addresses_back(
    network: CalicoNetwork, api: Any, machine: Any
) -> None:
    network.enable()
    machine.refuse = lambda _ns, op: "RTNETLINK answers: File exists" if "link add" in op.text else None
    with pytest.raises(AgentError, match="File exists"):
        network.add(POD)
    assert api.list(IPAM_HANDLES) == []


def test_taking_a_pod_off(network: CalicoNetwork, api: Any, machine: Any) -> None:
    network.enable()
    network.add(POD)
    network.delete(POD)
    network.delete(POD)
    assert api.list(IPAM_HANDLES) == []
    assert machine.batched[-1][1][0].text == "link del cali19697d18bb9"
    assert handle_of(POD) == "k8s-pod-network.uid-7"


def test_no_pool_at_all(api: Any, machine: Any) -> None:
    api.add(NODES, "node01")
    network = CalicoNetwork("node01", "node01", machine, api, Ipam(api))
    network.enable()
    with pytest.raises(NetworkNotReady, match="no configured Calico pools"):
        network.add(POD)


def test_an_ipv6_only_pod_has_no_ipv4_gateway() -> None:
    groups = wire("node", "pod", "cali1", 1500, [ip_address("fd00::1")])
    pod = [op.text for op in groups[1][1]]
    assert not any("169.254.1.1" in text for text in pod)
    assert "route add default via fe80::ecee:eeff:feee:eeee dev eth0" in pod
    assert [op.text for op in groups[2][1]] == ["route add fd00::1/128 dev cali1 scope link"]
