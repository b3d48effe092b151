"""What ``--launcher netns`` says when it cannot be used, with trials made up; and what its scripts must not do."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from labctl.guest import launchers, netns
from labctl.guest.agent.main import channel_path, open_channel
from labctl.guest.image import GuestImage
from labctl.guest.launchers import AUTO, LAUNCHERS
from labctl.guest.netns import FEATURES, Feature, read_answer, script

NAMES = [one.name for one in FEATURES]
DONE = "labctl: all tried\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], None),
        (["bonding", "vrf", "ipip"], f"the kernel of this host ({os.uname().release}) lacks bonding, vrf, ipip"),
        (
            "unshare: unshare failed: Operation not permitted",
            "a box cannot be made on this host: unshare: unshare failed: Operation not permitted",
        ),
    ],
)
@pytest.mark.usefixtures("as_root")
def test_what_a_trial_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str | list[str], reason: str | None
) -> None:
    monkeypatch.setattr(netns, "_try", lambda _image, _features: answer)
    assert launchers.refusal("netns", GuestImage(tmp_path, "key")) == reason


@pytest.mark.parametrize(
    ("out", "err", "answer"),
    [
        (DONE, "", list[str]()),
        (f"0\n2\n{DONE}", "a warning\n", [NAMES[0], NAMES[2]]),
        ("", "", "it ended without a word"),
        ("0\n", "mount: lower: no loop device.\n       dmesg(1) may say more.\n", "mount: lower: no loop device."),
        (DONE.strip() + " not", "sh: no\n", "sh: no"),
    ],
)
def test_answers(out: str, err: str, answer: str | list[str]) -> None:
    assert read_answer(FEATURES, out, err) == answer


def test_script_tries_all_and_says_so() -> None:
    lines = script(FEATURES).splitlines()
    for number, feature in enumerate(FEATURES):
        assert f"{feature.attempt} >/dev/null 2>&1 || echo {number}" in lines
    assert lines[-1] == f"echo '{DONE.strip()}'"
    assert len(set(NAMES)) == len(NAMES)


def test_not_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(netns.os, "geteuid", lambda: 1000)
    assert launchers.refusal("netns", GuestImage(tmp_path, "key")) == "needs root"


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Root on a host with all tools; gives what was asked of modprobe, which refuses."""
    asked: list[tuple[str, ...]] = []

    def modprobe(*arguments: str) -> bool:
        asked.append(arguments)
        return arguments[:2] == ("-n", "-q") and arguments[2] == "bonding"

    monkeypatch.setattr(netns.os, "geteuid", lambda: 0)
    monkeypatch.setattr(netns.shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(netns, "modprobe", modprobe)
    return asked


def test_tools_missing(as_root: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(netns.shutil, "which", lambda name, **_: None if name in {"tar", "unshare"} else name)
    assert launchers.refusal("netns", GuestImage(tmp_path, "key")) == "not installed: unshare, tar"
    assert as_root == []


def test_modules_are_loaded_so_that_they_make_no_interfaces(
    as_root: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(netns, "_try", lambda _image, _features: ["vrf"])
    assert (launchers.refusal("netns", GuestImage(tmp_path, "key")) or "").endswith("lacks vrf")
    assert as_root[:2] == [("-q", "bonding", "max_bonds=0"), ("-q", "dummy", "numdummies=0")]
    assert as_root[2][:2] == ("-q", "-a")
    assert not {"bonding", "dummy"} & set(as_root[2])


def test_a_mere_look_loads_nothing_and_tries_nothing_that_would_load(
    as_root: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried: list[str] = []

    def attempt(_image: Path, features: Sequence[Feature]) -> list[str]:
        tried.extend(one.name for one in features)
        return []

    monkeypatch.setattr(netns, "_try", attempt)
    assert launchers.refusal("netns", GuestImage(tmp_path, "key"), load=False) is None
    assert tried == [name for name in NAMES if name != "bonding"]
    assert all(words[:2] == ("-n", "-q") for words in as_root)


def test_only_on_demand() -> None:
    assert "netns" in LAUNCHERS
    assert "netns" not in AUTO


def test_scripts_write_nothing_of_the_whole_kernel() -> None:
    for text in (netns.ENTER, netns.RUN, script(FEATURES)):
        assert not re.search(r">\s*/?proc", text)
        assert "sysctl" not in text
    box = netns.command(Path("/image"), Path("/folder"), "true", size="1m", agent=None)
    assert {"--mount", "--net", "--pid", "--kill-child=KILL"} <= set(box)


def test_agent_takes_an_inherited_channel() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.set_inheritable(True)
        assert open_channel(channel_path(f"quiet labctl.channel=fd:{one.fileno()}")) == one.fileno()
        assert not one.get_inheritable()
    with pytest.raises(SystemExit):
        channel_path("quiet")
