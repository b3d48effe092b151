"""YAML with places: what is data, what is refused, where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.yamldoc import MAX_BYTES, MAX_NODES, parse


def problem(text: str) -> Any:
    _, problems = parse("x.yaml", text)
    assert problems
    return problems[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        ("10.5(4)", "10.5(4)"),
        ("2024-01-01", "2024-01-01"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("fe80::1", "fe80::1"),
    ],
)
def test_plain_words_are_what_they_look_like(text: str, value: object) -> None:
    found, problems = parse("x.yaml", f"key: {text}\n")
    assert problems == []
    assert found is not None
    assert found.data == {"key": value}
    assert type(found.data["key"]) is type(value)


def test_places_of_keys_and_values() -> None:
    found, _ = parse("x.yaml", "a:\n  b: [1, two]\n")
    assert found is not None
    assert str(found.place(("a", "b"), key=True)) == "x.yaml:2:3"
    assert str(found.place(("a", "b", 1))) == "x.yaml:2:10"
    assert found.place(("a", "b", 1)).text == "  b: [1, two]"


def test_the_place_of_what_is_not_written_is_the_nearest_thing_above() -> None:
    found, _ = parse("x.yaml", "a:\n  b: 1\n")
    assert found is not None
    assert str(found.place(("a", "c", "d"))) == "x.yaml:2:3"
    assert str(found.place(("z",))) == "x.yaml:1:1"


def test_every_duplicate_is_told_and_the_first_counts() -> None:
    found, problems = parse("x.yaml", "a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert found is not None
    assert found.data == {"a": 1, "b": {"c": 1}}
    assert [(p.code, str(p.place)) for p in problems] == [
        ("duplicate-key", "x.yaml:2:11"),
        ("duplicate-key", "x.yaml:3:1"),
    ]


def test_an_alias_bomb_is_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert problem("\n".join(rows)).code == "too-large"


def test_a_document_that_contains_itself_is_refused() -> None:
    assert problem("a: &a\n  b: *a\n").code == "endless"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [1\n", "yaml-syntax"),
        ("a: *nobody\n", "yaml-syntax"),
        ("a: \x07\n", "yaml-syntax"),
        ("", "empty"),
        ("# only this\n", "empty"),
        ("- a\n", "no-mapping"),
        ("text\n", "no-mapping"),
        ("{[a]: 1}\n", "bad-key"),
        ("a: 1\n---\nb: 2\n", "yaml-syntax"),
        ("a: " + "[" * 60 + "]" * 60, "too-large"),
        ("a: " + "x" * MAX_BYTES, "too-large"),
        ("a: [" + "1," * MAX_NODES + "]", "too-large"),
    ],
)
def test_refused(text: str, code: str) -> None:
    assert problem(text).code == code


def test_tags_make_no_objects() -> None:
    found, _ = parse("x.yaml", "a: !!python/object/apply:os.system [id]\n")
    assert found is not None
    assert found.data == {"a": ["id"]}


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_has_problems(text: str) -> None:
    found, problems = parse("x.yaml", text)
    assert found is not None or problems
