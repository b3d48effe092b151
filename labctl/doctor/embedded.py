"""Facts about a host → findings for the embedded runtime, in the order in which a person would repair it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from labctl.doctor.facts import MACHINE, HostFacts, LauncherFact
from labctl.doctor.findings import GB, Answer, Finding, Severity, answer, error, row, size, warning
from labctl.setup.parts import PartStatus

PROMISED = {("debian", "12"), ("debian", "13")}
PYTHON_MINIMUM = (3, 11)
SUBORDINATE_IDS = 65536
MEMORY_WANTED, MEMORY_NEEDED = 2 * GB, GB
"""The white paper's lab takes 0.65 to 1.04 GB in the guest, and 0.45 GB for the control plane."""
DISK_IMAGE, DISK_CONTROL_PLANE, DISK_RUN = 3 * GB // 2, GB // 2, GB // 2
"""What building the image, bringing the control plane, and records of labs take in the cache."""


def findings(facts: HostFacts) -> tuple[Finding, ...]:
    """All of them."""
    rules = (_system, _capacity, _launchers, _image, _clients)
    return tuple(finding for rule in rules for finding in rule(facts) if finding)


def chosen(facts: HostFacts) -> LauncherFact | None:
    """The launcher that ``auto`` takes."""
    return next((launcher for launcher in facts.launchers if launcher.auto and launcher.refusal is None), None)


def _system(facts: HostFacts) -> Iterator[Finding | None]:
    promised = (facts.os_id, facts.os_version.split(".")[0]) in PROMISED
    version, wanted = (".".join(map(str, numbers)) for numbers in (facts.python, PYTHON_MINIMUM))
    why = f"{facts.os_name}: Debian 12 and 13 are what labctl is tested on"
    yield row("os", facts.os_name, warning(not promised, why))
    why = f"this is {facts.machine}; the guest image is for {MACHINE}"
    yield row("machine", facts.machine, error(facts.machine != MACHINE, why))
    why = f"Python {version} is too old: {wanted} or newer"
    yield row("python", f"Python {version}", error(facts.python[:2] < PYTHON_MINIMUM, why, facts.install("python3")))
    missing = facts.missing_tools
    lacks = error(missing, f"not on PATH: {', '.join(missing)}", facts.install("util-linux"))
    yield row("tools", "the programs that a running lab needs are on PATH", lacks)


def _capacity(facts: HostFacts) -> Iterator[Finding | None]:
    alone = "one processor: guest and control plane share it, booting takes about twice as long"
    yield row("cpus", f"{facts.cpus} processors", warning(facts.cpus < 2, alone))
    free = f"{size(facts.memory_free)} of memory free"
    why = f"{free}: a lab of the paper's size wants {size(MEMORY_WANTED)}"
    little: Severity = "error" if facts.memory_free < MEMORY_NEEDED else "warning"
    yield row("memory", free, answer(facts.memory_free < MEMORY_WANTED, little, why))
    needed = DISK_RUN
    needed += DISK_IMAGE if facts.image.state != "whole" else 0
    needed += DISK_CONTROL_PLANE if facts.control_plane.state != "whole" else 0
    brought = needed == DISK_RUN  # what is there already runs with a full disk too; what is not cannot be brought
    if not facts.cache_writable:
        why = f"{facts.cache} can be read, not written: labs run with what is in it"
        fix = "export LABCTL_CACHE_DIR=/a/folder/of/your/own"
        yield Finding("cache", "ok" if brought else "error", why, fix)
        return
    free = f"{size(facts.disk_free)} free on the disk of {facts.cache}"
    full, fix = f"{free}, {size(needed)} wanted", "export LABCTL_CACHE_DIR=/a/larger/disk"
    yield row("disk", free, answer(facts.disk_free < needed, "warning" if brought else "error", full, fix))


