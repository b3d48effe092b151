"""Nodes as Kubernetes and Calico know them: registered by the spec's names, and Calico with bond0's address of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from labctl.errors import GateMissed
from labctl.kube.api import Api, ApiError, ApiUnreachable, Json
from labctl.kube.resources import NODES
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

ADDRESS = "projectcalico.org/IPv4Address"
"""Where calico-node writes what it detected; Calico's Node is made of it (libcalico-go, backend/k8s/resources)."""


def await_names(
    api: Api, names: Sequence[str], must_run: Callable[[], None], deadline: Deadline, cancel: threading.Event
) -> str:
    """The gate: the nodes that Kubernetes knows are those of the spec. Raises `GateMissed`, and what ``must_run`` does.

    Another name ends the wait: a node registers once, so kind did not take the patch that names it. So does the end
    of a part of the lab, which ``must_run`` raises: no node would come any more.
    """

    def registered() -> bool | NotYet:
        must_run()
        items = _nodes(api)
        if isinstance(items, NotYet):
            return items
        found = set(items)
        strangers = sorted(found - set(names))
        if strangers:
            raise GateMissed(
                f"Kubernetes knows {', '.join(strangers)}, which {'is' if len(strangers) == 1 else 'are'} no node of "
                f"the lab ({', '.join(names)}): kind did not take the names out of kind/cluster.yaml",
                code="node-names",
                hint="nodeRegistration.name in the kubeadmConfigPatches of each node says its name",
            )
        missing = [name for name in names if name not in found]
        return NotYet(f"not registered: {', '.join(missing)}") if missing else True

    try:
        wait_for(registered, deadline, every=0.2, cancel=cancel)
    except DeadlinePassed as passed:
        raise GateMissed(f"nodes are not there: {passed.reason}", code="node-names") from None
    return f"{', '.join(names)} registered"


def await_calico_addresses(
    api: Api, bonds: Mapping[str, frozenset[str]], deadline: Deadline, cancel: threading.Event
) -> str:
    """The gate: Calico uses bond0's address on every node. ``bonds``: Kubernetes name → addresses with prefix length.

    Raises `GateMissed` with what Calico has instead.
    """

    def used() -> str | NotYet:
        items = _nodes(api)
        if isinstance(items, NotYet):
            return items
        wrong = [reason for name in bonds if (reason := _address_trouble(name, bonds[name], items.get(name)))]
        return NotYet("; ".join(wrong)) if wrong else ", ".join(f"{name} {_address(items[name])}" for name in bonds)

    try:
        return wait_for(used, deadline, every=0.05, cancel=cancel)
    except DeadlinePassed as passed:
        raise GateMissed(
            f"Calico does not use bond0: {passed.reason}",
            code="calico-address",
            hint="it looks for its address when it starts: labctl kubectl LAB -- -n kube-system logs ds/calico-node",
        ) from None


def _address(item: Json) -> str | None:
    return (item["metadata"].get("annotations") or {}).get(ADDRESS)


def _address_trouble(name: str, expected: frozenset[str], item: Json | None) -> str | None:
    if item is None:
        return f"{name} is not registered"
    found = _address(item)
    if found is None:
        return f"calico-node has not written an address of {name}"
    return None if found in expected else f"{name} has {found}, bond0 has {', '.join(sorted(expected)) or 'none'}"


def _nodes(api: Api) -> dict[str, Json] | NotYet:
    """By name; while the API server restarts (kubeadm does that), why there is no answer."""
    try:
        return {item["metadata"]["name"]: item for item in api.list(NODES)}
    except (ApiUnreachable, ApiError) as error:
        return NotYet(error.message)
