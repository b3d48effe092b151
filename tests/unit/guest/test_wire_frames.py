"""Frames: whatever way the bytes are cut, the same messages come out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.guest.agent import wire

KINDS = st.sampled_from([wire.REQUEST, wire.DATA, wire.EVENT, wire.END, wire.CONTROL])
BODIES = st.dictionaries(st.text(max_size=5), st.text(max_size=50), max_size=5)
FRAMES = st.lists(st.tuples(KINDS, st.integers(0, 2**32 - 1), st.binary(max_size=200)), max_size=8)


def feed(parser: wire.Parser, data: bytes, cuts: list[int]) -> list[tuple[int, int, bytes]]:
    found, start = [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        found += parser.feed(data[start:cut])
        start = cut
    return found


@given(FRAMES, st.lists(st.integers(0, 2000), max_size=10))
def test_frames_survive_any_cutting(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    data = b"".join(wire.frame(*frame) for frame in frames)
    assert feed(wire.Parser(), data, cuts) == frames


@given(BODIES, st.integers(1, 40), st.lists(st.integers(0, 500)))
def test_a_long_message_is_joined_again(body: dict[str, str], limit: int, cuts: list[int]) -> None:
    pieces = wire.message(wire.REQUEST, 7, body, limit)
    assert all(len(piece) - wire.HEADER.size <= limit for piece in pieces)
    ((kind, stream, payload),) = feed(wire.Parser(), b"".join(pieces), cuts)
    assert (kind, stream, json.loads(payload)) == (wire.REQUEST, 7, body)


def test_parts_of_two_messages_may_alternate() -> None:
    first, second = (wire.message(wire.END, stream, "x" * 30, 10) for stream in (1, 2))
    mixed = b"".join(piece for pair in zip(first, second, strict=True) for piece in pair)
    assert [stream for _, stream, _ in wire.Parser().feed(mixed)] == [1, 2]


def test_half_a_frame_is_no_frame() -> None:
    parser, whole = wire.Parser(), wire.frame(wire.DATA, 1, b"abc")
    assert parser.feed(whole[:-1]) == []
    assert parser.feed(whole[-1:]) == [(wire.DATA, 1, b"abc")]


@pytest.mark.parametrize("size", [0, wire.FROM_GUEST])
def test_the_largest_and_the_smallest_payload(size: int) -> None:
    assert wire.Parser().feed(wire.frame(wire.DATA, 1, b"x" * size)) == [(wire.DATA, 1, b"x" * size)]
