"""Where a lab lives: folders, the lock, the record that stays."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from labctl.errors import UsageError
from labctl.state import LabState, all_labs, lab_state, prune, records, records_root, state_root


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def test_place_of_a_lab(root: Path) -> None:
    assert state_root() == root / "state"
    assert lab_state("paper").root == root / "state" / "labs" / "paper"


@pytest.mark.parametrize("name", ["", "a", "-a", "a-", "A1", "a b", "../x", "a/b", "x" * 33])
def test_bad_names(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        lab_state(name)
    assert caught.value.code == "bad-lab-name"


def test_folders_are_the_owners_alone() -> None:
    lab = lab_state("paper")
    assert not lab.exists
    lab.make()
    assert lab.exists
    for path in (lab.root, lab.secrets, lab.logs, lab.evidence):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_one_labctl_at_a_time() -> None:
    lab = lab_state("paper")
    with lab.lock():
        with pytest.raises(UsageError) as caught, lab.lock():
            pass
        assert caught.value.code == "lab-locked"
        assert caught.value.next_command == "labctl status paper"
        with lab_state("other").lock():
            pass
    with lab.lock():
        pass


def test_the_lock_is_free_after_an_error() -> None:
    lab = lab_state("paper")
    with pytest.raises(ValueError, match="inside"), lab.lock():
        raise ValueError("inside")
    with lab.lock():
        pass


def test_labs_by_name_and_nothing_else(root: Path) -> None:
    assert all_labs() == []
    for name in ("zeta", "alpha"):
        lab_state(name).make()
    (root / "state" / "labs" / "Not A Lab").mkdir()
    (root / "state" / "labs" / "file").write_text("")
    assert [lab.name for lab in all_labs()] == ["alpha", "zeta"]


def record(lab: LabState) -> Path | None:
    lab.make()
    lab.journal.write_text("{}\n")
    return lab.keep_record()


def test_journal_and_evidence_stay(root: Path) -> None:
    lab = lab_state("paper")
    lab.make()
    (lab.evidence / "ping.pcap").write_bytes(b"x")
    kept = record(lab)
    assert kept is not None
    assert sorted(path.name for path in kept.iterdir()) == ["evidence", "journal.jsonl"]
    assert not lab.journal.exists()


def test_two_records_of_one_second_do_not_mix(root: Path) -> None:
    lab = lab_state("paper")
    first, second = record(lab), record(lab)
    assert first is not None
    assert second is not None
    assert first != second


def test_records_are_in_the_state_folder_the_newest_first(root: Path) -> None:
    kept = [record(lab_state(name)) for name in ("paper", "other")]
    assert {one.folder for one in records()} == set(kept)
    assert [one.lab for one in records("paper")] == ["paper"]
    assert all(root / "state" / "runs" in one.folder.parents for one in records())
    assert records()[0].ended == pytest.approx(time.time(), abs=60)


def test_the_newest_twenty_of_a_lab_are_kept_and_none_for_longer_than_a_month() -> None:
    now = 1_790_000_000.0
    for lab, ages in (("many", range(25)), ("old", (29, 31, 400)), ("gone", (40,))):
        for days in ages:
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now - days * 86400))
            (records_root() / lab / stamp).mkdir(parents=True)
    (records_root() / "many" / "a-note").mkdir()
    prune(now)
    assert len(records("many")) == 20
    assert records("many")[-1].ended == now - 19 * 86400
    assert [round((now - one.ended) / 86400) for one in records("old")] == [29]
    assert records("gone") == []
    assert (records_root() / "many" / "a-note").is_dir(), "nothing of ours"


def test_nothing_to_keep(root: Path) -> None:
    lab = lab_state("paper")
    lab.make()
    assert lab.keep_record() is None
    assert records() == []


def test_removing_twice_is_fine() -> None:
    lab = lab_state("paper")
    lab.make()
    lab.remove()
    lab.remove()
    assert not lab.exists
