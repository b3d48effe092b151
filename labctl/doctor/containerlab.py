"""Facts about a host, and a lab's needs → findings for containerlab, in the order in which a person would repair it.

Pure. Without a lab they are those of the host alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Literal

from labctl import peers
from labctl.doctor.embedded import MEMORY_WANTED
from labctl.doctor.facts import (
    BASIC_MODULES,
    CLUSTER_MODULES,
    CONTAINERLAB_MODULES,
    MACHINE,
    STANDIN_MODULES,
    VIRTUAL_MACHINE_MODULES,
    ContainerHostFacts,
    ContainerlabFact,
    DockerFacts,
    Json,
)
from labctl.doctor.findings import GB, Answer, Finding, Severity, answer, error, row, size, warning
from labctl.doctor.needs import MB, ImageNeed, LabNeeds, Node
from labctl.peers import CONTAINERLAB_OLDEST, DEVELOPMENT, WRITTEN_FOR, Version, dotted, numbers

WATCHES_A_NODE, INSTANCES_A_NODE = 131072, 128
"""kind's documentation asks for 524288 watches and 512 instances; that has been enough for clusters of four nodes."""
KIND_NODES = 4
INSTALLATION = "its documentation's page Installation has packages and a script"
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


def findings(facts: ContainerHostFacts, needs: LabNeeds | None) -> tuple[Finding, ...]:
    """All of them."""
    rules: Sequence[Callable[[ContainerHostFacts, LabNeeds | None], Rows]] = (
        _machine, _kernel_modules, _inotify, _docker, _containerlab, _capacity, _disk, _images, _kubernetes,
        _management, _kind_network, _names,
    )  # fmt: skip
    return tuple(finding for rule in rules for finding in rule(facts, needs) if finding)


# --- the machine and its kernel --------------------------------------------------------------------------------------


