"""Whether a host let the lab work: figures as they were recorded on two processors, and the reader of /proc."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labctl.host import Load, Look, between, look, overloaded

QUIET = Load(120.0, 0.2, 0.7, 0.0, 0.3, 0.2, 8.0)
"""A sabotaged lab that is waited for: little to do, the rounds of questions apart."""
BOOTING = Load(8.4, 1.0, 0.0, 0.0, 0.48, 0.45, 2.9)
"""The lab's own load and little else: control plane, front ends and guest at once."""
EIGHT = Load(120.763, 0.937, 0.002, 0.001, 0.654, 0.163, 37.136)
"""A port-channel shut by hand beside eight busy programs: everything else passed within 6 s."""
MANY = Load(91.153, 0.997, 0.0, 0.002, 0.771, 0.114, 35.089)
"""A pod that was Pending for 90 s beside 28."""
CONTAINERS = Load(120.0, 0.6, 0.3, 0.0, None, None, None)


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (QUIET, None),
        (BOOTING, None),
        (EIGHT, None),
        (MANY, "the guest waited 77% of the time for a processor"),
        (replace(MANY, seconds=2.0, guest_lost=1.6), None),
        (replace(QUIET, stolen=0.4, seconds=0.2), None),
        (replace(QUIET, stolen=0.4), "other machines took 40% of its processors"),
        (CONTAINERS, None),
        (replace(CONTAINERS, pressure=0.99), None),
        (replace(CONTAINERS, pressure=0.99, idle=0.0), "programs waited 99% of the time for a processor, 0% was idle"),
        (replace(CONTAINERS, pressure=None, idle=0.0), None),
    ],
)
def test_overloaded(load: Load, why: str | None) -> None:
    assert overloaded(load) == why


def proc(
    root: Path, *, psi: str | None = "some avg10=9.00 avg60=8.00 avg300=4.00 total=2500000\nfull avg10=0.00\n"
) -> Path:
    tasks = root / "4711" / "task"
    for number, text in (("4711", "1500000000 3000000000 12"), ("4712", "500000000 1000000000 7")):
        (tasks / number).mkdir(parents=True)
        (tasks / number / "schedstat").write_text(f"{text}\n")
    (root / "stat").write_text("cpu  100 2 30 400 5 0 6 70 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")
    if psi is not None:
        (root / "pressure").mkdir()
        (root / "pressure" / "cpu").write_text(psi)
    return root


def test_what_proc_says(tmp_path: Path) -> None:
    found = look(4711, proc(tmp_path))
    assert replace(found, at=0.0) == Look(0.0, 2.5, 405, 70, 613, 2.0, 4.0)
    ended = look(99, tmp_path)
    assert (ended.ran, ended.waited) == (None, None)
    assert look(None, tmp_path).ran is None


def test_a_kernel_without_psi(tmp_path: Path) -> None:
    assert look(None, proc(tmp_path, psi=None)).pressure is None


def test_between_two_looks() -> None:
    first = Look(100.0, 2.5, 400, 70, 600, 2.0, 4.0)
    load = between(first, Look(110.0, 12.0, 450, 120, 800, 4.0, 10.0))
    assert load == Load(10.0, 0.95, 0.25, 0.25, 0.75, 0.2, 6.0)
    assert load.as_json()["guest_waited"] == 0.75
    nothing = between(first, replace(first, pressure=None, ran=None))
    assert (nothing.pressure, nothing.guest_waited, nothing.guest_share, nothing.guest_lost) == (None,) * 4


def test_this_host() -> None:
    first = look(None)
    assert 0 <= between(first, look(None)).idle <= 1
