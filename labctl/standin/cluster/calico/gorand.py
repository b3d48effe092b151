"""Go's ``math/rand`` generator, bit for bit: Calico chooses a node's first address block with it.

An additive lagged Fibonacci generator over 64-bit words, y[k] = y[k-607] + y[k-273] (Go source, math/rand/rng.go). Its
607 fixed start words are the state of the same recurrence after 7.8e12 steps from a Lehmer generator;
`compute_start_words` derives them in 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

LENGTH, TAP = 607, 273
STEPS = 7_800_000_000_000
MASK64 = (1 << 64) - 1
MASK63 = (1 << 63) - 1
LEHMER_MODULUS = (1 << 31) - 1
LEHMER_FACTOR = 48271


def lehmer(start: int, skip: int) -> Iterator[int]:
    """The Lehmer generator that Go seeds with, after ``skip`` values."""
    value = start
    for _ in range(skip):
        value = value * LEHMER_FACTOR % LEHMER_MODULUS
    while True:
        value = value * LEHMER_FACTOR % LEHMER_MODULUS
        yield value


def _words(source: Iterator[int], high: int, middle: int) -> list[int]:
    return [((next(source) << high) ^ (next(source) << middle) ^ next(source)) & MASK64 for _ in range(LENGTH)]


@cache
def compute_start_words() -> tuple[int, ...]:
    """The 607 words, from nothing but the recurrence: x^STEPS modulo x^607 - x^334 - 1 by square and multiply."""
    power = _power_of_x(STEPS)
    vector = _words(lehmer(1, 20), 20, 10)
    sequence = [vector[(334 - j) % LENGTH] for j in range(1, LENGTH + 1)]
    for k in range(LENGTH, 2 * LENGTH):
        sequence.append((sequence[k - LENGTH] + sequence[k - TAP]) & MASK64)
    result = [0] * LENGTH
    for m in range(LENGTH):
        value = sum(c * y for c, y in zip(power, sequence[m : m + LENGTH], strict=True)) & MASK64
        result[(334 - (STEPS + 1 + m)) % LENGTH] = value
    return tuple(result)


SLOT = 18
"""Bytes a coefficient takes in a packed polynomial: products of 64-bit words, 607 of them added, fit in 138 bits."""


def _pack(polynomial: list[int]) -> int:
    return int.from_bytes(b"".join(value.to_bytes(SLOT, "little") for value in polynomial), "little")


def _power_of_x(exponent: int) -> list[int]:
    power = [1] + [0] * (LENGTH - 1)
    for bit in bin(exponent)[2:]:
        packed = _pack(power)
        square = (packed * packed).to_bytes(SLOT * 2 * LENGTH, "little")
        wide = [int.from_bytes(square[i * SLOT : (i + 1) * SLOT], "little") & MASK64 for i in range(2 * LENGTH - 1)]
        power = _reduce([0, *wide] if bit == "1" else wide)
    return power


def _reduce(wide: list[int]) -> list[int]:
    """Modulo x^607 - x^334 - 1, coefficients modulo 2^64."""
    for degree in range(len(wide) - 1, LENGTH - 1, -1):
        value = wide[degree]
        wide[degree - LENGTH] = (wide[degree - LENGTH] + value) & MASK64
        wide[degree - TAP] = (wide[degree - TAP] + value) & MASK64
    return (wide + [0] * LENGTH)[:LENGTH]


class GoRand:
    """``rand.New(rand.NewSource(seed))``."""

    def __init__(self, seed: int) -> None:
        start = seed % LEHMER_MODULUS or 89482311
        fixed = compute_start_words()
        self._vector = [word ^ fix for word, fix in zip(_words(lehmer(start, 20), 40, 20), fixed, strict=True)]
        self._tap, self._feed = 0, LENGTH - TAP

    def uint64(self) -> int:
        self._tap = (self._tap - 1) % LENGTH
        self._feed = (self._feed - 1) % LENGTH
        value = (self._vector[self._feed] + self._vector[self._tap]) & MASK64
        self._vector[self._feed] = value
        return value

    def uint32(self) -> int:
        return (self.uint64() & MASK63) >> 31

    def below(self, limit: int) -> int:
        """``big.Int.Rand``: a uniform number in [0, limit)."""
        bits = limit.bit_length()
        words = (bits + 63) // 64
        top = bits % 64 or 64
        while True:
            value = 0
            for index in range(words):
                word = self.uint32() | self.uint32() << 32
                if index == words - 1:
                    word &= (1 << top) - 1
                value |= word << (64 * index)
            if value < limit:
                return value


def fnv1_32(text: str) -> int:
    """FNV-1 (not 1a), 32 bits."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value * 0x01000193 & 0xFFFFFFFF) ^ byte
    return value
