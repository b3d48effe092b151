"""Nodes and cluster: the gates (bonds, API, names of nodes, Calico's addresses), Calico and workloads applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from labctl.bonding import bond_trouble
from labctl.engine.proving import Running
from labctl.engine.steps import StepContext
from labctl.errors import CheckFailed, GateMissed, InconclusiveError
from labctl.host import between, look, not_judged, overloaded
from labctl.kube.api import ApiError, ApiUnreachable, Json
from labctl.kube.apply import Applier, documents, load
from labctl.kube.kubectl import kustomize
from labctl.kube.ready import await_workloads
from labctl.kube.resources import NODES
from labctl.parallel import at_once
from labctl.restore.node import run_scripts
from labctl.waiting import DeadlinePassed, NotYet

BOND = "bond0"
ADDRESS = "projectcalico.org/IPv4Address"
"""Where calico-node writes what it detected; Calico's Node is made of it (libcalico-go, backend/k8s/resources)."""
CALICO_RESOURCES = ("ippools.yaml", "bgpconfiguration.yaml", "bgppeers.yaml")


def set_up(lab: Running, context: StepContext, names: Sequence[str] = ()) -> str:
    """Run the scripts of nodes and hosts (all, or those named), then the gate before Calico, which looks once for its
    address: bond0 has a global IPv4 address on every node."""
    known = lab.folder.lab
    wanted = names or [*known.kube_nodes, *known.hosts]
    done = run_scripts(lab.folder.path, wanted, lab.endpoints)
    nodes = [name for name in wanted if name in known.kube_nodes]

    def addressed() -> str | NotYet:
        missing = [node for node in nodes if not _bond_addresses(lab, node)]
        return NotYet(f"no address on {BOND} of {', '.join(missing)}") if missing else done

    return context.wait(addressed, known.limit("nodes"))


def _bond_addresses(lab: Running, node: str) -> frozenset[str]:
    """Global IPv4 addresses of bond0 with their prefix length, as the node's kernel has them; none without a bond0."""
    done = lab.endpoints.exec(node, ["ip", "-j", "addr", "show", "dev", BOND])
    if done.code != 0:
        return frozenset()
    return frozenset(
        f"{info['local']}/{info['prefixlen']}"
        for row in json.loads(done.stdout or b"[]")
        for info in row.get("addr_info", [])
        if info.get("scope") == "global" and info.get("family") == "inet"
    )


def await_bonds(lab: Running, context: StepContext, names: Sequence[str] = ()) -> str:
    """The gate: bond0 of every node (or of those named) has a member that distributes without partner mismatch."""
    nodes = names or lab.folder.lab.kube_nodes

    def one(node: str) -> str | None:
        done = lab.endpoints.exec(node, ["cat", f"/proc/net/bonding/{BOND}"])
        reason = bond_trouble(done.stdout.decode(errors="replace")) if done.code == 0 else f"no {BOND}"
        return f"{node}: {reason}" if reason else None

    def joined() -> str | NotYet:
        reasons = [reason for reason in at_once(nodes, one).values() if reason]
        return NotYet("; ".join(reasons)) if reasons else f"{BOND} of {', '.join(nodes)} distributes"

    return context.wait(joined, lab.folder.lab.limit("bond"))


def _must_run(lab: Running) -> None:
    """What the runtime knows of an end of its parts ends a wait for them: what is waited for would never come."""
    trouble = lab.runtime.observe().detail
    if trouble:
        raise InconclusiveError(trouble, code="cluster-failed")


def await_api(lab: Running, context: StepContext) -> str:
    """The gate: the API server says that it is ready."""

    def ready() -> str | NotYet:
        _must_run(lab)
        try:
            lab.client.cluster.text("/readyz")
        except (ApiUnreachable, ApiError) as error:
            return NotYet(error.message)
        return "the API answers"

    return context.wait(ready, lab.folder.lab.limit("api"))


