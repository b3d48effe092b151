"""Nodes and links as kernel changes, addresses of the management network, what a person logs in with."""

from __future__ import annotations

import stat
from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import HostError, InconclusiveError, SpecError, UsageError
from labctl.folder import load_folder
from labctl.runtime.embedded import network
from labctl.runtime.embedded.network import (
    DEFAULT_SUBNET,
    KUBE_NODE,
    QUIET,
    SUBNET6,
    Management,
    free_port,
    host_interfaces,
    links,
    management_of,
    ops,
    plan_management,
)
from labctl.runtime.embedded.runtime import (
    KEY,
    PASSWORD,
    EmbeddedEndpoints,
    EndpointTable,
    endpoints_file,
    read_table,
)
from labctl.runtime.embedded.supervisor import HOST_KEY, make_credentials, write_ssh_files
from labctl.runtime.ports import kernel_name
from labctl.state import LabState
from tests.rendered import rendered_folder

FOLDER = rendered_folder("minimal-standin-fabric")


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        ("Ethernet1/1", "eth1"), ("Ethernet1/49", "eth49"), ("Et1/7", "eth7"), ("eth1", "eth1"), ("bond0", "bond0"),
        ("Ethernet2/1", "Ethernet2/1"), ("xEthernet1/1", "xEthernet1/1"), ("Ethernet1/1/1", "Ethernet1/1/1"),
    ],
)  # fmt: skip
def test_kernel_names(interface: str, name: str) -> None:
    assert kernel_name(interface) == name


def test_the_links_of_a_lab(golden: Callable[[str, str], None]) -> None:
    folder = load_folder(FOLDER)
    lab, management = folder.lab, management_of(folder)
    keys = {name: node.topology for name, node in lab.nodes.items()}
    outside = [*ops(*(f"netns add {key}" for key in keys.values())), *links(lab.keyed_links, management)]
    name = lab.kube_nodes[0]
    inside = [*QUIET, *KUBE_NODE, *host_interfaces(keys[name], lab.interfaces(name), management)]
    lines = [f"{op.kind} {op.text}" for op in outside] + [f"{keys[name]}: {op.kind} {op.text}" for op in inside]
    golden("runtime/links.txt", "\n".join(lines) + "\n")


def test_every_end_of_a_link_is_made_once() -> None:
    cables = ((("a", "Ethernet1/1"), ("b", "eth1")), (("a", "Ethernet1/2"), ("c", "eth1")))
    texts = [op.text for op in links(cables, plan_management(None, [(name, None) for name in "abc"]))]
    assert texts[-2:] == [
        "link add eth1 netns a mtu 9500 type veth peer name eth1 netns b mtu 9500",
        "link add eth2 netns a mtu 9500 type veth peer name eth1 netns c mtu 9500",
    ]
    assert sum("peer name eth0 netns" in text for text in texts) == 3


# --- management -------------------------------------------------------------------------------------------------


def interface6(management: Management, node: str) -> str:
    return management.interface6(management.addresses[node])


def test_fixed_addresses_are_kept_and_the_others_get_free_ones() -> None:
    found = plan_management("172.20.20.0/24", [("a", None), ("b", "172.20.20.2"), ("c", None), ("d", "172.20.20.9")])
    assert {name: str(address) for name, address in found.addresses.items()} == {
        "a": "172.20.20.3", "b": "172.20.20.2", "c": "172.20.20.4", "d": "172.20.20.9",
    }  # fmt: skip
    assert str(found.gateway) == "172.20.20.1"
    assert found.interface(found.addresses["d"]) == "172.20.20.9/24"
    assert interface6(found, "d") == "fd1a:bc71::9/64"


def test_defaults() -> None:
    found = plan_management(None, [("a", None)])
    assert found.subnet == ip_network(DEFAULT_SUBNET)
    assert interface6(found, "a") == "fd1a:bc71::2/64"


@given(
    st.sampled_from([None, "172.20.20.0/24", "10.9.0.0/22", "192.168.7.64/26"]),
    st.lists(st.one_of(st.none(), st.integers(2, 50)), max_size=20),
)
def test_every_node_has_an_address_of_its_own(subnet: str | None, hosts: list[int | None]) -> None:
    network = ip_network(subnet or DEFAULT_SUBNET)
    fixed = {number: host for number, host in enumerate(hosts) if host is not None and host not in hosts[:number]}
    nodes = [(f"n{n}", str(network[fixed[n]]) if n in fixed else None) for n in range(len(hosts))]
    found = plan_management(subnet, nodes)
    addresses = list(found.addresses.values())
    assert len({*addresses, found.gateway}) == len(nodes) + 1
    assert all(address in network for address in addresses)
    assert {interface6(found, name) for name, _ in nodes} == {interface6(found, name) for name in found.addresses}
    assert all(ip_interface(interface6(found, name)).ip in SUBNET6 for name, _ in nodes)
    assert all(str(found.addresses[name]) == address for name, address in nodes if address)


