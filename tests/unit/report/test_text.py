"""Text is made safe and fitted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.report.text import cells, clean, encodable, fit, pad, wrap


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("leaf2101: fine", "leaf2101: fine"),
        ("\x1b[2J\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "after link"),
        ("\x1bP+q\x1b\\dcs \x1bcreset", "dcs reset"),
        ("cut off \x1b[", "cut off"),
        ("cut off \x1b]0;never ends", "cut off 0;never ends"),
        ("\x1b\x1b[31mnested", "nested"),
        ("a\r\n\tb\u00a0 c", "a b c"),
        ("bs\x08 nul\x00 bidi\u202e lone\ud800", "bs\ufffd nul\ufffd bidi\ufffd lone\ufffd"),
        ("größer → 5 µs 漢字", "größer → 5 µs 漢字"),
    ],
)
def test_clean(raw: str, safe: str) -> None:
    assert clean(raw) == safe


@given(st.text(st.characters(codec=None)))
def test_clean_is_always_printable_and_stays(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


def test_fit_and_pad_count_cells() -> None:
    assert fit("abcdef", 6) == "abcdef"
    assert fit("abcdef", 5) == "abcd…"
    assert fit("漢字漢字", 6) == "漢字…"
    assert fit("abcdef", 5, "...") == "ab..."
    assert pad("漢字", 6) == "漢字  "
    assert cells("\x1b[31mab\x1b[0m") == 2


def test_wrap() -> None:
    assert wrap(" ✓ one  two three", 9, "   ") == [" ✓ one", "   two", "   three"]
    assert wrap("  abcdefghij", 6, " ") == ["  abcd", " efghi", " j"]
    assert wrap("", 5) == [""]


@given(st.text().map(clean), st.integers(4, 30), st.sampled_from(["", "  "]))
def test_wrap_keeps_every_word_and_the_width(text: str, columns: int, indent: str) -> None:
    lines = wrap(text, columns, indent)
    assert all(cells(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_encodable() -> None:
    assert encodable("✓ grün", "ascii") == "? gr?n"
    assert encodable("✓\ud800", "utf-8") == "✓?"
