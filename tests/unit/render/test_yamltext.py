"""What libyaml's emitter writes, PyYAML's own writes too, and what is read back is what was meant."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labctl.render import yamltext
from tests.rendered import LABS, rendered

HARD = [
    "yes",
    "0x1f",
    "1e3",
    "- a",
    "a: b",
    "#x",
    "${A:=1}",
    "a\nb\n",
    "a\n  b",
    "::1",
    "12:30",
    "~",
    "=",
    "@",
    "%",
    "",
]
LETTERS = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf", "Cn", "Co"])
"""What a person may type; beyond 16 bits libyaml writes an escape and PyYAML the letter."""
KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,30}", fullmatch=True)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(LETTERS, max_size=40), st.sampled_from(HARD)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
pytestmark = pytest.mark.skipif(not yaml.__with_libyaml__, reason="this PyYAML was built without libyaml")


@pytest.fixture(scope="module")
def pure() -> Any:
    """The module where PyYAML has no libyaml."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeDumper")
        found = spec_from_file_location("yamltext_pure", yamltext.__file__)
        assert found
        assert found.loader
        module = module_from_spec(found)
        found.loader.exec_module(module)
    assert module.EMITTER is yaml.SafeDumper
    return module


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_both_emitters_write_the_same(pure: Any, value: dict[str, Any]) -> None:
    assert yamltext.EMITTER is yaml.CSafeDumper
    assert yamltext.dump(value) == pure.dump(value)
    assert yaml.load(yamltext.dump(value), yaml.CSafeLoader) == value


@pytest.mark.parametrize("label", LABS)
def test_both_write_the_checks_of_a_lab(pure: Any, label: str) -> None:
    text = rendered(label)["checks.yaml"]
    assert pure.dump(yaml.load(text, yaml.CSafeLoader)) == text


@pytest.mark.parametrize("value", [text for text in HARD if "\n" not in text] + [["null", "on", "leaf1"]])
def test_what_a_template_puts_in_is_read_as_what_it_is(value: Any) -> None:
    assert yaml.load(f"a:\n  b: {yamltext.flow(value)}\n", yaml.CSafeLoader) == {"a": {"b": value}}
