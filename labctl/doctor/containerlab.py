"""Facts about a host, and a lab's needs → findings for containerlab, in the order in which a person would repair it.

Pure. Without a lab they are those of the host alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labctl.doctor import fit
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
    ModuleState,
)
from labctl.doctor.findings import Answer, Finding, answer, error, row, warning
from labctl.doctor.fit import Rows
from labctl.doctor.needs import LabNeeds
from labctl.peers import (
    CGROUP_V1_NEWEST,
    CONTAINERLAB_KNOWN,
    CONTAINERLAB_OLDEST,
    CONTAINERLAB_TESTED,
    DEVELOPMENT,
    WRITTEN_FOR,
    Version,
    dotted,
    numbers,
    readers,
)
from labctl.peers import containerlab as row_of

WATCHES_A_NODE, INSTANCES_A_NODE = 131072, 128
"""kind's documentation asks for 524288 watches and 512 instances; that has been enough for clusters of four nodes."""
KIND_NODES = 4
INSTALLATION = "its documentation's page Installation has packages and a script"


def findings(facts: ContainerHostFacts, needs: LabNeeds | None) -> tuple[Finding, ...]:
    """All of them."""
    rules: Sequence[Callable[[ContainerHostFacts, LabNeeds | None], Rows]] = (
        _machine, _kernel_modules, _inotify, _docker, _containerlab, *fit.RULES,
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
    states: dict[ModuleState, list[str]] = {"loaded": [], "loadable": [], "missing": [], "unknown": []}
    for name in wanted:
        states[facts.modules.get(name, "unknown")].append(name)
    states["missing"] += [name for name in CONTAINERLAB_MODULES if facts.modules.get(name) == "missing"]
    missing, loadable, unknown = states["missing"], states["loadable"], states["unknown"]
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
    newer = needs is not None and numbers(needs.kubernetes or "")[:2] > CGROUP_V1_NEWEST
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
        why = f"topology.clab.yml says {', '.join(sorted(keys))} of a node, which {readers(keys)} reads"
        target = f"switch={needs.switch},cluster={needs.cluster},containerlab={dotted(version[:2])}"
        why = f"containerlab {dotted(version)} does not read this folder: {why}"
        fix = f"labctl generate SPEC -o DIR --target {target}"
        yield row("topology", None, error(not keys <= row_of(version).cluster_keys, why, fix))
    yield _rights(facts, program)


def _newer(version: Version, what: str) -> Answer | None:
    """What nobody has run labctl with is never called well."""
    tested, known = dotted(CONTAINERLAB_TESTED), dotted(CONTAINERLAB_KNOWN)
    by_notes = f"{what}: labctl was run with {tested}, and knows this one by its release notes"
    beyond = f"{what} is newer than any that labctl knows (up to {known}; it was run with {tested})"
    return warning(version[:2] > CONTAINERLAB_TESTED, by_notes if version[:2] <= CONTAINERLAB_KNOWN else beyond)


def _rights(facts: ContainerHostFacts, program: ContainerlabFact) -> Finding | None:
    path, user = program.path, facts.user
    needs_root = f"containerlab needs root: run labctl as root, or give {path} root's SUID bit"
    suid = error(not program.setuid, needs_root, f"sudo chown root {path} && sudo chmod u+s {path}")
    outsider = facts.clab_group and "clab_admins" not in facts.groups
    why = f"{user} is not in the group clab_admins, which containerlab asks for; log in again after"
    member = error(outsider, why, f"sudo usermod --append --groups clab_admins {user}")
    fine = f"{user}, with containerlab's SUID bit{', clab_admins' if facts.clab_group else ''}"
    return row("rights", fine, answer(facts.root, "ok", "root"), suid, member)