def await_ready(lab: Running, context: StepContext, namespaces: Sequence[str]) -> str:
    """Until all workloads are. Raises `CheckFailed` when they are not in time; `InconclusiveError` where the host was
    overloaded meanwhile."""
    guest = lab.runtime.observe().guest
    before, deadline = look(guest), context.deadline.at_most(lab.folder.lab.limit("workloads"))
    try:
        return await_workloads(lab.client.cluster, namespaces, deadline, context.cancel)
    except DeadlinePassed as passed:
        if why := overloaded(between(before, look(guest))):
            raise InconclusiveError(not_judged(why, passed.reason), code="host-overloaded") from None
        hint = "labctl kubectl LAB -- describe pod NAME says more"
        raise CheckFailed(f"not ready: {passed.reason}", code="workloads-not-ready", hint=hint) from None


def apply_calico(lab: Running, context: StepContext, kustomization: Path, kubectl: Path) -> str:
    """Calico's manifest with our patch, as ``kubectl kustomize`` makes it out of a folder, and our pools and peers.

    Definitions, pools and peers first, then what uses them: no node starts with pools that are not there.
    """
    manifests = documents(kustomize(kubectl, kustomization), "calico/kustomization.yaml")
    ours = [lab.folder.path / "calico" / name for name in CALICO_RESOURCES]
    items = [*load(path for path in ours if path.is_file()), *manifests]
    return f"{_applied(lab, context, items, 'api')} objects of Calico applied"


def apply_workloads(lab: Running, context: StepContext) -> str:
    """``k8s/*.yaml``."""
    paths = sorted((lab.folder.path / "k8s").glob("*.yaml"))
    return f"{_applied(lab, context, load(paths), 'workloads')} objects of {len(paths)} workloads applied"


def _applied(lab: Running, context: StepContext, items: Sequence[Json], limit: str) -> int:
    deadline = context.deadline.at_most(lab.folder.lab.limit(limit))
    return Applier(lab.client.cluster).apply(items, deadline, context.cancel)


def await_names(lab: Running, context: StepContext) -> str:
    """The gate: the nodes that Kubernetes knows are those of the spec. Raises `GateMissed`.

    Another name ends the wait: a node registers once, so kind did not take the patch that names it.
    """
    names = list(lab.folder.lab.kubernetes.values())

    def registered() -> str | NotYet:
        _must_run(lab)
        found = _nodes(lab)
        if isinstance(found, NotYet):
            return found
        strangers = sorted(found.keys() - set(names))
        if strangers:
            raise GateMissed(
                f"Kubernetes knows {', '.join(strangers)}, which {'is' if len(strangers) == 1 else 'are'} no node of "
                f"the lab ({', '.join(names)}): kind did not take the names out of kind/cluster.yaml",
                code="node-names",
                hint="nodeRegistration.name in the kubeadmConfigPatches of each node says its name",
            )
        missing = [name for name in names if name not in found]
        return NotYet(f"not registered: {', '.join(missing)}") if missing else f"{', '.join(names)} registered"

    try:
        return context.wait(registered, lab.folder.lab.limit("nodes"))
    except DeadlinePassed as passed:
        raise GateMissed(f"nodes are not there: {passed.reason}", code="node-names") from None


def await_calico_addresses(lab: Running, context: StepContext) -> str:
    """The gate: Calico uses bond0's address on every node. Raises `GateMissed` with what Calico has instead."""
    known = lab.folder.lab
    found = at_once(known.kube_nodes, lambda node: _bond_addresses(lab, node))
    bonds = {known.kubernetes[node]: addresses for node, addresses in found.items()}

    def used() -> str | NotYet:
        items = _nodes(lab)
        if isinstance(items, NotYet):
            return items
        wrong = [reason for name in bonds if (reason := _address_trouble(name, bonds[name], items.get(name)))]
        return NotYet("; ".join(wrong)) if wrong else ", ".join(f"{name} {_address(items[name])}" for name in bonds)

    try:
        return context.wait(used, known.limit("workloads"), every=0.05)
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


def _nodes(lab: Running) -> dict[str, Json] | NotYet:
    """By name; while the API server restarts (kubeadm does that), why there is no answer."""
    try:
        return {item["metadata"]["name"]: item for item in lab.client.cluster.list(NODES)}
    except (ApiUnreachable, ApiError) as error:
        return NotYet(error.message)
