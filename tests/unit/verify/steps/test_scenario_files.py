"""Scenario files: what is wrong is said at once, with places; what is right becomes steps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import SpecError, UsageError
from labctl.folder import load_folder
from labctl.verify import scenarios
from labctl.verify.inputs import load_checks
from labctl.verify.steps.load import load_scenario, loads
from labctl.verify.steps.model import Capture, Expect, Fault, Heal, Stop, Traffic
from tests.unit.verify.conftest import FOLDER

HEAD = "schema: labctl.scenario/v1\nname: mine\nsteps:\n"
PODS = "  - traffic: {name: pods, from: {pod: app=pingtest, node: node01}, to: {pod: app=pingtest, node: node02}}\n"
LOSS = "  - expect: {name: loss, loss: {of: pods, ms: 100}}\n"
UP = "  - expect: {name: up, sessions: {are: up}}\n"


def problems(whitepaper: Any, text: str) -> list[tuple[int, str, str, str | None]]:
    """(line, the word at the place, code, hint) of each."""
    with pytest.raises(SpecError) as caught:
        loads("mine.yaml", text, *whitepaper)
    found = []
    for row in caught.value.problems:
        assert row.place is not None
        word = re.match(r"[^\s:,}]*", text.splitlines()[row.place.line - 1][row.place.column - 1 :])
        assert word is not None
        found.append((row.place.line, word[0], row.code, row.hint))
    return found


def test_every_kind_of_step(whitepaper: Any) -> None:
    text = HEAD + PODS + (
        "  - capture: {name: cap, at: leaf2101, interface: port-channel11, filter: tcp}\n"
        "  - fault: {name: cut, unplug: {node: node01, interface: eth1}}\n"
        "  - heal: cut\n"
        "  - fault: {name: again, shutdown: {switch: leaf2101, interface: [Ethernet1/1, Ethernet1/2]}}\n"
        "  - heal: all\n"
        "  - stop: cap\n"
        "  - expect: {name: cap-seen, packets: {of: cap, source: 10.0.0.1, target: 10.0.0.2, at_least: 1}}\n"
    ) + LOSS  # fmt: skip
    found = loads("mine.yaml", text, *whitepaper)
    kinds = [type(step) for step in found.steps]
    assert kinds == [Traffic, Capture, Fault, Heal, Fault, Heal, Stop, Expect, Expect]
    assert found.title == "mine"


def test_all_problems_at_once_with_their_places(whitepaper: Any) -> None:
    text = (
        "schema: labctl.scenario/v2\n"
        "name: Mine\n"
        "tittle: x\n"
        "steps:\n"
        "  - traffic: {name: pods, from: node09, to: 10.0.0.1, interval_ms: 5}\n"
        "  - falt: {name: x}\n"
        "  - fault: {name: cut, shutdwn: {switch: leaf2101}}\n"
        "  - fault: {name: port, shutdown: {switch: leaf2110, interface: Ethernet1/1}}\n"
        "  - fault: {name: port2, shutdown: {switch: leaf2101, interface: Ethernet1/9}}\n"
        "  - expect: {name: up, sessions: {are: upp}}\n"
        "  - expect: {name: two, sessions: {are: up}, evpn: {are: up}}\n"
        "  - heal: prot\n"
    )
    assert problems(whitepaper, text) == [
        (1, "labctl.scenario/v2", "wrong-schema", "schema: labctl.scenario/v1"),
        (2, "Mine", "bad-name", "lower-case letters, digits and '-'; 2 to 40 of them"),
        (3, "tittle", "unknown-key", "did you mean title?"),
        (5, "5", "bad-value", None),
        (6, "falt", "unknown-key", "did you mean fault?"),
        (7, "shutdwn", "unknown-key", "did you mean shutdown?"),
        (8, "leaf2110", "no-such-switch", "did you mean leaf2102?"),
        (9, "Ethernet1/9", "no-such-interface", "did you mean Ethernet1/5?"),
        (10, "upp", "bad-value", "did you mean up?"),
        (11, "evpn", "two-at-once", "a step for each"),
        (12, "prot", "no-such-fault", "did you mean port?"),
    ]


@pytest.mark.parametrize(
    ("steps", "code", "line", "at", "hint"),
    [
        ("  - fault: {name: a1, isolate: spine22}\n" + UP, "no-such-switch", 4, "spine22", "did you mean spine2?"),
        ("  - fault: {name: a1, node_down: leaf2101}\n" + UP, "no-such-node", 4, "leaf2101", None),
        ("  - fault: {name: a1, peer_link: spine1}\n" + UP, "no-such-leaf", 4, "spine1", None),
        ("  - fault: {name: a1, unplug: {node: node01, interface: eth7}}\n" + UP, "no-such-interface", 4, "eth7", None),
        ("  - fault: {name: a1, clear_bgp: {switch: leaf2101, neighbor: 192.168.1.14}}\n" + UP,
         "no-such-neighbor", 4, "192.168.1.14", None),
        ("  - fault: {name: a1, move_pod: {pod: pingtest}}\n" + UP, "bad-value", 4, "pingtest", "key=value"),
        ("  - fault: {name: a1, drain: {service: nginx, node: node01}}\n" + UP, "bad-value", 4, "nginx",
         "namespace/name"),
        ("  - fault: {name: a1}\n" + UP, "nothing-said", 4, "{name", None),
        ("  - fault: {name: a1, shutdown: {switch: leaf2101}}\n" + UP, "missing-key", 4, "{switch", None),
        ("  - fault: {isolate: spine1}\n" + UP, "missing-key", 4, "{isolate", None),
        ("  - fault: {name: a1, isolate: spine1}\n  - fault: {name: a1, isolate: spine2}\n" + UP,
         "duplicate-name", 5, "a1", None),
        ("  - fault: {name: a1, isolate: spine1}\n", "nothing-expected", 4, "-", "a step expect"),
        ("  - fault: {name: a1, isolate: spine1}\n  - heal: a1\n  - heal: a1\n" + UP, "no-such-fault", 6, "a1", None),
        ("  - stop: pods\n" + UP, "nothing-to-stop", 4, "pods", None),
        (PODS + UP, "not-judged", 4, "{name", "expect: {name: …, loss: {of: pods, ms: 1000}}"),
        (LOSS, "no-such-traffic", 4, "pods", None),
        (PODS + "  - expect: {name: loss, within: 3, loss: {of: pods, ms: 1}}\n", "no-time", 5, "within",
         "leave within out"),
        (PODS + "  - expect: {name: loss, loss: {of: pods}}\n", "bad-value", 5, "{of", None),
        (PODS + "  - expect: {name: loss, loss: {of: pods, ms: {n9kv: 5}}}\n", "no-limit", 5, "{n9kv", None),
        ("  - expect: {name: up, within: 3, hold: 3, sessions: {are: up}}\n", "two-times", 4, "hold", None),
        ("  - expect: {name: up, sessions: {are: up, switch: leaf2100}}\n", "no-such-switch", 4, "leaf2100",
         None),
        ("  - expect: {name: up, bond: {node: node01, down: [eth3 ]}}\n", "no-such-member", 4, "eth3", None),
        ("  - expect: {name: up, route: {switch: leaf2101, prefix: 10.0.0.0/8}}\n", "missing-key", 4, "{switch", None),
        ("  - expect: {name: up, route: {switch: leaf2101, prefix: 10.0.0.0/8, next_hop: []}}\n",
         "missing-key", 4, "{switch", None),
        ("  - traffic: {name: a1, from: 10.0.0.1, to: node01}\n  - expect: {name: b1, loss: {of: a1, ms: 1}}\n",
         "bad-value", 4, "10.0.0.1", None),
        ("  - [1]\n" + UP, "bad-step", 4, "[1]", None),
        ("  - {heal: all, stop: x1}\n" + UP, "bad-step", 4, "{heal", None),
        ("  - heal: [a]\n" + UP, "wrong-type", 4, "[a]", None),
        ("  - fault: cut\n" + UP, "wrong-type", 4, "cut", None),
    ],
)  # fmt: skip
def test_a_problem(whitepaper: Any, steps: str, code: str, line: int, at: str, hint: str | None) -> None:
    found = problems(whitepaper, HEAD + steps)
    rows = [row for row in found if row[2] == code]
    assert rows, found
    assert rows[0][:2] == (line, at)
    if hint is not None:
        assert rows[0][3] == hint


def test_objects_must_be_objects(whitepaper: Any) -> None:
    text = f"schema: labctl.scenario/v1\nname: mine\nobjects: [{{kind: Pod}}]\nsteps:\n{UP}"
    assert [row[:3] for row in problems(whitepaper, text)] == [(3, "{kind", "no-object")]


def test_a_file_that_cannot_be_read(whitepaper: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_scenario(tmp_path / "none.yaml", *whitepaper)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is not UTF-8"):
        load_scenario(tmp_path / "binary.yaml", *whitepaper)


def broken(text: str) -> list[Any]:
    """The problems of a text; none when it can be read. Nothing else may be raised."""
    try:
        loads("mine.yaml", text, *_whitepaper())
    except SpecError as error:
        return list(error.problems)
    return []


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert broken(text)
    assert broken(HEAD + text)
    broken(HEAD + PODS.replace("node01", text) + LOSS)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["name", "traffic", "fault", "expect", "heal", "stop", "capture", "from", "to", "pod", "node", "sessions",
         "are", "route", "shutdown", "switch", "interface", "loss", "of", "ms", "isolate"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(_values, max_size=4))
def test_no_structure_breaks_the_reader(steps: list[Any]) -> None:
    text = yaml.safe_dump({"schema": "labctl.scenario/v1", "name": "mine", "steps": steps})
    assert all(problem.place is not None for problem in broken(text))


def _whitepaper() -> Any:
    if not _CACHE:
        _CACHE.append((load_folder(FOLDER), load_checks(FOLDER)))
    return _CACHE[0]


_CACHE: list[Any] = []


# --- those of the folder ------------------------------------------------------------------------------------------


def test_all_eleven_are_rendered_and_read(whitepaper: Any) -> None:
    folder, checks = whitepaper
    assert scenarios.names(folder.path) == list(scenarios.ORDER)
    for name in scenarios.ORDER:
        scenario = scenarios.of_folder(folder, checks, name)
        assert (scenario.name, scenario.disruptive) == (name, True)


def test_a_name_that_is_labctls_own(whitepaper: Any, tmp_path: Path) -> None:
    file = tmp_path / "leaf.yaml"
    file.write_text((FOLDER / "scenarios" / "leaf.yaml").read_text())
    with pytest.raises(SpecError) as caught:
        scenarios.of_user(file, *whitepaper)
    assert [row.code for row in caught.value.problems] == ["name-taken"]
    file.write_text(HEAD + UP)
    assert scenarios.of_user(file, *whitepaper).name == "mine"


@pytest.mark.parametrize(("word", "is_file"), [("mine.yaml", True), ("./mine", True), ("leaf", False), ("a.yml", True)])
def test_what_is_a_file(word: str, is_file: bool) -> None:
    assert scenarios.is_file(word) is is_file