def _launchers(facts: HostFacts) -> Iterator[Finding | None]:
    for one in facts.launchers:
        can = "can be used" if one.refusal is None else f"cannot be used: {one.refusal}"
        known = f"can be used: a guest booted on {one.tried}" if one.tried else "not tried here"
        yield row(
            f"launcher-{one.name}", known + (f"; {one.note}" if one.note else ""),
            answer(one.untried, "ok", f"not known yet: {one.refusal}"),
            answer(not one.auto, "ok", f"only when asked for (--launcher {one.name}), {can}"),
            warning(one.refusal is not None, can, _launcher_fix(facts, one)),
        )  # fmt: skip
    taken = chosen(facts)
    if taken is None:
        lacking = any("not installed" in (one.refusal or "") for one in facts.launchers)
        fix = facts.install("qemu-system-x86") if lacking else "labctl setup"
        yield Finding("launcher", "error", "none can be used: no guest can be booted here", fix)
        return
    tries = f"auto tries {taken.name} first, and the next one when no guest boots with it"
    slow = warning(taken.slower, f"auto takes {taken.name}, which boots {taken.slower}")
    yield row("launcher", f"auto takes {taken.name}" if taken.tried else tries, slow)


def _launcher_fix(facts: HostFacts, launcher: LauncherFact) -> str | None:
    fixes = {
        "not installed": facts.install("qemu-system-x86"),
        "may not be opened": facts.as_root(f"usermod --append --groups kvm {facts.user}"),
        "no place to map": facts.as_root("mount -o remount,exec,size=2G /dev/shm"),
    }
    again = f"labctl up SPEC --launcher {launcher.name}  (tries it again)" if launcher.tried else None
    return next((fix for why, fix in fixes.items() if why in (launcher.refusal or "")), again)


def _image(facts: HostFacts) -> Iterator[Finding | None]:
    if facts.image.state != "whole":
        packages = facts.missing_packages
        lack = error(packages, f"building the guest image needs {', '.join(packages)}", facts.install(*packages))
        yield row("build-packages", "the packages for building the guest image are here", lack)
    if facts.image.state != "whole" and not facts.root:
        # mmdebstrap as a user works in a user namespace with subordinate ids; root needs neither
        counts = {"/etc/subuid": facts.subuids, "/etc/subgid": facts.subgids}
        lacking = [f"{name} {count}" for name, count in counts.items() if count < SUBORDINATE_IDS]
        why = f"building the guest image as {facts.user} needs {SUBORDINATE_IDS} subordinate ids"
        why = f"{why}; there are {', '.join(lacking)}"
        fix = facts.as_root(f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {facts.user}")
        yield row("subordinate-ids", f"{facts.user} has subordinate uids and gids", error(lacking, why, fix))
        no, why = facts.user_namespaces, "building the guest image as a user needs user namespaces"
        refused = error(no, f"{why}: {no.sentence}", no.fix or no.otherwise) if no else None
        yield row("user-namespaces", "unprivileged user namespaces work", refused)
    yield row("guest-image", f"whole, version {facts.image.part.version}", _not_whole(facts.image))
    plane = facts.control_plane
    yield row("control-plane", f"whole, version {plane.part.version}", _not_whole(plane))


def _not_whole(part: PartStatus) -> Answer | None:
    return error(part.state != "whole", part.state + (f": {part.why}" if part.why else ""), "labctl setup")


def _clients(facts: HostFacts) -> Iterator[Finding | None]:
    no_kubectl = "no kubectl 1.31 or newer; set-up brings one"
    yield row("kubectl", facts.kubectl, warning(not facts.kubectl, no_kubectl, "labctl setup"))
    no_ssh = "no ssh client: labctl ssh cannot log in to switches"
    yield row("ssh", facts.ssh, warning(not facts.ssh, no_ssh, facts.install("openssh-client")))
    no_tshark = "not here, and not needed: labctl reads captures itself"
    yield row("tshark", facts.tshark, answer(not facts.tshark, "ok", no_tshark, facts.install("tshark")))
