"""A session with the stand-in switches of a lab is recorded, and a scripted switch answers from the recording."""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.engine.saving import Recording, record, save_all, write
from labctl.engine.switches import trouble
from labctl.errors import ExitCode, InconclusiveError, RejectedError, UsageError
from labctl.folder import Folder, load_folder
from labctl.nxos.push import push
from labctl.nxos.session import NxosSession, SwitchUnreachable, Tap
from labctl.parallel import raise_all
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.platform import SwitchIdentity
from labctl.standin.switch.shell import Device
from labctl.standin.switch.shows.table import TABLE, show
from labctl.standin.switch.sshd import SshServer
from tests.scripted_switch import Replay, switch

SECRET = "S3cretOfTheLab"


class Box:
    """A platform without a machine: it has ports and modules, and nothing runs on it."""

    patterns = tuple(row.pattern for row in TABLE)
    model = None

    def __init__(self, name: str, ports: tuple[str, ...]) -> None:
        self.identity = SwitchIdentity(name, name, {port: f"eth{number}" for number, port in enumerate(ports, 1)})

    def apply(self, tree: object) -> list[str]:
        return []

    def show(self, words: tuple[str, ...], *, as_json: bool) -> str:
        source: Any = self
        body: dict[str, Any] = {}
        if words == ("module",):
            body = json.loads(show(source, words, as_json=True))
        if words == ("interface", "brief"):
            body = {"TABLE_interface": {"ROW_interface": [{"interface": port} for port in self.identity.interfaces]}}
        if words == ("version",):
            body = {"proc_board_id": SECRET}
        return json.dumps(body) if as_json else f"Processor Board ID {SECRET}\n" if words == ("version",) else ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    target = Target("standin", "standin")
    path = tmp_path_factory.mktemp("folder")
    write_folder(render_folder(design(loads("lab.yaml", "name: lab\n"), target)), path)
    config = path / "nxos" / "spine1.cfg"
    config.write_text(config.read_text() + "router bgp 65102\n  neighbor 10.9.9.9\n    remote-as 65102\n")
    return load_folder(path)


class Lab:
    """An SSH server for each switch of the folder."""

    def __init__(self, folder: Folder) -> None:
        key = paramiko.ECDSAKey.generate()
        self.devices: dict[str, Device] = {}
        self.servers: dict[str, SshServer] = {}
        for name in folder.lab.switches:
            box: Any = Box(name, folder.lab.interfaces(name))
            self.devices[name] = Device(RunningConfig(name), box)
            self.servers[name] = SshServer(self.devices[name], ("127.0.0.1", 0), key, ("admin", "secret", "none none"))
            threading.Thread(target=self.servers[name].serve, daemon=True).start()

    def login(self, name: str, tap: Tap | None = None) -> NxosSession:
        return NxosSession("127.0.0.1", self.servers[name].port, "admin", "secret", name=name, tap=tap, timeout=5)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()


@pytest.fixture
def lab(folder: Folder) -> Iterator[Lab]:
    lab = Lab(folder)
    yield lab
    lab.stop()


@pytest.fixture
def recording(folder: Folder, lab: Lab) -> Recording:
    return record(folder, lab.login, push_again=True)


def test_every_line_that_labctl_sends_is_in_it(folder: Folder, recording: Recording) -> None:
    assert recording.wrong == {}
    assert recording.body["schema"] == "labctl.record/v1"
    assert [row["name"] for row in recording.body["switches"]] == list(folder.lab.switches)
    leaf = next(row for row in recording.body["switches"] if row["role"] == "leaf")
    by_phase: dict[str, list[str]] = {}
    for row in leaf["exchanges"]:
        by_phase.setdefault(row["phase"], []).append(row["command"])
    assert by_phase["login"] == ["terminal length 0", "terminal width 511", "terminal dont-ask"]
    assert by_phase["gates"] == ["show module | json", "show interface brief | json"]
    assert by_phase["checks"][:3] == ["show version", "show module", "show interface brief"]
    for command in ("show vpc brief", "show bgp l2vpn evpn summary", "show ip bgp summary vrf vrf-001"):
        assert {command, f"{command} | json"} <= set(by_phase["checks"])
    assert by_phase["push"][0] == "configure terminal"
    assert by_phase["push"][-2:] == ["copy running-config startup-config", "show running-config"]
    assert "feature bgp" in by_phase["push"]
    assert all(row["seconds"] >= 0 and row["prompt"].startswith(leaf["name"]) for row in leaf["exchanges"])


