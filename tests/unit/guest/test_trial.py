"""The boot is the trial: what becomes of launchers whose guests die, are silent or speak, by launchers made up."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labctl.errors import ExitCode, HostError, InconclusiveError, LabctlError
from labctl.guest import launchers, qemu, trial, uml
from labctl.guest.image import GuestImage
from labctl.guest.launchers import AUTO

AMX_PANIC = """\
mmapper_init - find_iomem failed
Core dump limits :
\tsoft - 0
Checking that ptrace can change system call numbers...OK
userspace - ptrace set fp regs failed, errno = 14
Kernel panic - not syncing: Segfault with no mm
RIP: 0033:[<0000000060016b3c>]
Call Trace:
 [<6004946e>] userspace+0x100/0x4f2
 [<60046c6a>] new_thread_handler+0x85/0xaf
"""
DEAD = "the guest died while booting (ptrace set fp regs failed, errno = 14)"


@dataclass
class Scripted:
    """A guest that does what the table says of its launcher."""

    speaks: bool = False
    code: int | None = None
    console: str = ""
    ended: bool = False

    def answers(self) -> bool:
        return self.speaks

    def exit_code(self) -> int | None:
        return self.code

    def console_text(self) -> str:
        return self.console

    def power_off(self) -> None:
        self.ended = True


def spoke() -> Scripted:
    return Scripted(speaks=True)


def dead(console: str = AMX_PANIC, code: int = 1) -> Scripted:
    return Scripted(code=code, console=console)


def silent() -> Scripted:
    return Scripted(console="Linux version 6.12\n")


@dataclass
class Host:
    """A made-up host: refusals that need no boot, what guests do; what was started and said."""

    image: GuestImage
    guests: dict[str, Callable[[], Scripted]]
    refusals: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    made: list[Scripted] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def up(self, wanted: str = "auto", limit: float = 0.05, cancel: threading.Event | None = None) -> str:
        """The launcher that booted."""

        def start(name: str) -> Scripted:
            self.started.append(name)
            self.made.append(self.guests[name]())
            return self.made[-1]

        for past in (self.started, self.made, self.said):
            past.clear()
        trial.boot(wanted, self.image, start, limit=limit, cancel=cancel or threading.Event(), say=self.said.append)
        return self.started[-1]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """All three launchers may be tried, and every guest speaks."""
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(trial, "SILENCE", 0.05)
    made = Host(GuestImage(tmp_path / "image", "key"), dict.fromkeys(AUTO, spoke))
    monkeypatch.setattr(launchers, "refusal", lambda name, _image: made.refusals.get(name))
    return made


def failed(host: Host, wanted: str = "auto") -> LabctlError:
    with pytest.raises(LabctlError) as caught:
        host.up(wanted)
    assert all(guest.ended for guest in host.made)
    return caught.value


def test_the_first_that_works(host: Host) -> None:
    assert host.up() == "qemu-kvm"
    assert host.started == ["qemu-kvm"]
    assert host.said == []


def test_what_is_known_to_fail_is_not_started(host: Host) -> None:
    host.refusals = {"qemu-kvm": "there is no /dev/kvm"}
    assert host.up() == "uml"
    assert host.started == ["uml"]
    assert host.said == ["not qemu-kvm: there is no /dev/kvm"]


def test_uml_that_dies_makes_way_in_one_line(host: Host) -> None:
    host.refusals, host.guests["uml"] = {"qemu-kvm": "no"}, dead
    assert host.up() == "qemu-tcg"
    assert host.said[1:] == [f"uml: {DEAD}; going on with qemu-tcg, which is slower"]
    assert [guest.ended for guest in host.made] == [True, False]


@pytest.mark.parametrize("hung", ["qemu-kvm", "uml"])
def test_a_silent_guest_makes_way(host: Host, hung: str) -> None:
    host.guests[hung] = silent
    host.refusals = {} if hung == "qemu-kvm" else {"qemu-kvm": "no"}
    following = AUTO[AUTO.index(hung) + 1]
    assert host.up(limit=60) == following
    assert host.said[-1].startswith(f"{hung}: the guest said no word within 0 s (Linux version 6.12); going on with")
    assert host.made[0].ended


def test_the_last_failure_is_the_hosts(host: Host) -> None:
    host.refusals, host.guests = {"qemu-kvm": "no"}, {"uml": dead, "qemu-tcg": silent}
    error = failed(host)
    assert isinstance(error, HostError)
    assert error.exit_code == ExitCode.HOST
    assert error.message == "qemu-tcg: the guest said no word within 0 s (Linux version 6.12)"
    assert error.next_command == "labctl doctor"


def test_a_launcher_that_was_asked_for_has_no_successor(host: Host) -> None:
    host.refusals, host.guests["uml"] = {"qemu-kvm": "no"}, dead
    error = failed(host, "uml")
    assert error.exit_code == ExitCode.HOST
    assert (error.message, error.next_command) == (f"uml: {DEAD}", "labctl up … --launcher qemu-tcg")
    assert host.started == ["uml"]
    refused = failed(host, "qemu-kvm")
    assert refused.message == "no launcher can be used: qemu-kvm: no"
    assert refused.next_command == "labctl up … --launcher qemu-tcg"  # uml is known by now
    assert host.started == []


def test_nothing_can_be_tried(host: Host) -> None:
    host.refusals = dict.fromkeys(AUTO, "no")
    error = failed(host)
    assert error.message == "no launcher can be used: qemu-kvm: no; uml: no; qemu-tcg: no"
    assert (error.exit_code, error.next_command) == (ExitCode.HOST, "labctl doctor")


def test_a_boot_that_is_cancelled_says_nothing_about_its_launcher(host: Host) -> None:
    cancel = threading.Event()
    cancel.set()
    for guest in (silent, lambda: dead(code=-9)):  # whoever cancels may have ended it already
        host.guests["qemu-kvm"] = guest
        with pytest.raises(InconclusiveError, match="cancelled"):
            host.up(cancel=cancel)
    assert all(guest.ended for guest in host.made)
    assert trial.standing("qemu-kvm", host.image).tried is None


def test_a_death_is_remembered_until_something_changes(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.refusals, host.guests["uml"] = {"qemu-kvm": "no"}, dead
    host.up()
    assert host.up() == "qemu-tcg"
    assert host.started == ["qemu-tcg"]
    assert host.said[1].startswith(f"not uml: {DEAD} (on 20")
    monkeypatch.setattr(trial, "DAY", 0)
    assert host.up() == "qemu-tcg"  # a death is no matter of time
    assert host.started == ["qemu-tcg"]
    for change in (
        lambda: monkeypatch.setattr(host, "image", GuestImage(host.image.folder, "another")),
        lambda: monkeypatch.setattr(trial, "processor", lambda: "another"),
    ):
        change()
        host.up()
        assert host.started == ["uml", "qemu-tcg"]


@pytest.mark.parametrize("guest", [silent, lambda: dead(code=-9)])
def test_what_a_busy_machine_may_have_done_is_forgotten(
    host: Host, monkeypatch: pytest.MonkeyPatch, guest: Callable[[], Scripted]
) -> None:
    """A guest in time-out, or killed from outside: the host may have had no memory."""
    host.guests["qemu-kvm"] = guest
    host.up()
    host.guests["qemu-kvm"] = spoke
    assert host.up() == "uml"
    assert host.started == ["uml"]
    monkeypatch.setattr(trial, "DAY", 0)
    assert host.up() == "qemu-kvm"


def test_one_that_has_worked_is_given_all_the_time_there_is(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the next launcher would be slower still."""
    host.up()
    monkeypatch.setattr(trial, "SILENCE", 0.0)
    asked = iter([False] * 5 + [True] * 5)
    monkeypatch.setattr(Scripted, "answers", lambda _self: next(asked))
    assert host.up(limit=60) == "qemu-kvm"


