"""What is said of a host whose user may not make user namespaces: the reason, and a way that leads out."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.errors import HostError
from labctl.guest import image, userns
from labctl.guest.userns import Refusal, judge, refusal

WORDS = "unshare: unshare failed: Operation not permitted"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where /proc, /etc and /run of a made-up host are; no container around it."""
    monkeypatch.delenv("container", raising=False)
    (tmp_path / "proc/self/attr").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Name:\tx\nSeccomp:\t0\n")
    return tmp_path


def sysctl(root: Path, name: str, value: int) -> None:
    path = root / "proc/sys" / name.replace(".", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def judged(root: Path) -> Refusal:
    found = judge(root, WORDS)
    assert found is not None
    return found


def test_it_is_tried(root: Path) -> None:
    sysctl(root, "kernel.unprivileged_userns_clone", 0)  # whatever a file says
    assert refusal(root, ("true",)) is None
    assert refusal(root, ("false",)) is not None
    told = refusal(root / "bare", ("sh", "-c", f"echo a >&2; echo '{WORDS}' >&2; exit 1"))
    assert told is not None
    assert told.sentence == f"this user cannot make a user namespace ({WORDS})"
    missing = refusal(root / "bare", ("no-such-program",))
    assert missing is not None
    assert "no-such-program" in missing.sentence


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("kernel.unprivileged_userns_clone", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user.max_user_namespaces", "sudo sysctl -w user.max_user_namespaces=15000"),
    ],
)
def test_switched_off(root: Path, name: str, fix: str) -> None:
    sysctl(root, name, 0)
    assert (judged(root).fix, "switched off" in judged(root).sentence) == (fix, True)


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv", ""])
def test_a_container_is_named_with_what_forbids_it(root: Path, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    if mark:
        (root / mark).parent.mkdir(exist_ok=True)
        (root / mark).touch()
    else:
        monkeypatch.setenv("container", "lxc")
    (root / "proc/self/status").write_text("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n")
    (root / "proc/self/attr/current").write_text("docker-default (enforce)\n")
    sysctl(root, "kernel.apparmor_restrict_unprivileged_userns", 1)
    found = judged(root)
    assert found.sentence == (
        f"this container's seccomp profile or AppArmor profile docker-default forbids user namespaces ({WORDS})"
    )
    assert found.fix is None
    for way in ("run labctl as root", "--security-opt seccomp=unconfined", "labctl setup import FILE"):
        assert way in found.otherwise


def test_ubuntus_apparmor(root: Path) -> None:
    sysctl(root, "kernel.apparmor_restrict_unprivileged_userns", 1)
    (root / "proc/self/attr/current").write_text("unconfined\n")
    found = judged(root)
    assert "AppArmor restricts unprivileged user namespaces" in found.sentence
    assert found.fix == "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    (root / "etc/apparmor.d").mkdir(parents=True)
    (root / "etc/apparmor.d/mmdebstrap").touch()
    assert judge(root, WORDS) is None  # the profile lets mmdebstrap do what unshare may not


def test_a_build_says_it_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leads to what helps, not to a doctor that says that all is well."""
    monkeypatch.setattr(image, "missing_packages", list[str])
    monkeypatch.setattr(image.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(userns, "refusal", lambda: Refusal("this container forbids it", None, "run labctl as root"))
    with pytest.raises(HostError) as caught:
        image.build_image(tmp_path, print)
    assert caught.value.message == "the guest image cannot be built here: this container forbids it"
    assert (caught.value.hint, caught.value.next_command) == ("run labctl as root", None)
    assert not list((tmp_path / "guest").glob(".build-*"))
