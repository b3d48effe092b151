"""What the machine and its kernel are to a lab. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from labctl.doctor.containerlab.model import ContainerHostFacts, ModuleState
from labctl.doctor.containerlab.needs import LabNeeds
from labctl.doctor.findings import MACHINE, Finding, Severity

BASIC_MODULES = ("bonding", "8021q", "vxlan")
"""bond0, its VLANs and overlays."""
CONTAINERLAB_MODULES = ("ip_tables", "ip6_tables")
"""containerlab loads them itself, and gives up when the kernel has none."""
CLUSTER_MODULES = ("ipip",)
VIRTUAL_MACHINE_MODULES = ("sch_ingress", "act_mirred", "cls_flower")
"""vrnetlab's wires between a container's interface and its virtual machine's."""
STANDIN_MODULES = ("vrf", "bridge", "dummy")
ALL_MODULES = (*BASIC_MODULES, *CONTAINERLAB_MODULES, *CLUSTER_MODULES, *VIRTUAL_MACHINE_MODULES, *STANDIN_MODULES)
WATCHES_A_NODE, INSTANCES_A_NODE = 131072, 128
"""kind's documentation asks for 524288 watches and 512 instances; that has been enough for clusters of four nodes."""
KIND_NODES = 4


def as_root(facts: ContainerHostFacts, words: str) -> str:
    """The command as this user types it."""
    return words if facts.root else f"sudo {words}"


def machine(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """The architecture of all the images."""
    del needs
    if facts.machine == MACHINE:
        yield Finding("machine", "ok", facts.machine)
    else:
        yield Finding(
            "machine", "error", f"this is {facts.machine}; the images of switches and nodes are for {MACHINE}"
        )


def privileged(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """Whether a privileged container can start: all boxes of a lab are."""
    del needs
    if facts.lacking_capabilities:
        names = ", ".join(facts.lacking_capabilities)
        why = f"nothing on this machine can have {names}: no privileged container starts"
        yield Finding("privileged", "error", f"{why}; a machine of its own, or a virtual one, is needed")
    else:
        yield Finding("privileged", "ok", "privileged containers can have what they need")


def virtualisation(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """The processor's flags, without which containerlab refuses cisco_n9kv, even a stand-in; and /dev/kvm."""
    if facts.virtualisation:
        yield Finding("virtualisation", "ok", "the processor has vmx or svm")
    elif facts.in_container:
        yield Finding("virtualisation", "ok", "no vmx or svm; containerlab does not look for it in a container")
    else:
        why = "no vmx or svm in /proc/cpuinfo: containerlab refuses every cisco_n9kv, stand-ins too"
        yield Finding(
            "virtualisation", "error", f"{why}; switch virtualisation on in the firmware, or nested on the host"
        )
    if needs is not None and needs.switch == "standin":
        yield Finding("kvm", "ok", "not needed: the lab's switches are stand-ins")
    elif facts.kvm is None:
        yield Finding("kvm", "ok", "/dev/kvm can be used")
    else:
        severity: Severity = "error" if needs else "warning"
        fix = as_root(facts, "modprobe -a kvm_intel kvm_amd") if "there is no" in facts.kvm else None
        yield Finding("kvm", severity, f"{facts.kvm}: a licensed switch image does not boot without it", fix)


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


def kernel_modules(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """A container cannot load a module."""
    wanted = wanted_modules(needs)
    states: dict[ModuleState, list[str]] = {"loaded": [], "loadable": [], "missing": [], "unknown": []}
    for name in wanted:
        states[facts.modules.get(name, "unknown")].append(name)
    states["missing"] += [name for name in CONTAINERLAB_MODULES if facts.modules.get(name) == "missing"]
    missing, loadable, unknown = states["missing"], states["loadable"], states["unknown"]
    if missing:
        fix = as_root(facts, "apt-get install linux-image-amd64") if facts.debian else None
        why = f"kernel {facts.kernel} has no {', '.join(missing)}"
        yield Finding("kernel-modules", "error", f"{why}; Debian's full kernel has, its cloud kernel lacks some", fix)
    if loadable:
        why = f"not loaded: {', '.join(loadable)}; a container cannot load them"
        yield Finding("kernel-modules-load", "warning", why, as_root(facts, f"modprobe -a {' '.join(loadable)}"))
    if unknown:
        why = f"not loaded, or built into kernel {facts.kernel}, whose files are not here: {', '.join(unknown)}"
        yield Finding("kernel-modules-unknown", "warning", why, as_root(facts, f"modprobe -a {' '.join(unknown)}"))
    if not missing and not loadable and not unknown:
        yield Finding("kernel-modules", "ok", f"loaded: {', '.join(wanted)}")


def inotify(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """Real Kubernetes nodes share the host's limits; with too few, kubelets fail with "too many open files"."""
    if needs is not None and needs.cluster != "kind":
        return
    nodes = max(KIND_NODES, needs.count("node") if needs else 0)
    wanted = {"max_user_watches": nodes * WATCHES_A_NODE, "max_user_instances": nodes * INSTANCES_A_NODE}
    found = {"max_user_watches": facts.inotify_watches, "max_user_instances": facts.inotify_instances}
    low = {name: value for name, value in wanted.items() if (found[name] or 0) < value}
    if not low:
        yield Finding("inotify", "ok", f"limits are enough for {nodes} Kubernetes nodes")
        return
    there = ", ".join(f"{name} is {found[name]}" for name in low)
    fix = as_root(facts, " ".join(["sysctl -w", *(f"fs.inotify.{name}={value}" for name, value in low.items())]))
    yield Finding("inotify", "warning", f"{there}: {nodes} Kubernetes nodes may run out of it", fix)


def firewall(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """Docker's chain into which containerlab writes; without it that is a warning of containerlab's."""
    del needs
    if facts.docker is None:
        return
    if facts.docker_user_chain:
        yield Finding("docker-user", "ok", "the chain DOCKER-USER is there")
    elif facts.docker_user_chain is None:
        yield Finding("docker-user", "ok", "only root, with iptables, can see whether the chain DOCKER-USER is there")
    else:
        why = "there is no chain DOCKER-USER: Docker runs without iptables, so boxes may be out of reach"
        yield Finding("docker-user", "warning", why, as_root(facts, "systemctl restart docker"))
