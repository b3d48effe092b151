"""Findings over made-up hosts: what is an error, what a warning, and which command repairs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.doctor.embedded import chosen, findings
from labctl.doctor.facts import HostFacts, LauncherFact
from labctl.doctor.findings import GB, Finding, can_run
from labctl.guest.launchers import LAUNCHERS
from labctl.guest.userns import Refusal
from labctl.setup.parts import PartStatus, guest_image

WHOLE = PartStatus(guest_image(Path("/cache")), "whole", None, 0, None, None, busy=False)
MISSING = replace(WHOLE, state="missing")
BROKEN = replace(WHOLE, state="broken", why="x")
OWN_CACHE = "export LABCTL_CACHE_DIR=/a/folder/of/your/own"
NOT_INSTALLED = "qemu-system-x86_64 is not installed (apt-get install qemu-system-x86)"

GOOD = HostFacts(
    os_id="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12 (bookworm)",
    machine="x86_64",
    python=(3, 11, 2),
    user="ada",
    root=False,
    missing_packages=(),
    missing_tools=(),
    subuids=65536,
    subgids=65536,
    user_namespaces=None,
    launchers=(
        LauncherFact("qemu-kvm", None, "2026-11-30 21:00"),
        LauncherFact("uml", None),
        LauncherFact("qemu-tcg", None),
    ),
    cpus=4,
    memory_free=8 * GB,
    disk_free=20 * GB,
    cache_writable=True,
    cache="/cache",
    image=WHOLE,
    control_plane=WHOLE,
    kubectl="/usr/bin/kubectl",
    ssh="/usr/bin/ssh",
    tshark="/usr/bin/tshark",
)


def host(**changes: Any) -> HostFacts:
    return replace(GOOD, **changes)


def finding(facts: HostFacts, identity: str) -> Finding:
    return next(one for one in findings(facts) if one.id == identity)


def launchers(**refusals: str | None) -> tuple[LauncherFact, ...]:
    """Refusals of kvm, uml and tcg."""
    names = {"kvm": "qemu-kvm", "uml": "uml", "tcg": "qemu-tcg"}
    return tuple(
        LauncherFact(name, refusals.get(short), slower=LAUNCHERS[name].slower) for short, name in names.items()
    )


def test_a_good_host() -> None:
    found = findings(GOOD)
    assert {one.severity for one in found} == {"ok"}
    assert can_run(found)
    assert finding(GOOD, "launcher").sentence == "auto takes qemu-kvm"


@pytest.mark.parametrize(
    ("changes", "identity", "severity", "fix"),
    [
        ({"os_version": "13"}, "os", "ok", None),
        ({"os_version": "13.1"}, "os", "ok", None),
        ({"os_version": "11"}, "os", "warning", None),
        ({"os_id": "ubuntu", "os_version": "24.04"}, "os", "warning", None),
        ({"machine": "aarch64"}, "machine", "error", None),
        ({"python": (3, 10, 9)}, "python", "error", "sudo apt-get install python3"),
        ({"python": (4, 0, 0)}, "python", "ok", None),
        ({"missing_tools": ("setpriv",)}, "tools", "error", "sudo apt-get install util-linux"),
        ({"missing_tools": ("setpriv",), "root": True}, "tools", "error", "apt-get install util-linux"),
        ({"cpus": 1}, "cpus", "warning", None),
        ({"cpus": 2}, "cpus", "ok", None),
        ({"memory_free": 2 * GB}, "memory", "ok", None),
        ({"memory_free": 2 * GB - 1}, "memory", "warning", None),
        ({"memory_free": GB - 1}, "memory", "error", None),
        ({"disk_free": 0}, "disk", "warning", "export LABCTL_CACHE_DIR=/a/larger/disk"),
        ({"disk_free": GB}, "disk", "ok", None),
        ({"disk_free": GB, "image": MISSING}, "disk", "error", "export LABCTL_CACHE_DIR=/a/larger/disk"),
        ({"disk_free": GB, "control_plane": MISSING}, "disk", "ok", None),
        ({"image": MISSING}, "guest-image", "error", "labctl setup"),
        ({"image": BROKEN}, "guest-image", "error", "labctl setup"),
        ({"control_plane": MISSING}, "control-plane", "error", "labctl setup"),
        ({"kubectl": None}, "kubectl", "warning", "labctl setup"),
        ({"ssh": None}, "ssh", "warning", "sudo apt-get install openssh-client"),
        ({"tshark": None}, "tshark", "ok", "sudo apt-get install tshark"),
        ({"launchers": launchers(kvm="there is no /dev/kvm")}, "launcher-qemu-kvm", "warning", None),
        ({"launchers": launchers(kvm="there is no /dev/kvm")}, "launcher", "ok", None),
        (
            {"launchers": launchers(kvm="/dev/kvm may not be opened by this user")},
            "launcher-qemu-kvm", "warning", "sudo usermod --append --groups kvm ada",
        ),
        (
            {"launchers": launchers(tcg=NOT_INSTALLED)},
            "launcher-qemu-tcg", "warning", "sudo apt-get install qemu-system-x86",
        ),
        (
            {"launchers": launchers(uml="no place to map its memory: /dev/shm: mounted noexec")},
            "launcher-uml", "warning", "sudo mount -o remount,exec,size=2G /dev/shm",
        ),
        ({"launchers": launchers(kvm="x", uml="x")}, "launcher", "warning", None),
        ({"launchers": launchers(uml="the guest died")}, "launcher-uml", "warning", None),
        ({"launchers": launchers(kvm="x", uml="x", tcg="x")}, "launcher", "error", "labctl setup"),
        ({"cache_writable": False}, "cache", "ok", OWN_CACHE),
        ({"cache_writable": False, "image": MISSING}, "cache", "error", OWN_CACHE),
        (
            {"launchers": launchers(kvm=NOT_INSTALLED, uml="x", tcg=NOT_INSTALLED)},
            "launcher", "error", "sudo apt-get install qemu-system-x86",
        ),
    ],
)  # fmt: skip
def test_one_thing_changed(changes: dict[str, Any], identity: str, severity: str, fix: str | None) -> None:
    facts = host(**changes)
    one = finding(facts, identity)
    assert (one.severity, one.fix) == (severity, fix)
    assert can_run(findings(facts)) == all(other.severity != "error" for other in findings(facts))
    if severity == "error":
        assert not can_run(findings(facts))


@pytest.mark.parametrize(
    ("changes", "identity", "fix"),
    [
        (
            {"missing_packages": ("fakeroot", "mmdebstrap")},
            "build-packages",
            "sudo apt-get install fakeroot mmdebstrap",
        ),
        (
            {"subuids": 0},
            "subordinate-ids",
            "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ada",
        ),
        ({"subgids": 65535}, "subordinate-ids", "--add-subgids"),
        ({"user_namespaces": Refusal("off", "sudo sysctl -w x=1", "y")}, "user-namespaces", "sudo sysctl -w x=1"),
        ({"user_namespaces": Refusal("no", None, "run labctl as root")}, "user-namespaces", "run labctl as root"),
    ],
)
def test_what_only_a_build_needs(changes: dict[str, Any], identity: str, fix: str) -> None:
    """An error when the image must be built by a user, no finding when it is there."""
    one = finding(host(image=MISSING, **changes), identity)
    assert one.severity == "error"
    assert fix in (one.fix or "")
    assert identity not in {other.id for other in findings(host(**changes))}
    as_root = {other.id: other for other in findings(host(image=MISSING, root=True, **changes))}
    assert "build-packages" in as_root
    assert not {"subordinate-ids", "user-namespaces"} & set(as_root)


def test_a_host_that_can_build() -> None:
    facts = host(image=MISSING, control_plane=MISSING)
    assert {one.id for one in findings(facts) if one.severity == "error"} == {"guest-image", "control-plane"}


def test_auto_takes_the_first_that_is_not_refused() -> None:
    for taken, facts in (
        ("qemu-kvm", GOOD),
        ("uml", host(launchers=launchers(kvm="no"))),
        ("qemu-tcg", host(launchers=launchers(kvm="no", uml="no"))),
        (None, host(launchers=launchers(kvm="no", uml="no", tcg="no"))),
    ):
        found = chosen(facts)
        assert (found.name if found else None) == taken


def test_a_launcher_is_called_usable_only_when_a_guest_has_booted_with_it() -> None:
    assert finding(GOOD, "launcher-qemu-kvm").sentence == "can be used: a guest booted on 2026-11-30 21:00"
    assert finding(GOOD, "launcher-qemu-tcg").sentence == "not tried here"
    noted = host(launchers=(LauncherFact("uml", None, note="the guest's memory is in /dev/shm"),))
    assert finding(noted, "launcher-uml").sentence == "not tried here; the guest's memory is in /dev/shm"
    untried = host(launchers=launchers(kvm="no"))
    assert finding(untried, "launcher").sentence == "auto tries uml first, and the next one when no guest boots with it"
    failed = host(
        launchers=(*launchers(kvm="no")[:1], LauncherFact("uml", "the guest died (on …)", "2026-11-30 21:00"))
    )
    assert finding(failed, "launcher-uml").fix == "labctl up SPEC --launcher uml  (tries it again)"


STATES = st.sampled_from([WHOLE, MISSING, BROKEN])
REFUSALS = st.none() | st.text(min_size=1, max_size=20)


@given(
    image=STATES,
    control_plane=STATES,
    refusals=st.tuples(REFUSALS, REFUSALS, REFUSALS),
    root=st.booleans(),
    ids=st.integers(0, 70000),
    memory=st.integers(0, 4 * GB),
)
def test_whatever_the_host(
    image: PartStatus, control_plane: PartStatus, refusals: tuple[str | None, ...], root: bool, ids: int, memory: int
) -> None:
    names = dict(zip(("kvm", "uml", "tcg"), refusals, strict=True))
    facts = host(
        image=image,
        control_plane=control_plane,
        launchers=launchers(**names),
        root=root,
        subuids=ids,
        memory_free=memory,
    )
    found = findings(facts)
    identities = [one.id for one in found]
    assert len(identities) == len(set(identities))
    assert all(one.sentence for one in found)
    runs = image == WHOLE == control_plane and chosen(facts) is not None and memory >= GB
    assert can_run(found) == runs
    assert root <= all("sudo" not in (one.fix or "") for one in found)


@pytest.mark.parametrize(("refusal", "words"), [(None, "can be used"), ("needs root", "cannot be used: needs root")])
def test_a_launcher_for_those_who_ask_is_information(refusal: str | None, words: str) -> None:
    facts = host(launchers=(*launchers(kvm="no", uml="no", tcg="no"), LauncherFact("netns", refusal, auto=False)))
    netns = finding(facts, "launcher-netns")
    assert (netns.severity, netns.fix) == ("ok", None)
    assert netns.sentence == f"only when asked for (--launcher netns), {words}"
    assert finding(facts, "launcher").severity == "error"  # auto does not take it
