"""Gates on nodes: Kubernetes knows them by the spec's names, Calico uses bond0's address."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.engine.cluster import await_calico_addresses, await_names
from labctl.errors import ExitCode, GateMissed, InconclusiveError
from labctl.kube.api import Api
from tests.unit.engine.running import a_running, context
from tests.unit.folder.labs import node

NODES = ("GET", "/api/v1/nodes")


def nodes(**addresses: str | None) -> tuple[int, Any]:
    rows = [
        {"metadata": {"name": name, **({"annotations": {"projectcalico.org/IPv4Address": address}} if address else {})}}
        for name, address in addresses.items()
    ]
    return 200, {"items": rows}


LAB = {name: node("kube-node", "worker", name) for name in ("master", "node01")}
for name, there in LAB.items():
    LAB[name] = there.model_copy(update={"kubernetes": name})
BONDS = {"master": "192.168.1.10", "node01": "192.168.1.11"}


def names(api: Api, seconds: float = 5.0, observe: Callable[[], Any] | None = None) -> str:
    return await_names(a_running(api, observe=observe, nodes=LAB), context(seconds))


def bond(name: str, _argv: list[str]) -> Any:
    info = {"local": BONDS[name], "prefixlen": 24, "scope": "global", "family": "inet"}
    return SimpleNamespace(code=0, stdout=json.dumps([{"addr_info": [info]}]).encode())


def addresses(api: Api, seconds: float = 5.0) -> str:
    return await_calico_addresses(a_running(api, SimpleNamespace(exec=bond), nodes=LAB), context(seconds))


def test_nodes_may_come_one_by_one(server: Any, api: Api) -> None:
    server.answers[NODES] = [
        nodes(),
        (503, {"message": "starting"}),
        nodes(master=None),
        nodes(master=None, node01=None),
    ]
    assert names(api) == "master, node01 registered"


def test_another_name_ends_the_wait_at_once(server: Any, api: Api) -> None:
    server.answers[NODES] = nodes(**{"paper-control-plane": None, "node01": None})
    with pytest.raises(GateMissed) as caught:
        names(api, 60.0)
    assert (caught.value.code, caught.value.exit_code) == ("node-names", ExitCode.INCONCLUSIVE)
    assert "Kubernetes knows paper-control-plane, which is no node of the lab (master, node01)" in caught.value.message
    assert "kind did not take the names out of kind/cluster.yaml" in caught.value.message


def test_a_node_that_never_registers(server: Any, api: Api) -> None:
    server.answers[NODES] = nodes(master=None)
    with pytest.raises(GateMissed, match="not registered: node01"):
        names(api, 0.3)


def test_the_end_of_what_registers_nodes_ends_the_wait(server: Any, api: Api) -> None:
    server.answers[NODES] = nodes(master=None)

    with pytest.raises(InconclusiveError, match="ended: node-agents"):
        names(api, 60.0, lambda: SimpleNamespace(detail="ended: node-agents"))


def test_calico_has_written_bond0_of_every_node(server: Any, api: Api) -> None:
    server.answers[NODES] = [
        nodes(master=None, node01=None),
        nodes(master="192.168.1.10/24", node01="172.18.0.3/16"),
        nodes(master="192.168.1.10/24", node01="192.168.1.11/24"),
    ]
    assert addresses(api) == "master 192.168.1.10/24, node01 192.168.1.11/24"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({"master": None, "node01": None}, "calico-node has not written an address of master; calico-node has not"),
        ({"master": "192.168.1.10/24", "node01": "172.18.0.3/16"}, "node01 has 172.18.0.3/16, bond0 has 192.168.1.11/"),
        ({"master": "192.168.1.10/24", "node01": "192.168.1.11"}, "node01 has 192.168.1.11, bond0 has 192.168.1.11/"),
        ({"master": "192.168.1.10/24"}, "node01 is not registered"),
    ],
)  # fmt: skip
def test_calico_uses_something_else(server: Any, api: Api, there: dict[str, str | None], words: str) -> None:
    server.answers[NODES] = nodes(**there)
    with pytest.raises(GateMissed) as caught:
        addresses(api, 0.2)
    assert caught.value.code == "calico-address"
    assert words in caught.value.message


def test_an_api_that_refuses_is_the_reason(server: Any, api: Api) -> None:
    server.answers[NODES] = (403, {"message": "nodes is forbidden"})
    with pytest.raises(GateMissed, match="nodes is forbidden"):
        addresses(api, 0.1)