def _machine(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    why = f"this is {facts.machine}; the images of switches and nodes are for {MACHINE}"
    yield row("machine", facts.machine, error(facts.machine != MACHINE, why))
    without = facts.lacking_capabilities
    why = f"nothing on this machine can have {', '.join(without)}: no privileged container starts"
    why = f"{why}; a machine of its own, or a virtual one, is needed"
    yield row("privileged", "privileged containers can have what they need", error(without, why))
    # containerlab refuses cisco_n9kv, even a stand-in, without the processor's flags
    why = "no vmx or svm in /proc/cpuinfo: containerlab refuses every cisco_n9kv, stand-ins too"
    why = f"{why}; switch virtualisation on in the firmware, or nested on the host"
    inside = "no vmx or svm; containerlab does not look for it in a container"
    lacks = not facts.virtualisation
    passed = answer(lacks and facts.in_container, "ok", inside)
    yield row("virtualisation", "the processor has vmx or svm", passed, error(lacks, why))
    kvm = facts.kvm or ""
    fix = facts.as_root("modprobe -a kvm_intel kvm_amd") if "there is no" in kvm else None
    why = f"{kvm}: a licensed switch image does not boot without it"
    needless = needs is not None and needs.switch == "standin"
    spared = answer(needless, "ok", "not needed: the lab's switches are stand-ins")
    yield row("kvm", "/dev/kvm can be used", spared, answer(kvm, "error" if needs else "warning", why, fix))


def wanted_modules(needs: LabNeeds | None) -> tuple[str, ...]:
    """The kernel modules for a lab; for none in particular those that every lab needs."""
    wanted = list(BASIC_MODULES)
    if needs is None or needs.cluster:
        wanted += CLUSTER_MODULES
    if needs and needs.switch == "n9kv":
        wanted += VIRTUAL_MACHINE_MODULES
    if needs is None or "standin" in {needs.switch, needs.cluster}:
        wanted += STANDIN_MODULES
    return tuple(wanted)


def _kernel_modules(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """A container cannot load a module."""
    wanted = wanted_modules(needs)
    missing = [name for name in (*wanted, *CONTAINERLAB_MODULES) if facts.modules[name] == "missing"]
    loadable, unknown = ([name for name in wanted if facts.modules[name] == state] for state in ("loadable", "unknown"))
    why = f"kernel {facts.kernel} has no {', '.join(missing)}; Debian's full kernel has, its cloud kernel lacks some"
    fix = facts.install("linux-image-amd64") if facts.debian else None
    fine = None if loadable or unknown else f"loaded: {', '.join(wanted)}"
    yield row("kernel-modules", fine, error(missing, why, fix))
    why = f"not loaded: {', '.join(loadable)}; a container cannot load them"
    yield row("kernel-modules-load", None, warning(loadable, why, facts.as_root(f"modprobe -a {' '.join(loadable)}")))
    why = f"not loaded, or built into kernel {facts.kernel}, whose files are not here: {', '.join(unknown)}"
    yield row("kernel-modules-unknown", None, warning(unknown, why, facts.as_root(f"modprobe -a {' '.join(unknown)}")))


def _inotify(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """Real Kubernetes nodes share the host's limits; with too few, kubelets fail with "too many open files"."""
    if needs is not None and needs.cluster != "kind":
        return
    nodes = max(KIND_NODES, needs.count("node") if needs else 0)
    wanted = {"max_user_watches": nodes * WATCHES_A_NODE, "max_user_instances": nodes * INSTANCES_A_NODE}
    found = {"max_user_watches": facts.inotify_watches, "max_user_instances": facts.inotify_instances}
    low = {name: value for name, value in wanted.items() if (found[name] or 0) < value}
    there = ", ".join(f"{name} is {found[name]}" for name in low)
    fix = facts.as_root(" ".join(["sysctl -w", *(f"fs.inotify.{name}={value}" for name, value in low.items())]))
    why = f"{there}: {nodes} Kubernetes nodes may run out of it"
    yield row("inotify", f"limits are enough for {nodes} Kubernetes nodes", warning(low, why, fix))


# --- Docker and containerlab: there, new enough, and allowed ---------------------------------------------------------


def _docker(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """The daemon: local, answering, of a kind that can do it."""
    trouble, said, docker = facts.docker_trouble, facts.docker_said, facts.docker
    remote = f"DOCKER_HOST is {_public(facts.docker_address)}: containerlab makes the links in this kernel"
    details = f"{docker.info.get('Driver')}, control groups version {_cgroups(docker)}" if docker else ""
    told = row(
        "docker", f"Docker {docker.version} answers ({details})" if docker else None,
        error(trouble == "remote", f"{remote}, so Docker must run on it (a unix socket)", "unset DOCKER_HOST"),
        error(trouble == "foreign", f"{said}, which kind and labctl do not drive", facts.install("docker.io")),
        error(trouble == "denied", f"{facts.user} may not ask Docker ({said}); log in again after",
              facts.as_root(f"usermod --append --groups docker {facts.user}")),
        error(trouble == "missing" and not facts.dockerd, "the Docker daemon is not installed",
              facts.install("docker.io")),
        error(docker is None, f"Docker does not answer: {said}", facts.as_root("systemctl restart docker")),
    )  # fmt: skip
    yield told
    if docker is not None and told is not None and told.severity == "ok":
        yield from _daemon(facts, docker, needs)
    # Debian's docker.io had the client in it until 12
    package = "docker-cli" if (facts.debian or 0) >= 13 else "docker.io"
    no_client = "no docker on PATH: the kind inside containerlab runs it"
    yield row("docker-cli", facts.docker_cli, error(not facts.docker_cli, no_client, facts.install(package)))


def _public(address: str) -> str:
    """An address without a user and password in it."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _daemon(facts: ContainerHostFacts, docker: DockerFacts, needs: LabNeeds | None) -> Rows:
    restart, info = facts.as_root("systemctl restart docker"), docker.info
    # each as `name=seccomp,profile=builtin`
    options = {option.partition(",")[0].removeprefix("name=") for option in info.get("SecurityOptions") or ()}
    kernel, system = info.get("KernelVersion", ""), info.get("OperatingSystem", "")
    why = f"Docker runs on another kernel ({system}, {kernel}) than this one ({facts.kernel})"
    other = kernel != facts.kernel or system == "Docker Desktop"
    yield row("docker-kernel", None, error(other, f"{why}: containerlab's links would end here"))
    why = "Docker runs rootless: containerlab cannot link its containers"
    yield row("docker-rootless", None, error("rootless" in options, why, "unset DOCKER_HOST"))
    why = "Docker maps users (userns-remap), which allows no privileged containers"
    why = f"{why}; take it out of daemon.json, then restart"
    yield row("docker-userns", None, error("userns" in options, why, restart))
    first = _cgroups(docker) == "1" and (needs is None or needs.cluster == "kind")
    newer = needs is not None and numbers(needs.kubernetes or "")[:2] > peers.CGROUP_V1_NEWEST
    why = "control groups version 1: Kubernetes from 1.35 on does not start on them"
    why = f"{why}; boot with systemd.unified_cgroup_hierarchy=1"
    yield row("cgroups", None, answer(first, "error" if newer else "warning", why))
    why = "Docker's storage driver is vfs: every container is a whole copy of its image"
    why = f"{why}; set overlay2 in daemon.json, then restart"
    yield row("docker-storage", None, warning(info.get("Driver") == "vfs", why, restart))


def _cgroups(docker: DockerFacts) -> str:
    return str(docker.info.get("CgroupVersion", "1"))  # daemons that do not say know only the first


def _containerlab(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """The program, its version, whether it reads this lab's folder, and how it becomes root."""
    program, minimum = facts.containerlab, dotted(CONTAINERLAB_OLDEST)
    if program is None:
        yield Finding("containerlab", "error", f"no containerlab on PATH ({minimum} or newer; {INSTALLATION})")
        return
    version = program.version or ()
    untold = f"{program.path} does not tell its version: {program.said}"
    built = f"{program.path} is a build without a version: it is taken for {WRITTEN_FOR} or newer"
    old = f"containerlab {dotted(version)} is too old: {minimum} or newer"
    yield row(
        "containerlab", f"containerlab {dotted(version)} ({program.path})",
        error(not version, untold, f"{program.path} version"),
        warning(version == DEVELOPMENT, f"{built}; `--target containerlab=VERSION` says otherwise"),
        error(version < CONTAINERLAB_OLDEST, old, facts.as_root("containerlab version upgrade")),
        _newer(version, f"containerlab {dotted(version)} ({program.path})"),
    )  # fmt: skip
    if needs and needs.moved_keys and version >= CONTAINERLAB_OLDEST:
        keys = needs.moved_keys
        why = f"topology.clab.yml says {', '.join(sorted(keys))} of a node, which {peers.readers(keys)} reads"
        target = f"switch={needs.switch},cluster={needs.cluster},containerlab={dotted(version[:2])}"
        why = f"containerlab {dotted(version)} does not read this folder: {why}"
        fix = f"labctl generate SPEC -o DIR --target {target}"
        yield row("topology", None, error(not keys <= peers.containerlab(version).cluster_keys, why, fix))
    yield _rights(facts, program)


def _newer(version: Version, what: str) -> Answer | None:
    """What nobody has run labctl with is never called well."""
    tested, known = dotted(peers.CONTAINERLAB_TESTED), dotted(peers.CONTAINERLAB_KNOWN)
    by_notes = f"{what}: labctl was run with {tested}, and knows this one by its release notes"
    beyond = f"{what} is newer than any that labctl knows (up to {known}; it was run with {tested})"
    return warning(
        version[:2] > peers.CONTAINERLAB_TESTED, by_notes if version[:2] <= peers.CONTAINERLAB_KNOWN else beyond
    )


def _rights(facts: ContainerHostFacts, program: ContainerlabFact) -> Finding | None:
    path, user = program.path, facts.user
    needs_root = f"containerlab needs root: run labctl as root, or give {path} root's SUID bit"
    suid = error(not program.setuid, needs_root, f"sudo chown root {path} && sudo chmod u+s {path}")
    outsider = facts.clab_group and "clab_admins" not in facts.groups
    why = f"{user} is not in the group clab_admins, which containerlab asks for; log in again after"
    member = error(outsider, why, f"sudo usermod --append --groups clab_admins {user}")
    fine = f"{user}, with containerlab's SUID bit{', clab_admins' if facts.clab_group else ''}"
    return row("rights", fine, answer(facts.root, "ok", "root"), suid, member)


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
    """What its nodes are made of."""
    return {"switch": needs.switch, "node": needs.cluster or "standin"}.get(part, "standin")


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
    fixed = peers.PASSTHROUGH_FIXED.date().isoformat()
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
    library, known = peers.kind(CONTAINERLAB_OLDEST if version is None or untold else version)
    which = f"Kubernetes {needs.kubernetes}, with kind {library} in containerlab"
    beyond, runs = peers.outside(needs.kubernetes, known.kubernetes), peers.span(known.kubernetes)
    newest = known is peers.kind(WRITTEN_FOR)[1]
    maybe = warning(beyond and (newest or untold), f"{which}, which is known to run {runs}")
    never = error(beyond, f"{which}, which runs {runs}", f"kubernetes: {known.images[0]} in the spec")
    yield row("kubernetes", which, maybe, never)


# --- networks and names: free, or the lab's own ----------------------------------------------------------------------


def _management(facts: ContainerHostFacts, needs: LabNeeds | None) -> Rows:
    """The lab's management network against Docker's networks and the host's routes."""
    if needs is None or needs.subnet is None or facts.docker is None:
        return
    subnet, docker = needs.subnet, facts.docker
    own = next((one for one in docker.networks if one["Name"] == needs.network), None)
    free = free_subnet(facts, subnet.prefixlen)
    other = f"management: {free} in the spec" if free else None
    wrong, bridge = list[Answer | None](), None
    if own:
        wrong += _unusable(needs, own)
        bridge = (own.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{own['Id'][:12]}"
    wrong += _overlapping(docker, subnet, own, other)
    wrong += _routed(facts, subnet, bridge, other)
    yield row("management", f"{subnet} is the lab's own" if own else f"{subnet} is free", *wrong)


def _unusable(needs: LabNeeds, own: Json) -> list[Answer | None]:
    """Why the lab cannot use the Docker network that has its network's name."""
    name, subnets = needs.network, _subnets(own)
    there = ", ".join(map(str, subnets)) or "no IPv4"
    foreign = f"there is a Docker network {name} that containerlab did not make"
    differs = f"the Docker network {name} is there with {there}, not {needs.subnet}; containerlab would use it as it is"
    return [
        error("containerlab" not in _labels(own), foreign, _rename(needs)),
        error(needs.subnet not in subnets, differs, f"docker network rm {name}"),
    ]


def _overlapping(docker: DockerFacts, subnet: IPv4Network, own: Json | None, other: str | None) -> list[Answer | None]:
    wrong = []
    for one in docker.networks:
        left = "containerlab" in _labels(one) and not _users(docker, one["Name"])
        what = f"left over from a lab, {one['Name']}," if left else one["Name"]
        fix = f"docker network rm {one['Name']}" if left else other
        overlaps = one is not own and any(map(subnet.overlaps, _subnets(one)))
        wrong.append(error(overlaps, f"{subnet} overlaps the Docker network {what} of this host", fix))
    return wrong


def _routed(facts: ContainerHostFacts, subnet: IPv4Network, bridge: str | None, other: str | None) -> Iterator[Answer]:
    """What this host reaches where the lab's network would be; the way to the lab's own network is none."""
    routes = [one for one in facts.routes if one[0].overlaps(subnet) and one[1] != bridge]
    for network, interface in routes:
        if network.subnet_of(subnet):
            yield "error", f"{subnet} is on this host's way to {network} ({interface})", other
    for network, interface in routes:
        yield "warning", f"{subnet} hides a part of {network}, which this host reaches through {interface}", other


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