def test_a_death_of_one_that_has_worked_is_forgotten(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place of its memory was full, say."""
    host.up()
    host.guests["qemu-kvm"] = dead
    assert host.up() == "uml"
    assert host.up() == "uml"
    assert host.started == ["uml"]
    host.guests["qemu-kvm"] = spoke
    monkeypatch.setattr(trial, "DAY", 0)
    assert host.up() == "qemu-kvm"


def test_asking_for_a_launcher_tries_it_again(host: Host) -> None:
    host.refusals, host.guests["uml"] = {"qemu-kvm": "no"}, dead
    host.up()
    host.guests["uml"] = spoke
    assert host.up("uml") == "uml"
    assert host.up() == "uml"  # and the new verdict holds


def test_what_failed_is_tried_again_when_it_is_all_there_is(host: Host) -> None:
    host.guests = dict.fromkeys(AUTO, dead)
    failed(host)
    failed(host)
    assert host.started == list(AUTO)
    host.guests["qemu-tcg"] = spoke
    assert host.up() == "qemu-tcg"


def test_a_cache_that_is_only_read_keeps_no_verdicts_but_the_state_does(host: Host, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder: nothing can be written into it")
    host.refusals, host.guests["uml"] = {"qemu-kvm": "no"}, dead
    host.up()
    host.up()
    assert host.started == ["qemu-tcg"]
    assert (tmp_path / "state" / trial.NAME).is_file()


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"a": 1}', '[{"lasting": true}]', '[{"lasting": false, "when": "x"}]']
)
def test_a_file_of_verdicts_that_is_broken_is_none(host: Host, tmp_path: Path, text: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / trial.NAME).write_text(text)
    assert host.up() == "qemu-kvm"
    assert trial.standing("qemu-kvm", host.image).tried is not None


def test_verdicts_of_other_hosts_stay(host: Host, tmp_path: Path) -> None:
    host.up()
    file = tmp_path / "cache" / trial.NAME
    (row,) = json.loads(file.read_text())
    file.write_text(json.dumps([{**row, "kernel": "another", "when": time.time()}]))
    host.up()
    assert len(json.loads(file.read_text())) == 2


def test_standing_in_words(host: Host) -> None:
    assert trial.standing("uml", host.image).sentence == "not tried here"
    host.refusals = {"qemu-kvm": "there is no /dev/kvm"}
    assert trial.standing("qemu-kvm", host.image).sentence == "cannot be used: there is no /dev/kvm"
    host.up()
    assert trial.standing("uml", host.image).sentence.startswith("can be used: a guest booted on 20")
    host.guests["uml"] = dead
    failed(host, "uml")
    assert trial.standing("uml", host.image).sentence.startswith(f"cannot be used: {DEAD} (on 20")


@pytest.mark.parametrize(
    ("console", "line"),
    [
        (AMX_PANIC, "ptrace set fp regs failed, errno = 14"),
        (
            "[    0.51] Kernel panic - not syncing: VFS: Unable to mount root fs",
            "Kernel panic - not syncing: VFS: Unable",
        ),
        (
            "qemu-system-x86_64: failed to initialize kvm: Permission denied\n",
            "qemu-system-x86_64: failed to initialize",
        ),
        ("hello\n[<6004946e>] userspace+0x100\nRIP: 0033:[<00000000600>]\n60e3f2a0 00000000 60046c6a\n", "hello"),
        ("Killed\n", "Killed"),
        ("mmapper_init - find_iomem failed\nKernel panic - not syncing: No init found.\n", "Kernel panic"),
        ("\n [<6004946e>] userspace+0x100/0x4f2\n", ""),
        ("", ""),
    ],
)
def test_the_telling_line(console: str, line: str) -> None:
    assert trial.telling_line(console).startswith(line)
    assert bool(trial.telling_line(console)) == bool(line)


def test_a_guest_without_a_word_leaves_its_exit_code(host: Host) -> None:
    host.guests["qemu-kvm"] = lambda: dead("", code=-11)
    host.up()
    assert "the guest died while booting (ended by signal 11)" in host.said[0]


# --- what is refused without a boot -----------------------------------------------------------------------------------


def auxv(path: Path, size: int) -> Path:
    path.write_bytes(struct.pack("@6L", 33, 1, 51, size, 0, 0))
    return path


def test_a_processor_with_amx_has_too_many_registers(tmp_path: Path) -> None:
    assert uml.too_many(auxv(tmp_path / "a", 11952))
    assert not uml.too_many(auxv(tmp_path / "b", 3632))
    assert not uml.too_many(auxv(tmp_path / "c", 3640))


def test_an_unpatched_uml_is_refused_where_it_would_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uml, "memory_folder", lambda: (tmp_path, None))
    image = GuestImage(tmp_path, "key")
    for amx, manifest, refused in (
        (True, None, False),  # no image yet: the one that comes will be patched
        (True, {"uml_writes_all": True}, False),
        (True, {"uml_writes_all": False}, True),
        (True, {}, True),
        (False, {"uml_writes_all": False}, False),
    ):
        monkeypatch.setattr(uml, "too_many", lambda amx=amx: amx)
        if manifest is not None:
            (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        assert ("registers" in (launchers.refusal("uml", image) or "")) == refused


def test_kvm_without_a_boot(tmp_path: Path) -> None:
    device, cpuinfo = tmp_path / "kvm", tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu svm_lock\n\nflags\t\t: fpu\n")
    assert qemu.kvm_refusal(device, cpuinfo) == f"there is no {device}"
    device.touch()
    assert "offers no hardware virtualization" in (qemu.kvm_refusal(device, cpuinfo) or "")
    for flag in ("vmx", "svm"):
        cpuinfo.write_text(f"vendor_id\t: x\nflags\t\t: fpu {flag} sse\n")
        assert qemu.kvm_refusal(device, cpuinfo) is None
