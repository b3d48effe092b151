"""Calico's selector language over labels (Calico documentation, "Selectors").

``all()``, ``has(k)``, ``k == 'v'``, ``k in {…}``, ``&&``, ``||``, ``!``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labctl.errors import LabError

TOKEN = re.compile(
    r"\s*(?:(?P<op>\|\||&&|==|!=|!|\(|\)|\{|\}|,)|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<word>[A-Za-z0-9_./-]+))"
)


class BadSelector(LabError):
    """The text is no selector."""

    code = "bad-selector"


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit; an empty selector fits all. Raises `BadSelector`."""
    tokens = _tokens(selector)
    if not tokens:
        return True
    parser = _Parser(tokens, labels)
    result = parser.either()
    if parser.position != len(tokens):
        raise BadSelector(f"{selector!r}: unexpected {tokens[parser.position][1]!r}")
    return result


def _tokens(text: str) -> list[tuple[str, str]]:
    result, position = [], 0
    text = text.strip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if not found:
            raise BadSelector(f"{text!r}: cannot read {text[position:]!r}")
        kind = "op" if found["op"] else "word" if found["word"] else "string"
        value = next(
            group for group in (found["op"], found["word"], found["single"], found["double"]) if group is not None
        )
        result.append((kind, value))
        position = found.end()
    return result


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], labels: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._labels = labels
        self.position = 0

    def _take(self, *wanted: str) -> str | None:
        if self.position < len(self._tokens) and self._tokens[self.position][1] in wanted:
            kind, value = self._tokens[self.position]
            if kind != "string":
                self.position += 1
                return value
        return None

    def _need(self, wanted: str) -> None:
        if self._take(wanted) is None:
            raise BadSelector(f"expected {wanted!r}")

    def _next(self) -> str:
        if self.position >= len(self._tokens):
            raise BadSelector("it ends too early")
        self.position += 1
        return self._tokens[self.position - 1][1]

    def either(self) -> bool:
        result = self._both()
        while self._take("||"):
            result = self._both() or result
        return result

    def _both(self) -> bool:
        result = self._one()
        while self._take("&&"):
            result = self._one() and result
        return result

    def _one(self) -> bool:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            result = self.either()
            self._need(")")
            return result
        word = self._next()
        if word in ("all", "global") and self._take("("):
            self._need(")")
            return True
        if word == "has" and self._take("("):
            key = self._next()
            self._need(")")
            return key in self._labels
        return self._comparison(word)

    def _comparison(self, key: str) -> bool:
        if self._take("=="):
            return self._labels.get(key) == self._next()
        if self._take("!="):
            return self._labels.get(key) != self._next()
        negative = self._take("not") is not None
        if self._take("in"):
            inside = self._labels.get(key) in self._set()
            return inside != negative
        raise BadSelector(f"after {key!r} an operator is missing")

    def _set(self) -> set[str]:
        self._need("{")
        values = {self._next()}
        while self._take(","):
            values.add(self._next())
        self._need("}")
        return values