def test_it_can_be_replayed(recording: Recording) -> None:
    """Through JSON, as it comes in from a person."""
    for row in json.loads(json.dumps(recording.body))["switches"]:
        with switch(Replay(row)) as server:
            session = NxosSession("127.0.0.1", server.port, "admin", "admin", name=row["name"], window=1, timeout=5)
            assert trouble(session, row["ports"]) is None
            result = push(session, f"nxos/{row['name']}.cfg", row["configuration"], timeout=30)
            session.close()
        assert result.ok, result.problems()
        assert result.lines > 10


def test_a_line_that_is_not_in_it_fails_the_test_that_replays(recording: Recording) -> None:
    with pytest.raises(AssertionError, match="the transcript has no 'show clock'"):
        _ask_for_the_time(recording)


def _ask_for_the_time(recording: Recording) -> None:
    with switch(Replay(recording.body["switches"][0])) as server:
        session = NxosSession("127.0.0.1", server.port, "admin", "admin", timeout=5)
        with pytest.raises(SwitchUnreachable):
            session.show("show clock", timeout=2)


def test_what_is_secret_is_not_in_it(recording: Recording, tmp_path: Path) -> None:
    path = write(recording, tmp_path / "lab-record.tar.gz")
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        names = archive.getnames()
        texts = [archive.extractfile(name).read().decode() for name in names]  # type: ignore[union-attr]
    assert names == ["lab-record/transcript.json", "lab-record/README.md"]
    assert not any(SECRET in text for text in texts)
    assert "- serial: " in texts[1]
    assert "Phases: login, gates, checks, push." in texts[1]


def test_as_a_folder_and_never_over_what_is_there(recording: Recording, tmp_path: Path) -> None:
    path = write(recording, tmp_path / "record")
    assert sorted(file.name for file in path.iterdir()) == ["README.md", "transcript.json"]
    with pytest.raises(UsageError, match="is there already"):
        write(recording, path)


def test_a_switch_that_is_gone_is_told_and_the_others_are_recorded(folder: Folder, lab: Lab) -> None:
    def login(name: str, tap: Tap) -> NxosSession:
        if name == "spine1":
            raise SwitchUnreachable("spine1: Connection refused")
        return lab.login(name, tap)

    found = record(folder, login, push_again=False)
    assert list(found.wrong) == ["spine1"]
    lines = {row["name"]: len(row["exchanges"]) for row in found.body["switches"]}
    assert lines.pop("spine1") == 0
    assert min(lines.values()) > 5
    assert "read-back" in {row["phase"] for switch in found.body["switches"] for row in switch["exchanges"]}
    with pytest.raises(InconclusiveError, match="spine1: Connection refused"):
        raise_all(found.wrong)


def test_save(folder: Folder, lab: Lab, tmp_path: Path) -> None:
    target = tmp_path / "configs"
    target.mkdir()
    (target / "spine1.cfg").write_text("old\n")
    saved = save_all(folder.lab.switches, lab.login, target)
    assert list(saved) == list(folder.lab.switches)
    for name, (file, lines) in saved.items():
        assert file.stat().st_mode & 0o777 == 0o600
        assert f"hostname {name}\n" in file.read_text()
        assert lines == len(file.read_text().splitlines())
        assert lab.devices[name].config.startup is not None


def test_save_tells_all_that_went_wrong_at_once(folder: Folder, lab: Lab, tmp_path: Path) -> None:
    first, second, *rest = folder.lab.switches

    def silent(name: str) -> NxosSession:
        if name in (first, second):
            raise SwitchUnreachable(f"{name}: Connection refused")
        return lab.login(name)

    with pytest.raises(InconclusiveError) as caught:
        save_all(folder.lab.switches, silent, tmp_path)
    assert f"{first}: Connection refused; {second}: Connection refused" in caught.value.message
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(rest), "the others are saved"

    class Full(NxosSession):
        def ask(self, line: str, *, timeout: float = 30.0) -> str:
            answer = super().ask(line, timeout=timeout)
            return "Configuration update aborted: disk full\n" if line.startswith("copy ") else answer

    def mixed(name: str) -> NxosSession:
        if name == first:
            raise SwitchUnreachable(f"{name}: Connection refused")
        return Full("127.0.0.1", lab.servers[name].port, "admin", "secret", name=name, timeout=5)

    with pytest.raises(RejectedError) as refused:
        save_all((first, second), mixed, tmp_path)
    assert refused.value.exit_code == ExitCode.FAILED
    assert [problem.code for problem in refused.value.problems] == ["switch-unreachable", "not-saved"]
    assert "disk full" in refused.value.problems[1].message