def test_a_free_port_is_on_loopback_and_free() -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert 1024 < port < 65536


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three that are free, and four are asked for: what will listen at one may not do so yet."""
    import socket

    class Free(socket.socket):
        def bind(self, _address: object) -> None: ...

    monkeypatch.setattr(network, "FIRST_PORT", 20000)
    monkeypatch.setattr(network, "LAST_PORT", 20003)
    monkeypatch.setattr(network, "_given", set())
    monkeypatch.setattr(network.socket, "socket", Free)
    assert sorted(free_port() for _ in range(3)) == [20000, 20001, 20002]
    with pytest.raises(HostError, match="no free TCP port"):
        free_port()


# --- logging in -------------------------------------------------------------------------------------------------


def test_credentials_are_new_private_and_work(tmp_path: Path) -> None:
    one, two = make_credentials(tmp_path / "a"), make_credentials(tmp_path / "b")
    passwords = {(tmp_path / folder / PASSWORD).read_text().strip() for folder in "ab"}
    assert len(passwords | {"admin"}) == 3
    assert all(len(password) >= 20 for password in passwords)
    assert one[0] != two[0]
    for file in (tmp_path / "a").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    key = paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "a" / KEY))
    assert one[0].split()[:2] == [key.get_name(), key.get_base64()]


def test_ssh_files(tmp_path: Path) -> None:
    state = LabState("demo", tmp_path)
    _, host = make_credentials(state.secrets)
    ports = {"spine1": 20001, "leaf1": 20002}
    write_ssh_files(state, host, ports)
    config = paramiko.SSHConfig.from_path(str(state.ssh_config))
    assert set(config.get_hostnames()) == {"*", "spine1", "leaf1"}
    found = config.lookup("leaf1")
    assert (found["hostname"], found["port"], found["user"]) == ("127.0.0.1", "20002", "admin")
    assert found["stricthostkeychecking"] == "yes"
    hosts = paramiko.HostKeys(str(tmp_path / "known_hosts"))
    host_key = paramiko.Ed25519Key.from_private_key_file(str(state.secrets / HOST_KEY))
    assert all(hosts.check(f"[127.0.0.1]:{port}", host_key) for port in ports.values())


# --- endpoints --------------------------------------------------------------------------------------------------


@pytest.fixture
def endpoints(tmp_path: Path) -> EmbeddedEndpoints:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / PASSWORD).write_text("hush-hush\n")
    table = EndpointTable(
        {"leaf1": "leaf1", "node01": "demo-worker"}, {"leaf1": "switch", "node01": "kube-node"}, {},
        {"leaf1": 20002}, None,
    )  # fmt: skip
    return EmbeddedEndpoints(LabState("demo", tmp_path), table)


def test_a_switch_is_reached_on_loopback(endpoints: EmbeddedEndpoints) -> None:
    found = endpoints.ssh("leaf1")
    assert (found.host, found.port, found.username, found.password) == ("127.0.0.1", 20002, "admin", "hush-hush")
    assert "hush-hush" not in repr(found)


@pytest.mark.parametrize(
    ("call", "code", "hint"),
    [
        (lambda e: e.ssh("leaf2"), "no-such-switch", "did you mean leaf1?"),
        (lambda e: e.ssh("node01"), "no-such-switch", "it has leaf1"),
        (lambda e: e.namespace("node1"), "no-such-node", "did you mean node01?"),
        (lambda e: e.namespace("zzz"), "no-such-node", "it has leaf1, node01"),
        (lambda e: e.kubeconfig(), "no-cluster", None),
    ],
)
def test_what_a_lab_does_not_have(
    endpoints: EmbeddedEndpoints, call: Callable[[EmbeddedEndpoints], object], code: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        call(endpoints)
    assert (caught.value.code, caught.value.hint) == (code, hint)


@pytest.mark.parametrize(
    ("node", "interface", "found"),
    [
        ("leaf1", "port-channel11", "br0"), ("leaf1", "Port-Channel11", "br0"), ("leaf1", "Ethernet1/3", "eth3"),
        ("node01", "bond0", "bond0"), ("node01", "port-channel11", "port-channel11"),
    ],
)  # fmt: skip
def test_where_an_interface_is_captured(endpoints: EmbeddedEndpoints, node: str, interface: str, found: str) -> None:
    assert endpoints._interface(node, interface) == found


def test_a_lab_without_nodes(tmp_path: Path) -> None:
    state = LabState("demo", tmp_path)
    with pytest.raises(InconclusiveError) as caught:
        read_table(state)
    assert (caught.value.code, caught.value.next_command) == ("not-running", "labctl status demo")
    endpoints_file(state).write_text("{")
    with pytest.raises(InconclusiveError):
        read_table(state)


def test_addresses_stay_inside_when_they_are_many() -> None:
    found = plan_management("10.9.0.0/22", [(f"n{number}", None) for number in range(600)])
    assert ip_address("10.9.2.89") in found.addresses.values()
    assert interface6(found, "n599") == f"{SUBNET6[601]}/64"


@pytest.mark.parametrize(
    ("subnet", "nodes", "words"),
    [
        ("fd00::/64", [("a", None)], "Expected 4 octets"),
        ("172.20.20.1/24", [("a", None)], "host bits"),
        ("10.0.0.0/30", [("a", None), ("b", None), ("c", None)], "not enough addresses for 3 nodes"),
        ("10.0.0.0/24", [("a", "10.0.1.5")], "outside 10.0.0.0/24, or its gateway: a 10.0.1.5"),
        ("10.0.0.0/24", [("a", "10.0.0.1")], "gateway: a 10.0.0.1"),
        ("10.0.0.0/24", [("a", "10.0.0.5"), ("b", "10.0.0.5")], "an address is there twice"),
        ("10.0.0.0/24", [("a", "ten")], "ten"),
    ],
)
def test_a_management_network_that_cannot_be(subnet: str, nodes: list[tuple[str, str | None]], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan_management(subnet, nodes)
    assert words in caught.value.render()
