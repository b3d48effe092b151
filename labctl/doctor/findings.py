"""Facts about a host → findings. Pure: nothing is read here, so every host can be made up in a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from labctl.guest.userns import Refusal

Severity = Literal["ok", "warning", "error"]
PartState = Literal["whole", "broken", "missing"]

PROMISED = {("debian", "12"), ("debian", "13")}
PYTHON_MINIMUM = (3, 11)
MACHINE = "x86_64"
"""The guest image is Debian's amd64."""
SUBORDINATE_IDS = 65536
GB = 1 << 30
MEMORY_WANTED, MEMORY_NEEDED = 2 * GB, GB
"""The white paper's lab takes 0.65 to 1.04 GB in the guest, and 0.45 GB for the control plane."""
DISK_IMAGE, DISK_CONTROL_PLANE, DISK_RUN = 3 * GB // 2, GB // 2, GB // 2
"""What building the image, bringing the control plane, and records of labs take in the cache."""
OPT_IN = ("netns",)
"""Launchers that ``auto`` never takes: that one cannot be used here is no fault of a host."""


@dataclass(frozen=True, slots=True)
class PartFact:
    """Guest image or control plane: its state, why it is not whole, its version."""

    state: PartState
    why: str | None
    version: str


@dataclass(frozen=True, slots=True)
class LauncherFact:
    """A launcher and why it cannot be used; None when it can, or may be tried. ``untried``: that is known later."""

    name: str
    refusal: str | None
    tried: str | None = None
    """When a guest was last booted with it; None when none was."""
    untried: bool = False


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Everything that the findings are made from."""

    os_id: str
    os_version: str
    os_name: str
    machine: str
    python: tuple[int, int, int]
    user: str
    root: bool
    missing_packages: tuple[str, ...]
    """Debian packages for building the guest image that are not here."""
    missing_tools: tuple[str, ...]
    """util-linux's programs that a running lab needs and that are not on PATH."""
    subuids: int
    subgids: int
    """Length of the user's longest range of subordinate ids."""
    user_namespaces: Refusal | None
    """Why this user may not make user namespaces; None when that is allowed, or not needed."""
    launchers: tuple[LauncherFact, ...]
    """In the order in which ``auto`` tries them; those that it does not try behind them."""
    uml_memory: str | None
    """The tmpfs that User-mode Linux would map the guest's memory from."""
    cpus: int
    memory_free: int
    disk_free: int
    cache_writable: bool
    cache: str
    image: PartFact
    control_plane: PartFact
    go: str | None
    kubectl: str | None
    ssh: str | None
    tshark: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about this host; ``fix`` is the command that repairs it."""

    id: str
    severity: Severity
    sentence: str
    fix: str | None = None


def findings(facts: HostFacts) -> tuple[Finding, ...]:
    """All of them, in the order in which a person would repair the host."""
    rules: Sequence[Callable[[HostFacts], Iterator[Finding]]] = (
        _system,
        _tools,
        _capacity,
        _launchers,
        _image,
        _control_plane,
        _clients,
    )
    return tuple(finding for rule in rules for finding in rule(facts))


def can_run(found: Sequence[Finding]) -> bool:
    """Whether the embedded runtime can run here: warnings are allowed."""
    return all(finding.severity != "error" for finding in found)


def chosen(facts: HostFacts) -> str | None:
    """The launcher that ``auto`` takes."""
    candidates = (launcher for launcher in facts.launchers if launcher.name not in OPT_IN)
    return next((launcher.name for launcher in candidates if launcher.refusal is None), None)


def _install(facts: HostFacts, *packages: str) -> str:
    return _as_root(facts, f"apt-get install {' '.join(packages)}")


def _as_root(facts: HostFacts, words: str) -> str:
    return words if facts.root else f"sudo {words}"


def _size(number: int) -> str:
    return f"{number / GB:.1f} GB"


def _system(facts: HostFacts) -> Iterator[Finding]:
    if (facts.os_id, facts.os_version.split(".")[0]) in PROMISED:
        yield Finding("os", "ok", facts.os_name)
    else:
        yield Finding("os", "warning", f"{facts.os_name}: Debian 12 and 13 are what labctl is tested on")
    if facts.machine == MACHINE:
        yield Finding("machine", "ok", facts.machine)
    else:
        yield Finding("machine", "error", f"this is {facts.machine}; the guest image is for {MACHINE}")
    version = ".".join(map(str, facts.python))
    if facts.python[:2] >= PYTHON_MINIMUM:
        yield Finding("python", "ok", f"Python {version}")
    else:
        wanted = ".".join(map(str, PYTHON_MINIMUM))
        yield Finding("python", "error", f"Python {version} is too old: {wanted} or newer", _install(facts, "python3"))


def _tools(facts: HostFacts) -> Iterator[Finding]:
    if facts.missing_tools:
        names = ", ".join(facts.missing_tools)
        yield Finding("tools", "error", f"not on PATH: {names}", _install(facts, "util-linux"))
    else:
        yield Finding("tools", "ok", "the programs that a running lab needs are on PATH")


def _capacity(facts: HostFacts) -> Iterator[Finding]:
    if facts.cpus >= 2:
        yield Finding("cpus", "ok", f"{facts.cpus} processors")
    else:
        yield Finding(
            "cpus", "warning", "one processor: guest and control plane share it, booting takes about twice as long"
        )
    free = _size(facts.memory_free)
    if facts.memory_free >= MEMORY_WANTED:
        yield Finding("memory", "ok", f"{free} of memory free")
    else:
        severity: Severity = "warning" if facts.memory_free >= MEMORY_NEEDED else "error"
        yield Finding(
            "memory", severity, f"{free} of memory free: a lab of the paper's size wants {_size(MEMORY_WANTED)}"
        )
    needed = DISK_RUN
    needed += DISK_IMAGE if facts.image.state != "whole" else 0
    needed += DISK_CONTROL_PLANE if facts.control_plane.state != "whole" else 0
    free = f"{_size(facts.disk_free)} free on the disk of {facts.cache}"
    if not facts.cache_writable:
        words = f"{facts.cache} can be read, not written: labs run with what is in it"
        yield Finding(
            "cache", "ok" if needed == DISK_RUN else "error", words, "export LABCTL_CACHE_DIR=/a/folder/of/your/own"
        )
    elif facts.disk_free >= needed:
        yield Finding("disk", "ok", free)
    else:
        # what is there already runs with a full disk too; what is not cannot be brought
        severity = "warning" if needed == DISK_RUN else "error"
        yield Finding("disk", severity, f"{free}, {_size(needed)} wanted", "export LABCTL_CACHE_DIR=/a/larger/disk")


def _launchers(facts: HostFacts) -> Iterator[Finding]:
    taken = chosen(facts)
    for launcher in facts.launchers:
        name = f"launcher-{launcher.name}"
        if launcher.untried:
            yield Finding(name, "ok", f"not known yet: {launcher.refusal}")
        elif launcher.name in OPT_IN:
            answer = "can be used" if launcher.refusal is None else f"cannot be used: {launcher.refusal}"
            yield Finding(name, "ok", f"only when asked for (--launcher {launcher.name}), {answer}")
        elif launcher.refusal is not None:
            yield Finding(name, "warning", f"cannot be used: {launcher.refusal}", _launcher_fix(facts, launcher))
        else:
            known = f"can be used: a guest booted on {launcher.tried}" if launcher.tried else "not tried here"
            memory = f"; the guest's memory is in {facts.uml_memory}" if launcher.name == "uml" else ""
            yield Finding(name, "ok", known + memory)
    tried = {launcher.name: launcher.tried for launcher in facts.launchers}
    if taken is None:
        fix = _install(facts, "qemu-system-x86") if _lacks_qemu(facts) else "labctl setup"
        yield Finding("launcher", "error", "none can be used: no guest can be booted here", fix)
    elif taken == "qemu-tcg":
        yield Finding("launcher", "warning", "auto takes qemu-tcg, which boots three times slower than uml")
    elif tried[taken]:
        yield Finding("launcher", "ok", f"auto takes {taken}")
    else:
        yield Finding("launcher", "ok", f"auto tries {taken} first, and the next one when no guest boots with it")


def _lacks_qemu(facts: HostFacts) -> bool:
    return any("not installed" in (launcher.refusal or "") for launcher in facts.launchers)


def _launcher_fix(facts: HostFacts, launcher: LauncherFact) -> str | None:
    refusal = launcher.refusal or ""
    if "not installed" in refusal:
        return _install(facts, "qemu-system-x86")
    if "may not be opened" in refusal:
        return _as_root(facts, f"usermod --append --groups kvm {facts.user}")
    if "no place to map" in refusal:
        return _as_root(facts, "mount -o remount,exec,size=2G /dev/shm")
    return f"labctl up SPEC --launcher {launcher.name}  (tries it again)" if launcher.tried else None


def _image(facts: HostFacts) -> Iterator[Finding]:
    if facts.image.state == "whole":
        yield Finding("guest-image", "ok", f"whole, version {facts.image.version}")
        return
    if facts.missing_packages:
        sentence = f"building the guest image needs {', '.join(facts.missing_packages)}"
        yield Finding("build-packages", "error", sentence, _install(facts, *facts.missing_packages))
    else:
        yield Finding("build-packages", "ok", "the packages for building the guest image are here")
    if not facts.root:  # mmdebstrap as a user works in a user namespace with subordinate ids; root needs neither
        yield from _subordinate_ids(facts)
        yield from _user_namespaces(facts)
    yield _not_whole("guest-image", facts.image)


def _subordinate_ids(facts: HostFacts) -> Iterator[Finding]:
    if min(facts.subuids, facts.subgids) >= SUBORDINATE_IDS:
        yield Finding("subordinate-ids", "ok", f"{facts.user} has subordinate uids and gids")
        return
    lacking = [
        f"{name} {count}"
        for name, count in (("/etc/subuid", facts.subuids), ("/etc/subgid", facts.subgids))
        if count < SUBORDINATE_IDS
    ]
    needs = f"building the guest image as {facts.user} needs {SUBORDINATE_IDS} subordinate ids"
    words = f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {facts.user}"
    yield Finding("subordinate-ids", "error", f"{needs}; there are {', '.join(lacking)}", _as_root(facts, words))


def _user_namespaces(facts: HostFacts) -> Iterator[Finding]:
    refusal = facts.user_namespaces
    if refusal is None:
        yield Finding("user-namespaces", "ok", "unprivileged user namespaces work")
    else:
        needs = "building the guest image as a user needs user namespaces"
        fix = refusal.fix or refusal.otherwise
        yield Finding("user-namespaces", "error", f"{needs}: {refusal.sentence}", fix)


def _not_whole(name: str, part: PartFact) -> Finding:
    return Finding(name, "error", part.state + (f": {part.why}" if part.why else ""), "labctl setup")


def _control_plane(facts: HostFacts) -> Iterator[Finding]:
    if facts.control_plane.state == "whole":
        yield Finding("control-plane", "ok", f"whole, version {facts.control_plane.version}")
        return
    if facts.go:
        yield Finding("go", "ok", f"{facts.go} can build the control plane where release files cannot be had")
    else:
        yield Finding(
            "go", "ok", "no Go: labctl setup takes release files, or brings a Go of its own and builds (6 to 8 minutes)"
        )
    yield _not_whole("control-plane", facts.control_plane)


def _clients(facts: HostFacts) -> Iterator[Finding]:
    if facts.kubectl:
        yield Finding("kubectl", "ok", facts.kubectl)
    else:
        yield Finding("kubectl", "warning", "no kubectl 1.31 or newer; set-up brings one", "labctl setup")
    if facts.ssh:
        yield Finding("ssh", "ok", facts.ssh)
    else:
        fix = _install(facts, "openssh-client")
        yield Finding("ssh", "warning", "no ssh client: labctl ssh cannot log in to switches", fix)
    if facts.tshark:
        yield Finding("tshark", "ok", facts.tshark)
    else:
        yield Finding(
            "tshark", "ok", "not here, and not needed: labctl reads captures itself", _install(facts, "tshark")
        )
