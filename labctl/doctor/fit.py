"""Whether a lab fits this host: memory, disk, images, networks, names. Facts and needs → findings, pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Literal

from labctl.doctor.embedded import MEMORY_WANTED
from labctl.doctor.facts import ContainerHostFacts, DockerFacts, Json
from labctl.doctor.findings import GB, Answer, Finding, Severity, answer, error, row, size, warning
from labctl.doctor.needs import MB, Node, ImageNeed, LabNeeds
from labctl.peers import CONTAINERLAB_OLDEST, DEVELOPMENT, PASSTHROUGH_FIXED, WRITTEN_FOR, kind, outside, span

IMAGE_SIZES = {"n9kv": 3 * GB, "kind": GB, "standin": 300 * MB}
"""Unpacked: the most that a 9000v's was, about what kindest/node is, and what the stand-ins share."""
BOX_SIZES = {"n9kv": 2 * GB, "kind": 3 * GB // 2, "standin": 100 * MB}
"""What a node writes in the first hours: flash of a switch, the image store of a node. Estimates."""
DISK_LEAST = GB
STANDIN_LABEL = "labctl.standin"
OURS = ("labctl.lab", "io.x-k8s.kind.cluster")
"""Labels that say of which lab a node is: of labctl, or of kind."""
CANDIDATES = IPv4Network("172.31.0.0/16")
"""Where another management network is looked for."""
REBUILD = "make -C vrnetlab/cisco/n9kv docker-image"

Maker = Literal["standin", "srl-labs", "other"]
Rows = Iterator[Finding | None]


# --- memory, processors and disk for the nodes -----------------------------------------------------------------------


def still_to_start(facts: ContainerHostFacts, needs: LabNeeds) -> tuple[Node, ...]:
    """Nodes that do not run yet: the memory of those that do is taken already."""
    there = facts.docker.containers if facts.docker else ()
    running = {_name(one) for one in there if one.get("State") == "running"}
    return tuple(node for node in needs.nodes if node.container not in running)


def _capacity(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    free, there = f"{size(facts.memory_free)} of memory free", f"{facts.cpus} processors"
    machine = needs.virtual_machine if needs else None
    if needs is None:
        paper = f"{free}: a lab of the paper's size wants {size(MEMORY_WANTED)} with stand-ins"
        yield row("memory", free, warning(facts.memory_free < MEMORY_WANTED, paper))
    else:
        nodes = still_to_start(facts, needs)
        wanted, least = sum(node.memory for node in nodes), sum(node.least for node in nodes)
        asked = f"{len(nodes)} nodes take about {size(wanted)}"
        little: Severity = "error" if facts.memory_free < least else "warning"
        yield row("memory", f"{free}, {asked}", answer(facts.memory_free < wanted, little, f"{free}, but {asked}"))
    if machine is not None:
        given, nxos = f"a switch gets {machine.memory} MB", f"NX-OS {machine.nxos}"
        fix = f"QEMU_MEMORY: '{machine.wanted}' in topology.clab.yml"
        few = error(
            machine.memory < machine.least, f"{given}; {nxos} does not boot with less than {machine.least}", fix
        )
        less = warning(machine.memory < machine.wanted, f"{given}; {nxos} wants {machine.wanted}", fix)
        yield row("switch-memory", f"{given}, enough for {nxos}", few, less)
    # virtual processors are shared, so too few of the host's are slow, not wrong
    virtual = machine.cpus * needs.count("switch") if needs and machine else 0
    slow = f"{there} for {virtual} virtual ones of switches: they boot slowly, or not within their time limit"
    alone = warning(facts.cpus < 2, "one processor: booting takes about twice as long")
    yield row("cpus", there, warning(virtual > 2 * facts.cpus, slow), alone)


def _disk(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """Where Docker keeps images and containers."""
    docker = facts.docker
    if docker is None:
        return
    folder = docker.info.get("DockerRootDir", "")
    if docker.disk_free is None:
        yield Finding("disk", "ok", f"how much is free in {folder} cannot be seen from here")
        return
    images = nodes = 0
    if needs is not None:
        lacking = (image for image in needs.images if docker.images.get(image.reference) is None)
        images = sum(IMAGE_SIZES[_sort(needs, image.part)] for image in lacking)
        nodes = sum(BOX_SIZES[_sort(needs, node.part)] for node in still_to_start(facts, needs))
    wanted, least = max(images + nodes, DISK_LEAST), max(images, DISK_LEAST)
    free = f"{size(docker.disk_free)} free in {folder}"
    severity: Severity = "warning" if docker.disk_free >= least else "error"
    why = f"{free}; the lab may want {size(wanted)}"
    yield row("disk", free, answer(docker.disk_free < wanted, severity, why, "docker image prune"))


def _sort(needs: LabNeeds, part: str) -> str:
    if part == "switch":
        return needs.switch
    return needs.cluster or "standin" if part == "node" else "standin"


# --- images: there by exact name, and made by somebody whose nodes containerlab can start ----------------------------


def maker(image: Json) -> Maker:
    """Who built a switch image, by what the image says of itself.

    Both forks of vrnetlab start ``/launch.py`` and have ``/healthcheck.py``. The one that containerlab drives, now
    srl-labs/vrnetlab, publishes NX-API's port 443 as well; the plain one does not, and neither did the other before it
    could pass the management address through.
    """
    config = image.get("Config") or {}
    start, health = config.get("Entrypoint") or (), (config.get("Healthcheck") or {}).get("Test") or ()
    if _labels(config).get(STANDIN_LABEL) == "switch":
        return "standin"
    vrnetlab = start and start[-1].endswith("launch.py") and health and health[-1].endswith("healthcheck.py")
    driven = "uv" in start or "443/tcp" in (config.get("ExposedPorts") or ())
    return "srl-labs" if vrnetlab and driven else "other"


def _labels(body: Json) -> Json:
    return body.get("Labels") or {}


def _images(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """One finding an image, more for one that has something wrong with it."""
    if needs is None or facts.docker is None:
        return
    for need in needs.images:
        name, reference = f"image-{need.part}", need.reference
        why = f"{reference} is a digest: kind pulls one anew that `docker load` has dropped; write the tag"
        yield row(f"{name}-digest", None, warning("@sha256:" in reference, why))
        found = facts.docker.images.get(reference)
        if found is not None and need.part == "switch":
            yield from _switch(needs, need, found)
            continue
        missing, fix = f"{reference} is not here", _bring(needs, need)
        later = warning(found is None and needs.pulled, f"{missing}, and is pulled when the lab starts", fix)
        yield row(name, f"{reference} is here", later, error(found is None, missing, fix))


def _bring(needs: LabNeeds, need: ImageNeed) -> str:
    """The command that brings an image: ours are built, a node's is public, a switch's is the owner's own file."""
    if need.reference.startswith("labctl/"):
        return "make image"
    if need.part == "switch" and needs.switch == "n9kv":
        return "labctl setup images load ARCHIVE"
    return f"docker pull {need.reference}"


def _switch(needs: LabNeeds, need: ImageNeed, found: Json) -> Rows:
    made, here = maker(found), f"{need.reference} is here"
    if needs.switch == "standin":
        why = f"{here}, but is no stand-in of labctl: it has no {STANDIN_LABEL}=switch"
        yield row("image-switch", f"{here}, a stand-in", error(made != "standin", why, "make image"))
        return
    target = "labctl generate SPEC --target switch=standin,cluster=kind"
    ours = error(made == "standin", f"{here}, but is a stand-in, and the lab was rendered for a 9000v", target)
    start = " ".join((found.get("Config") or {}).get("Entrypoint") or ()) or "nothing"
    why = f"{here}, but starts {start}, not as those that containerlab can drive (plain vrnetlab built it, or others)"
    other = error(made == "other", f"{why}; srl-labs/vrnetlab, folder cisco/n9kv, is needed", REBUILD)
    folder = f"{here}, by its name built in vrnetlab's folder nxos, which is for a switch with other ports"
    named = warning("nxos" in need.reference.partition(":")[0], folder, REBUILD)
    yield row("image-switch", f"{here}, built by srl-labs/vrnetlab", ours, other, named)
    machine, built = needs.virtual_machine, str(found.get("Created") or "")[:10]
    fixed = PASSTHROUGH_FIXED.date().isoformat()
    old = "1971" < built < fixed  # builders that write no time write the year 1, or 1970
    if machine and machine.passthrough and made == "srl-labs" and old:
        why = f"built on {built}: before {fixed} CLAB_MGMT_PASSTHROUGH sent bad checksums"
        yield Finding("image-switch-age", "warning", f"{why}, so SSH to mgmt0 may stall", REBUILD)


def _kubernetes(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """The node image's Kubernetes against the kind library inside containerlab."""
    if needs is None or needs.cluster != "kind" or not needs.kubernetes or facts.containerlab is None:
        return
    version = facts.containerlab.version
    untold = version in {None, DEVELOPMENT}
    library, known = kind(CONTAINERLAB_OLDEST if version is None or untold else version)
    which = f"Kubernetes {needs.kubernetes}, with kind {library} in containerlab"
    beyond, runs = outside(needs.kubernetes, known.kubernetes), span(known.kubernetes)
    newest = known is kind(WRITTEN_FOR)[1]
    maybe = warning(beyond and (newest or untold), f"{which}, which is known to run {runs}")
    never = error(beyond, f"{which}, which runs {runs}", f"kubernetes: {known.images[0]} in the spec")
    yield row("kubernetes", which, maybe, never)


# --- networks and names: free, or the lab's own ----------------------------------------------------------------------


def _management(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """The lab's management network against Docker's networks and the host's routes."""
    if needs is None or needs.subnet is None or facts.docker is None:
        return
    subnet, name, docker = needs.subnet, needs.network, facts.docker
    own = next((one for one in docker.networks if one["Name"] == name), None)
    free = free_subnet(facts, subnet.prefixlen)
    other = f"management: {free} in the spec" if free else None
    wrong: list[Answer | None] = []
    bridge = None
    if own:
        there = ", ".join(map(str, _subnets(own))) or "no IPv4"
        foreign = f"there is a Docker network {name} that containerlab did not make"
        differs = f"the Docker network {name} is there with {there}, not {subnet}; containerlab would use it as it is"
        wrong.append(error("containerlab" not in _labels(own), foreign, _rename(needs)))
        wrong.append(error(subnet not in _subnets(own), differs, f"docker network rm {name}"))
        bridge = (own.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{own['Id'][:12]}"
    for one in docker.networks:
        left = "containerlab" in _labels(one) and not _users(docker, one["Name"])
        what = f"left over from a lab, {one['Name']}," if left else one["Name"]
        fix = f"docker network rm {one['Name']}" if left else other
        overlaps = one is not own and any(map(subnet.overlaps, _subnets(one)))
        wrong.append(error(overlaps, f"{subnet} overlaps the Docker network {what} of this host", fix))
    # what this host reaches where the lab's network would be; the way to the lab's own network is none
    routes = [one for one in facts.routes if one[0].overlaps(subnet) and one[1] != bridge]
    for network, interface in routes:
        way = f"{subnet} is on this host's way to {network} ({interface})"
        wrong.append(error(network.subnet_of(subnet), way, other))
    for network, interface in routes:
        part = f"{subnet} hides a part of {network}, which this host reaches through {interface}"
        wrong.append(("warning", part, other))
    yield row("management", f"{subnet} is the lab's own" if own else f"{subnet} is free", *wrong)


def _subnets(network: Json) -> list[IPv4Network]:
    found = [str(part.get("Subnet") or "") for part in (network.get("IPAM") or {}).get("Config") or ()]
    return [IPv4Network(subnet, strict=False) for subnet in found if subnet and ":" not in subnet]


def _users(docker: DockerFacts, network: str) -> list[str]:
    """Containers in a network."""
    return [
        _name(one) for one in docker.containers if network in ((one.get("NetworkSettings") or {}).get("Networks") or ())
    ]


def _name(container: Json) -> str:
    return str((container.get("Names") or [""])[0]).removeprefix("/")


def _rename(needs: LabNeeds) -> str:
    return f"labctl up SPEC --name {needs.name}-2"


def free_subnet(facts: ContainerHostFacts, prefix: int) -> IPv4Network | None:
    """A network of that size which nothing on this host uses."""
    taken = [network for network, _ in facts.routes]
    taken += [subnet for network in (facts.docker.networks if facts.docker else ()) for subnet in _subnets(network)]
    most = max(prefix, CANDIDATES.prefixlen)
    return next((one for one in CANDIDATES.subnets(new_prefix=most) if not any(map(one.overlaps, taken))), None)


def _kind_network(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """kind's own network, which all clusters of a host share and which outlives them."""
    if facts.docker is None or (needs is not None and needs.cluster is None):
        return
    dual = needs is not None and needs.dual_stack
    name = facts.kind_network
    there = next((network for network in facts.docker.networks if network["Name"] == name), None)
    off = "IPv6 is switched off here, and the lab's cluster has both families"
    without = f"the Docker network {name} has no IPv6, and the lab's cluster has both families"
    used = _users(facts.docker, name)
    also = f"; {', '.join(used)} must leave it first" if used else ""
    fix = facts.as_root("sysctl -w net.ipv6.conf.all.disable_ipv6=0")
    host = error(dual and not there and not facts.ipv6, off, fix)
    network = error(dual and there and not there.get("EnableIPv6"), without + also, f"docker network rm {name}")
    fine = f"the Docker network {name} is there" if there else f"kind makes its network {name}"
    yield row("kind-network", fine, host, network)


def _names(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """Containers that have the names of the lab's nodes already: its own, or those of somebody else."""
    if needs is None or facts.docker is None:
        return
    wanted = {node.container for node in needs.nodes}
    there = {_name(one): _labels(one) for one in facts.docker.containers if _name(one) in wanted}
    ours = [name for name, labels in there.items() if needs.name in map(labels.get, OURS)] if facts.lab_known else []
    foreign = sorted(there.keys() - set(ours))
    whose = "are not of this lab" if facts.lab_known else "are of no lab of this user"
    more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
    own = f"{len(there)} containers of lab {needs.name} are there already"
    why = f"containers that {whose} have its names: {', '.join(foreign[:3])}{more}"
    fine = own if there else f"no container has a name of lab {needs.name}"
    yield row("names", fine, error(foreign, why, _rename(needs)))


RULES = (_capacity, _disk, _images, _kubernetes, _management, _kind_network, _names)
"""In the order in which a person would repair the host."""
