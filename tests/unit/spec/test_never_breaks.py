"""Whatever a person writes: a lab that renders, or problems with a place. Never anything else."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.errors import SpecError
from labctl.render.folder import render_folder
from labctl.spec.keys import Spec
from labctl.spec.load import loads

PAPER = yaml.safe_load((Path(__file__).parents[3] / "topologies" / "whitepaper.yaml").read_text(encoding="utf-8"))
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 70000), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "none", "leaf2101", "192.168.1.1", "10.0.0.0/8", "0.0.0.0/0", "::/0", "fe80::1/64", "ä", "<<",
                     "192.168.1.0/30", "10.244.0.0/26", "255.255.255.255", "2001:db8:42::/56", "1.2.3", "web.yaml"]),
    st.lists(st.sampled_from(["leaf2101", 1, "10.2.1.1", "2001:db8::1", None]), max_size=3),
    st.dictionaries(st.sampled_from(["name", "cidr", "leafs", "x"]), st.integers(0, 9), max_size=2),
)  # fmt: skip


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in items for found in ((*path, key), *paths(value, (*path, key)))]


PATHS = paths(PAPER)


def loaded(text: str) -> Spec | SpecError:
    try:
        return loads("lab.yaml", text)
    except SpecError as error:
        return error


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(PATHS), st.one_of(ODD, st.just("-remove-"))), min_size=1, max_size=3))
def test_any_change_of_the_papers_spec_is_a_lab_or_a_list_of_problems(changes: list[tuple[Any, Any]]) -> None:
    data = copy.deepcopy(PAPER)
    for path, value in changes:
        part = data
        try:
            for step in path[:-1]:
                part = part[step]
            if value == "-remove-":
                del part[path[-1]]
            else:
                part[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
    spec = loaded(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
    if isinstance(spec, SpecError):
        assert spec.problems
        assert all(problem.place is not None and problem.message for problem in spec.problems)
        assert spec.render()
    else:
        render_folder(design(spec, Target()))


@settings(max_examples=150)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    spec = loaded(text)
    assert not isinstance(spec, SpecError) or spec.render()


@settings(max_examples=100)
@given(st.sampled_from(PATHS), st.sampled_from(["?!", {"zz": 1}, ["?!"], "-rename-"]))
def test_of_a_right_spec_with_one_malformed_value_that_value_alone_is_said(path: tuple[Any, ...], value: Any) -> None:
    """Nothing is judged by what stands in for it."""
    data = copy.deepcopy(PAPER)
    part = data
    for step in path[:-1]:
        part = part[step]
    if value != "-rename-":
        part[path[-1]] = value
    elif isinstance(part, dict) and path[-2:-1] not in (("addresses",), ("peering_loopbacks",)):  # names, not keys
        part["zz"] = part.pop(path[-1])
    spec = loaded(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
    if isinstance(spec, SpecError):
        assert {problem.code for problem in spec.problems} <= {
            "bad-value",
            "unknown-key",
            "missing-key",
            "missing-item",
        }
