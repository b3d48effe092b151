"""A full disk, a missing right, a path that is none: a sentence with the path, and never "labctl broke"."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.cli.verbs import write as write_verbs
from labctl.troubles import told
from tests.unit.cli.conftest import Here, Run


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space is left on its disk [host-full]"),
        (errno.EDQUOT, "your quota on its disk is used up [host-full]"),
        (errno.EROFS, "its file system is read-only [host-read-only]"),
        (errno.EACCES, "has no right to do this [host-no-right]"),
        (errno.EPERM, "has no right to do this [host-no-right]"),
    ],
)
def test_what_the_host_refuses_is_4_with_the_path(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def write(self: Path, *_text: str, **_more: str) -> int:
        raise OSError(number, os.strerror(number))  # a write's error names no file

    monkeypatch.setattr(Path, "write_text", write)
    done = run("generate", "minimal", "-o", "out")
    assert done.code == 4
    assert done.err.splitlines()[1].startswith("error: out/")
    assert message in done.err
    assert "broke" not in done.err


def test_a_folder_without_rights(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    # root may write anywhere until it gives that up
    bound = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*bound, sys.executable, "-m", "labctl", "generate", "minimal", "-o", "locked/out"],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, "error: locked/out: user " in done.stderr) == (4, True), done.stderr
    assert "has no right to do this [host-no-right]" in done.stderr
    assert f"hint: {tmp_path / 'locked'} belongs to " in done.stderr
    assert "mode 0500" in done.stderr


@pytest.mark.parametrize("arguments", [("init", "-"), ("list", "--json"), ("figures",), ("graph", "whitepaper")])
def test_standard_output_on_a_full_disk(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "labctl", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            timeout=60, env={**os.environ, "LABCTL_STATE_DIR": str(tmp_path)},
        )  # fmt: skip
    assert done.returncode == 4
    assert "error: standard output: no space is left on its disk [host-full]" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    done = subprocess.Popen(
        [sys.executable, "-m", "labctl", "graph", "minimal"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert done.stdout is not None
    done.stdout.close()
    _, errors = done.communicate(timeout=60)
    assert (done.returncode, errors.count("\n")) == (0, 1), errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("graph", "minimal", "-o", "no/x.svg"), "there is no no/x.svg"),
        (("generate", "minimal", "-o", "file/out"), "file/out: a part of this path is no folder"),
        (("init", "no/such/lab.yaml"), "there is no no/such"),
    ],
)
def test_a_path_that_was_typed_and_is_none_is_2(run: Run, arguments: tuple[str, ...], message: str) -> None:
    Path("file").write_text("")
    done = run(*arguments)
    assert (done.code, f"{message} [bad-path]" in done.err) == (2, True), done.err


def test_a_file_that_nobody_named_is_our_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_arguments: object) -> None:
        Path("/nowhere/ours").read_text()

    monkeypatch.setattr(write_verbs, "image_wishes", lost)
    done = run("generate", "minimal")
    assert (done.code, "labctl broke: FileNotFoundError" in done.err) == (5, True)


def test_a_pipe_of_the_lab_that_breaks_is_not_taken_for_a_reader(
    run: Run, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> str:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(here, "logs", broken)
    done = run("logs", "whitepaper")
    assert (done.code, "closed its connection" in done.err) == (5, True)


def test_what_is_neither_is_left_alone() -> None:
    assert told(OSError(errno.EIO, "I/O error", "/x"), ["/x"]) is None
