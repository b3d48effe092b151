"""``labctl setup`` and ``labctl doctor`` as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.setup import parts as building
from labctl.setup.parts import parts

Run = Callable[..., Any]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """The cache of `run`, with both parts made up and whole."""
    cache = tmp_path / "cache"
    for part in parts(cache):
        part.folder.mkdir(parents=True)
        for name in part.files:
            (part.folder / name).write_bytes(name.encode() * 50)
            (part.folder / name).chmod(0o755)
        part.write_manifest(part.folder, "made up", 1700000000)
    return cache


@pytest.fixture
def builders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes which builders are asked, and builds nothing."""
    asked: list[str] = []
    monkeypatch.setattr(building, "build_image", lambda *_: asked.append("image"))
    monkeypatch.setattr(building, "bring_binaries", lambda *_: asked.append("binaries"))
    monkeypatch.setattr(building, "try_host", lambda *_: asked.append("boot"))
    return asked


@pytest.mark.parametrize("words", [("setup",), ("setup", "build")])
def test_setup_alone_builds(run: Run, filled: Path, builders: list[str], words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.code, done.err) == (0, "")
    assert builders == ["boot"]
    assert [line.split("   ")[0] for line in done.out.splitlines()] == ["PART", "guest image", "control plane"]
    assert done.out.count("was there already") == 2


def test_build_as_json(run: Run, filled: Path, builders: list[str]) -> None:
    rows = json.loads(run("setup", "build", "--json").out)
    assert [(row["part"], row["state"], row["brought"]) for row in rows] == [
        ("guest image", "whole", False),
        ("control plane", "whole", False),
    ]


def test_status_of_nothing(run: Run) -> None:
    done = run("setup", "status")
    assert done.code == 0
    assert done.out.count("missing") == 2
    assert "qemu-tcg: " in done.out
    assert done.out.endswith("next: labctl setup\n")
    assert json.loads(run("setup", "status", "--json").out)["ready"] is False


def test_status(run: Run, filled: Path) -> None:
    done = run("setup", "status")
    assert done.out.count("whole") == 2
    assert "next:" not in done.out
    body = json.loads(run("setup", "status", "--full", "--json").out)
    assert body["ready"] is True
    assert body["compared"] == "hashes"
    assert body["parts"][0]["made"] == "2023-11-14T22:13:20Z"


def test_full_status_sees_more(run: Run, filled: Path) -> None:
    path = parts(filled)[0].folder / "initrd"
    path.write_bytes(path.read_bytes()[::-1])
    assert json.loads(run("setup", "status", "--json").out)["ready"] is True
    done = run("setup", "status", "--full")
    assert "guest image: initrd is not what was built" in done.out


def test_export_and_import(run: Run, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("setup", "export", "b.tar.gz")
    assert done.code == 0
    assert "packing root.ext4" in done.err
    assert done.out.startswith("guest image: exported\ncontrol plane: exported\nb.tar.gz: 1 MB")
    assert run("setup", "export", "b.tar.gz").code == 2
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "other"))
    body = json.loads(run("setup", "import", "b.tar.gz", "--json").out)
    assert body["parts"] == {"guest image": "imported", "control plane": "imported"}
    assert json.loads(run("setup", "status", "--full", "--json").out)["ready"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("import", "nothing.tar"), 2, "does not exist"),
        (("import", "."), 2, "is a directory"),
        (("import", "junk"), 2, "[bad-bundle]"),
        (("import",), 2, "missing argument"),
        (("export", "b.tar"), 4, "[setup-incomplete]"),
        (("export", "no/b.tar"), 2, "[no-such-folder]"),
        (("bogus",), 2, "no such command"),
    ],
)
def test_bad_input(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    Path("junk").write_text("junk")
    done = run("setup", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


def test_doctor_of_a_host_without_image(run: Run) -> None:
    done = run("doctor")
    assert done.code == 4
    assert done.err == ""
    assert "guest-image: labctl setup\n" in done.out
    assert "the embedded runtime cannot run here (" in done.out
    again = run("doctor", "--json")
    assert again.code == 4
    body = json.loads(again.out)
    assert body["can_run"] is False
    row = next(row for row in body["findings"] if row["id"] == "control-plane")
    assert row == {"id": "control-plane", "severity": "error", "sentence": "missing", "fix": "labctl setup"}


def test_doctor_exit_code_is_the_findings(run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labctl.doctor import facts

    monkeypatch.setattr(facts, "_launcher", lambda name, _: facts.LauncherFact(name, None, "now"))
    monkeypatch.setattr(facts, "memory_free", lambda: 1 << 40)
    monkeypatch.setattr(facts, "RUN_TOOLS", ())
    monkeypatch.setattr(facts.platform, "machine", lambda: "x86_64")
    done = run("doctor", "--json")
    assert json.loads(done.out)["launcher"] == "qemu-kvm"
    assert done.code == 0
    monkeypatch.setattr(facts, "_launcher", lambda name, _: facts.LauncherFact(name, "no"))
    assert run("doctor").code == 4
