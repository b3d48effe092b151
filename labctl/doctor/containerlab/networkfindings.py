"""Networks and names that a lab takes: free, or its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from labctl.doctor.containerlab.hostfindings import as_root
from labctl.doctor.containerlab.model import ContainerFact, ContainerHostFacts, NetworkFact
from labctl.doctor.containerlab.needs import LabNeeds
from labctl.doctor.findings import Finding

CANDIDATES = IPv4Network("172.31.0.0/16")


def management(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """The lab's management network against Docker's networks and the host's routes."""
    if needs is None or needs.subnet is None or facts.docker is None:
        return
    name, subnet = needs.network, needs.subnet
    own = next((network for network in facts.docker.networks if network.name == name), None)
    if own is not None and "containerlab" not in own.labels:
        why = f"there is a Docker network {name} that containerlab did not make"
        yield Finding("management", "error", why, _rename(needs))
        return
    if own is not None and subnet not in own.subnets:
        there = ", ".join(map(str, own.subnets)) or "no IPv4"
        why = f"the Docker network {name} is there with {there}, not {subnet}; containerlab would use it as it is"
        yield Finding("management", "error", why, f"docker network rm {name}")
        return
    clashing = _clashing_network(facts, needs)
    if clashing is not None:
        used = any(clashing.name in container.networks for container in facts.docker.containers)
        left = "containerlab" in clashing.labels and not used
        what = f"left over from a lab, {clashing.name}," if left else clashing.name
        fix = f"docker network rm {clashing.name}" if left else _other(facts, needs)
        yield Finding("management", "error", f"{subnet} overlaps the Docker network {what} of this host", fix)
        return
    bridges = {own.bridge} if own else set()
    routes = [route for route in facts.routes if route.network.overlaps(subnet) and route.interface not in bridges]
    inside = next((route for route in routes if route.network.subnet_of(subnet)), None)
    if inside is not None:
        why = f"{subnet} is on this host's way to {inside.network} ({inside.interface})"
        yield Finding("management", "error", why, _other(facts, needs))
    elif routes:
        why = f"{subnet} hides a part of {routes[0].network}, which this host reaches through {routes[0].interface}"
        yield Finding("management", "warning", why, _other(facts, needs))
    else:
        yield Finding("management", "ok", f"{subnet} is free" if own is None else f"{subnet} is the lab's own")


def _rename(needs: LabNeeds) -> str:
    return f"labctl up SPEC --name {needs.name}-2"


def _clashing_network(facts: ContainerHostFacts, needs: LabNeeds) -> NetworkFact | None:
    networks = facts.docker.networks if facts.docker else ()
    return next(
        (
            network
            for network in networks
            if network.name != needs.network and any(needs.subnet.overlaps(other) for other in network.subnets)
        ),
        None,
    ) if needs.subnet else None  # fmt: skip


def free_subnet(facts: ContainerHostFacts, prefix: int) -> IPv4Network | None:
    """A network of that size which nothing on this host uses."""
    taken = [route.network for route in facts.routes]
    taken += [subnet for network in (facts.docker.networks if facts.docker else ()) for subnet in network.subnets]
    size = max(prefix, CANDIDATES.prefixlen)
    return next((one for one in CANDIDATES.subnets(new_prefix=size) if not any(map(one.overlaps, taken))), None)


def _other(facts: ContainerHostFacts, needs: LabNeeds) -> str | None:
    free = free_subnet(facts, needs.subnet.prefixlen) if needs.subnet else None
    return f"management: {free} in the spec" if free else None


def kind_network(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """kind's own network, which all clusters of a host share and which outlives them."""
    if facts.docker is None or (needs is not None and needs.cluster is None):
        return
    dual = needs is not None and needs.dual_stack
    name = facts.kind_network
    there = next((network for network in facts.docker.networks if network.name == name), None)
    if there is None:
        if dual and not facts.ipv6:
            why = "IPv6 is switched off here, and the lab's cluster has both families"
            yield Finding("kind-network", "error", why, as_root(facts, "sysctl -w net.ipv6.conf.all.disable_ipv6=0"))
        else:
            yield Finding("kind-network", "ok", f"kind makes its network {name}")
    elif dual and not there.ipv6:
        why = f"the Docker network {name} has no IPv6, and the lab's cluster has both families"
        used = [container.name for container in facts.docker.containers if name in container.networks]
        also = f"; {', '.join(used)} must leave it first" if used else ""
        yield Finding("kind-network", "error", why + also, f"docker network rm {name}")
    else:
        yield Finding("kind-network", "ok", f"the Docker network {name} is there")


def names(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """Containers that have the names of the lab's boxes already: its own, or those of somebody else."""
    if needs is None or facts.docker is None:
        return
    wanted = {box.container for box in needs.boxes}
    there = [container for container in facts.docker.containers if container.name in wanted]
    if not there:
        yield Finding("names", "ok", f"no container has a name of lab {needs.name}")
        return
    if facts.lab_known and all(_belongs(container, needs.name) for container in there):
        yield Finding("names", "ok", f"{len(there)} containers of lab {needs.name} are there already")
        return
    foreign = [one for one in there if not _belongs(one, needs.name)] if facts.lab_known else there
    whose = "are not of this lab" if facts.lab_known else "are of no lab of this user"
    some = ", ".join(sorted(container.name for container in foreign)[:3])
    more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
    yield Finding("names", "error", f"containers that {whose} have its names: {some}{more}",
                  _rename(needs))  # fmt: skip


def _belongs(container: ContainerFact, lab: str) -> bool:
    """Whether the labels say that it is a box of a lab of that name: ours, or a node of its cluster."""
    return container.labels.get("labctl.lab") == lab or container.labels.get("io.x-k8s.kind.cluster") == lab
