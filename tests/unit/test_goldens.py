"""Golden files are read by some test each, and an update says in few lines what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.goldens import LINES, Goldens


def kept(root: Path, files: dict[str, str]) -> Goldens:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Goldens(root, update=True)


def test_what_an_update_did_is_told_by_folder(tmp_path: Path) -> None:
    golden = kept(tmp_path, {"a/b/one": "1\n2\n", "a/b/two": "1\n2\n", "a/c/three": "x\n", "d/same": "x\n"})
    golden("a/b/one", "1\n3\n")
    golden("a/b/two", "0\n1\n")
    golden("a/c/three", "x\ny\nz\n")
    golden("a/c/four", "new\n")
    golden("d/same", "x\n")
    assert golden.told() == ["a/b: 2 changed (+1 -1 each)", "a/c: 1 changed (+2 -0 each), 1 added"]
    golden("a/b/two", "")
    golden.none("d/same")
    assert golden.told()[0] == "a/b: 2 changed (+1 -2 at most)"
    assert golden.told()[2] == "d: 1 removed"
    assert golden.names() == {"a/b/one", "a/b/two", "a/c/three", "a/c/four"}


@pytest.mark.parametrize("name", ["a/x{}/y", "a/b/x{}/y", "x{}/y"])
def test_it_is_never_told_in_more_lines_than_one_reads(name: str, tmp_path: Path) -> None:
    golden = Goldens(tmp_path, update=True)
    for number in range(30):
        golden(name.format(number), "x\n")
    told = golden.told()
    assert 1 <= len(told) <= LINES
    assert told[-1] in {"a: 30 added", "a/b: 30 added", "and 21 more folders"}


def test_without_an_update_nothing_is_written(tmp_path: Path) -> None:
    golden = kept(tmp_path, {"a": "x\n"})
    golden.update = False
    golden("a", "x\n")
    golden.none("b")
    for check in (lambda: golden("a", "y\n"), lambda: golden("b", ""), lambda: golden.none("a")):
        with pytest.raises(AssertionError, match="--update-golden"):
            check()
    assert golden.names() == {"a"}
    assert golden.told() == []


def test_every_golden_file_is_read_by_some_test(
    golden: Goldens, unread: set[str], request: pytest.FixtureRequest
) -> None:
    """The last test of a run of all of tests/unit."""
    missing = unread - {request.node.nodeid}
    if missing:
        pytest.skip(f"{len(missing)} tests with a golden file have not passed: {min(missing)}")
    for name in golden.names() - golden.read:
        golden.none(name)
