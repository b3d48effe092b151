"""What was done to a lab, line by line."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from labctl.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def test_entries_come_back_in_order(journal: Journal) -> None:
    journal.step("create", "started")
    journal.write("change", "link", "made", interface="eth1")
    entries = list(journal.entries())
    assert [(entry.kind, entry.name, entry.state) for entry in entries] == [
        ("step", "create", "started"), ("change", "link", "made"),
    ]  # fmt: skip
    assert entries[1].data == {"interface": "eth1"}
    assert entries[0].time > 1_700_000_000


def test_nothing_was_written(journal: Journal) -> None:
    assert list(journal.entries()) == []
    assert journal.done_steps() == set()


def test_it_is_the_owners_alone_and_json_by_line(journal: Journal) -> None:
    journal.step("create", "done", seconds=1.5)
    assert journal.path.stat().st_mode & 0o777 == 0o600
    (line,) = journal.path.read_text().splitlines()
    row = json.loads(line)
    assert {key: row[key] for key in ("entry", "name", "state", "seconds")} == {
        "entry": "step", "name": "create", "state": "done", "seconds": 1.5,
    }  # fmt: skip


def test_a_half_written_last_line_is_passed_over(journal: Journal) -> None:
    journal.step("create", "done")
    with journal.path.open("a") as handle:
        handle.write('{"entry": "step", "na')
    assert journal.done_steps() == {"create"}
    journal.step("push", "done")
    assert journal.done_steps() == {"create", "push"}, "what follows the crash is not lost with the half line"


@pytest.mark.parametrize("line", ["5", "[]", "null", '"text"', '{"time": "soon"}', '{"time": null}'])
def test_a_line_that_is_no_entry_is_passed_over(journal: Journal, line: str) -> None:
    journal.step("create", "done")
    with journal.path.open("a") as handle:
        handle.write(f"{line}\n")
    assert journal.done_steps() == {"create"}


def test_done_is_what_was_done_last(journal: Journal) -> None:
    for name, state in (
        ("create", "started"), ("create", "done"), ("push", "started"), ("push", "done"), ("push", "started"),
        ("push", "failed"), ("apply", "started"),
    ):  # fmt: skip
        journal.write("step", name, state)
    assert journal.done_steps() == {"create"}


def test_new_nodes_forget_what_was_done_to_the_old_ones(journal: Journal) -> None:
    for name in ("create", "push"):
        journal.step(name, "started")
        journal.step(name, "done")
    journal.step("create", "started")
    assert journal.done_steps() == set()


def test_lines_of_many_threads_stay_whole(journal: Journal) -> None:
    threads = [
        threading.Thread(target=lambda name=str(n): [journal.step(name, "done", text="x" * 500) for _ in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(journal.entries())) == 80
