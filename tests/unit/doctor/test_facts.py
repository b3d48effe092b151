"""Facts are read at the edge: this host's without the network, and the readers on made-up files."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from labctl.doctor.embedded import findings
from labctl.doctor.facts import host_facts, longest_range, memory_free


def test_this_host_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("doctor asked the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    facts = host_facts(tmp_path)
    assert facts.image.state == facts.control_plane.state == "missing"
    assert facts.cpus >= 1
    assert facts.memory_free > 0
    assert [launcher.name for launcher in facts.launchers] == ["qemu-kvm", "uml", "qemu-tcg", "netns"]
    assert {one.id for one in findings(facts)} >= {"os", "guest-image", "launcher", "build-packages"}
    assert list(tmp_path.iterdir()) == []  # it makes nothing, and nothing was booted


def test_a_cache_that_is_not_there_and_one_that_is_shared(tmp_path: Path) -> None:
    facts = host_facts(tmp_path / "not" / "there", [tmp_path])
    assert facts.image.state == "missing"
    assert facts.disk_free > 0
    assert facts.cache_writable


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        (["ada:100000:65536"], 65536),
        (["1000:100000:65536"], 65536),
        (["bob:100000:65536", "ada:165536:10"], 10),
        (["ada:1:10", "ada:100:30", "ada:200:20"], 30),
        (["", "#", "ada", "ada:1", "ada:1:many", "ada:1:-5"], 0),
    ],
)
def test_longest_range(lines: list[str], length: int) -> None:
    assert longest_range(lines, "ada", 1000) == length


@pytest.fixture
def kernel(tmp_path: Path) -> tuple[Path, Path]:
    """/proc and /sys/fs/cgroup of a host with 4 GB available, in the group /a/b."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (groups / "a" / "b").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n")
    (proc / "self" / "cgroup").write_text("1:name=systemd:/x\n0::/a/b\n")
    return proc, groups


def test_memory_without_limits(kernel: tuple[Path, Path]) -> None:
    assert memory_free(*kernel) == 4 << 30
    (kernel[1] / "a" / "b" / "memory.max").write_text("max\n")
    assert memory_free(*kernel) == 4 << 30


@pytest.mark.parametrize("level", ["a/b", "a", "."])
def test_memory_limited_by_a_group_at_any_level(kernel: tuple[Path, Path], level: str) -> None:
    group = kernel[1] / level
    (group / "memory.max").write_text(f"{1 << 30}\n")
    (group / "memory.current").write_text(f"{1 << 29}\n")
    assert memory_free(*kernel) == 1 << 29
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {1 << 28}\n")
    assert memory_free(*kernel) == (1 << 29) + (1 << 28)


def test_memory_of_a_group_that_is_full(kernel: tuple[Path, Path]) -> None:
    (kernel[1] / "a" / "memory.max").write_text("100")
    (kernel[1] / "a" / "memory.current").write_text("200")
    assert memory_free(*kernel) == 0
