"""kube-proxy's chains: names, order, probabilities, policies; and the whole text."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.standin.cluster.firewall import Firewall
from labctl.standin.cluster.proxy import chain_name, chains, service_ports
from tests.tools import tool

CIDRS = ("10.244.0.0/16", "2001:db8:42::/56")


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    spec = {"type": "ClusterIP", "clusterIP": "10.96.120.215", "ports": [{"port": 80}], **spec}
    meta = {"namespace": "default", "name": name}
    ingress = [{"ip": ip} for ip in spec.pop("ingress", ())]
    return {"metadata": meta, "spec": spec, "status": {"loadBalancer": {"ingress": ingress}}}


def slice_of(*rows: tuple[str, str], name: str = "web", port: int = 80, ready: bool | None = True) -> dict[str, Any]:
    """Rows of (address, node)."""
    family = "IPv6" if rows and ":" in rows[0][0] else "IPv4"
    endpoints = [{"addresses": [address], "nodeName": node, "conditions": {"ready": ready}} for address, node in rows]
    return {
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": family, "ports": [{"port": port, "name": ""}], "endpoints": endpoints,
    }  # fmt: skip


TWO = slice_of(("10.244.196.130", "node01"), ("10.244.140.70", "node02"))


def table(services: list[Any], slices: list[Any], node: str = "node01", *, family: int = 4, name: str = "nat") -> Any:
    found = chains(service_ports(services, slices), node, CIDRS)
    return next(row.rules for row in found if (row.family, row.table) == (family, name))


@pytest.mark.parametrize(
    ("port_name", "hashed"),
    [
        ("default/kubernetes:https", "NPX46M4PTMTKRN6Y"),
        ("default/nginx-service", "V2OKYYMBY3REGZOG"),
        ("default/my-service-ipv4", "KQKWYO5NTU2OZGXM"),
    ],
)
def test_names_as_kube_proxy_makes_them(port_name: str, hashed: str) -> None:
    assert chain_name("KUBE-SVC-", port_name, "tcp") == f"KUBE-SVC-{hashed}"
    assert chain_name("KUBE-EXT-", port_name, "tcp").removeprefix("KUBE-EXT-") == hashed


def test_port_names() -> None:
    many = service(ports=[{"port": 443, "name": "https"}, {"port": 80}, {"port": 53, "protocol": "UDP", "name": "dns"}])
    found = {port.name: port.protocol for port in service_ports([many], [])}
    assert found == {"default/web:https": "tcp", "default/web": "tcp", "default/web:dns": "udp"}


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_probabilities(count: int) -> None:
    rows = [(f"10.244.0.{number}", "node01") for number in range(count)]
    nat = table([service()], [slice_of(*rows)])
    rules = nat[chain_name("KUBE-SVC-", "default/web", "tcp")]
    assert rules[0] == (
        '-m comment --comment "default/web" ! -s 10.244.0.0/16 -d 10.96.120.215 -p tcp -m tcp --dport 80'
        " -j KUBE-MARK-MASQ"
    )
    chances = [re.findall(r"--probability (\S+)", rule) for rule in rules[1:]]
    assert chances == [[f"{1 / left:.10f}"] for left in range(count, 1, -1)] + [[]]
    targets = [rule.split()[-1] for rule in rules[1:]]
    assert len(set(targets)) == count
    assert set(targets) == {chain for chain in nat if chain.startswith("KUBE-SEP-")}


def test_each_endpoint_is_translated_and_hairpins_are_masqueraded() -> None:
    nat = table([service()], [slice_of(("10.244.196.130", "node01"), port=8080)])
    chain = chain_name("KUBE-SEP-", "default/web", "tcp", "10.244.196.130:8080")
    assert nat[chain] == [
        '-m comment --comment "default/web" -s 10.244.196.130 -j KUBE-MARK-MASQ',
        '-m comment --comment "default/web" -p tcp -m tcp -j DNAT --to-destination 10.244.196.130:8080',
    ]


def test_dispatch_ends_with_node_ports() -> None:
    nat = table(
        [service("b"), service("a", clusterIP="10.96.0.9")], [TWO | {"metadata": slice_of(name="a")["metadata"]}]
    )
    assert nat["KUBE-SERVICES"] == [
        '-m comment --comment "default/a" -d 10.96.0.9 -p tcp -m tcp --dport 80 -j '
        + chain_name("KUBE-SVC-", "default/a", "tcp"),
        "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
    ]
    assert nat["KUBE-POSTROUTING"][-1] == "-j MASQUERADE --random-fully"


NODE_PORT = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 32558}]}
SVC, EXT, SVL = (chain_name(f"KUBE-{kind}-", "default/web", "tcp") for kind in ("SVC", "EXT", "SVL"))


def test_a_node_port_with_policy_cluster_is_masqueraded() -> None:
    nat = table([service(**NODE_PORT, externalTrafficPolicy="Cluster")], [TWO])
    assert nat["KUBE-NODEPORTS"] == [f'-m comment --comment "default/web" -p tcp -m tcp --dport 32558 -j {EXT}']
    assert nat[EXT] == ["-j KUBE-MARK-MASQ", f"-j {SVC}"]
    assert SVL not in nat


def test_a_node_port_with_policy_local_goes_to_local_endpoints_unmasqueraded() -> None:
    nat = table([service(**NODE_PORT, externalTrafficPolicy="Local")], [TWO])
    assert nat[EXT] == [
        f"-s 10.244.0.0/16 -j {SVC}",
        "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ",
        f"-m addrtype --src-type LOCAL -j {SVC}",
        f"-j {SVL}",
    ]
    local = chain_name("KUBE-SEP-", "default/web", "tcp", "10.244.196.130:80")
    assert nat[SVL] == [f'-m comment --comment "default/web -> 10.244.196.130:80" -j {local}']
    assert len(nat[SVC]) == 3, "the ClusterIP itself is balanced over all: the policy is not for it"


def test_a_node_without_local_endpoint_drops_node_port_traffic() -> None:
    services = [service(**NODE_PORT, externalTrafficPolicy="Local", externalIPs=["203.0.113.7"])]
    assert SVL not in table(services, [TWO], "master")
    assert table(services, [TWO], "master", name="filter")["KUBE-EXTERNAL-SERVICES"] == [
        '-m comment --comment "default/web has no local endpoints" -d 203.0.113.7 -p tcp -m tcp --dport 80 -j DROP',
        (
            '-m comment --comment "default/web has no local endpoints" -m addrtype --dst-type LOCAL -p tcp -m tcp'
            " --dport 32558 -j DROP"
        ),
    ]
    assert table(services, [TWO], "node01", name="filter")["KUBE-EXTERNAL-SERVICES"] == []


@pytest.mark.parametrize("slices", [[], [slice_of()], [slice_of(("10.244.0.1", "node01"), ready=False)]])
def test_no_endpoints_is_a_reject(slices: list[Any]) -> None:
    services = [service(**NODE_PORT, externalIPs=["203.0.113.7"])]
    nat, found = table(services, slices), table(services, slices, name="filter")
    assert nat["KUBE-SERVICES"] == ["-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"]
    assert nat["KUBE-NODEPORTS"] == []
    said = '-m comment --comment "default/web has no endpoints"'
    assert found["KUBE-SERVICES"] == [f"{said} -d 10.96.120.215 -p tcp -m tcp --dport 80 -j REJECT"]
    assert found["KUBE-EXTERNAL-SERVICES"] == [
        f"{said} -d 203.0.113.7 -p tcp -m tcp --dport 80 -j REJECT",
        f"{said} -m addrtype --dst-type LOCAL -p tcp -m tcp --dport 32558 -j REJECT",
    ]


def test_an_internal_policy_local() -> None:
    """From pods and hosts the ClusterIP leads to local endpoints alone; from outside the NodePort leads to all."""
    services = [service(**NODE_PORT, internalTrafficPolicy="Local")]
    nat = table(services, [TWO])
    assert nat["KUBE-SERVICES"][0].endswith(f"-j {SVL}")
    assert nat[SVL][0].endswith("KUBE-MARK-MASQ")
    assert len(nat[SVL]) == 2
    assert len(nat[SVC]) == 2
    assert nat[EXT][-1] == f"-j {SVC}"
    elsewhere = table(services, [TWO], "master")
    assert elsewhere["KUBE-SERVICES"] == ["-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"]
    assert table(services, [TWO], "master", name="filter")["KUBE-SERVICES"] == [
        '-m comment --comment "default/web has no local endpoints" -d 10.96.120.215 -p tcp -m tcp --dport 80 -j DROP'
    ]


def test_ipv6_has_its_own_tables() -> None:
    dual = service(clusterIPs=["10.96.120.215", "2001:db8:42:1::d7"])
    six = slice_of(("2001:db8:42:ae:fe9b:5aae:bdcd:3701", "node01"))
    nat6 = table([dual], [TWO, six], family=6)
    assert any("-d 2001:db8:42:1::d7 -p tcp" in rule for rule in nat6["KUBE-SERVICES"])
    assert any("! -s 2001:db8:42::/56" in rule for rule in nat6[SVC])
    assert any("--to-destination [2001:db8:42:ae:fe9b:5aae:bdcd:3701]:80" in r for c in nat6.values() for r in c)
    assert not any("2001:" in rule for rules in table([dual], [TWO, six]).values() for rule in rules)


@pytest.mark.parametrize(
    "spec", [{"type": "ExternalName"}, {"clusterIP": "None"}, {"clusterIP": None}, {"clusterIP": "", "clusterIPs": []}]
)
def test_services_without_an_address_have_no_chains(spec: dict[str, Any]) -> None:
    assert service_ports([service(**spec)], [TWO]) == []


def test_a_named_port_finds_its_number_in_the_slice() -> None:
    named = service(ports=[{"port": 443, "name": "https", "targetPort": "tls"}])
    rows = slice_of(("10.244.0.1", "node01"))
    rows["ports"] = [{"name": "http", "port": 8080}, {"name": "https", "port": 8443}]
    (port,) = service_ports([named], [rows])
    assert [str(endpoint) for endpoint in port.endpoints] == ["10.244.0.1:8443"]


@given(
    st.lists(st.tuples(st.sampled_from(["node01", "node02"]), st.booleans()), max_size=6),
    st.sampled_from(["Local", "Cluster"]),
    st.sampled_from(["Local", "Cluster"]),
    st.sampled_from(["ClusterIP", "NodePort"]),
)
def test_every_jump_has_a_target_and_no_chain_is_orphaned(
    rows: list[tuple[str, bool]], external: str, internal: str, kind: str
) -> None:
    spec = {"externalTrafficPolicy": external} if kind == "NodePort" else {}
    ports = [{"port": 80, **({"nodePort": 30080} if kind == "NodePort" else {})}]
    slices = [slice_of((f"10.244.0.{i}", node), ready=ready) for i, (node, ready) in enumerate(rows)]
    for found in chains(
        service_ports([service(type=kind, ports=ports, internalTrafficPolicy=internal, **spec)], slices),
        "node01",
        CIDRS,
    ):
        jumps = {rule.rpartition("-j ")[2].split()[0] for rules in found.rules.values() for rule in rules}
        assert {name for name in jumps if name.startswith("KUBE")} <= set(found.rules)
        assert {name for name in found.rules if name.startswith(("KUBE-SVC", "KUBE-SVL", "KUBE-SEP"))} <= jumps


def whole_text(machine: Any) -> str:
    local, cluster = ({**NODE_PORT, "externalTrafficPolicy": policy} for policy in ("Local", "Cluster"))
    services = [
        service("my-service-ipv4", **local, clusterIPs=["10.96.120.215", "2001:db8:42:1::d7"]),
        service("web", **cluster | {"ports": [{"port": 80, "nodePort": 31894}]}, clusterIP="10.96.214.77"),
        service("empty", clusterIP="10.96.0.99"),
    ]
    slices = [
        slice_of(("10.244.196.130", "node01"), ("10.244.140.70", "node02"), name="my-service-ipv4"),
        slice_of(("2001:db8:42:ae:fe9b:5aae:bdcd:3701", "node01"), name="my-service-ipv4"),
        slice_of(("10.244.140.71", "node02")),
    ]
    Firewall(machine, "node01").put("kube-proxy", chains(service_ports(services, slices), "node01", CIDRS))
    ((_, ops),) = machine.batched
    return "".join(f"# {op.kind}-restore\n{op.text}" for op in ops)


def test_golden(machine: Any, golden: Callable[[str, str], None]) -> None:
    golden("cluster/kube-proxy.iptables", whole_text(machine))


def test_iptables_itself_reads_it(machine: Any) -> None:
    alone = () if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")
    for part in whole_text(machine).split("# ")[1:]:
        program, _, text = part.partition("\n")
        done = subprocess.run(
            (*alone, tool(program), "--test", "--noflush"), input=text, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
