"""Text from nodes made safe and fitted to columns: what a switch says must never steer a person's terminal."""

from __future__ import annotations

import re
import unicodedata

ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erase
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"  # any other, and what is cut off
)
"""Escape sequences (ECMA-48), whole, so that no ``[31m`` is left behind."""

UNKNOWN = "\ufffd"
PIECES = re.compile(" *[^ ]+ *")


def clean(value: object) -> str:
    """One printable line: escape sequences gone, white space collapsed, any other control character replaced."""
    text = ESCAPES.sub("", str(value))
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else UNKNOWN for c in text)
    return " ".join(text.split())


def block(value: object) -> str:
    """Lines as they are: escape sequences gone, tabs kept, any other control character replaced."""
    lines = ESCAPES.sub("", str(value)).replace("\r\n", "\n").split("\n")
    return "\n".join(
        line if line.isprintable() else "".join(c if c.isprintable() or c == "\t" else UNKNOWN for c in line)
        for line in lines
    )


def cells(text: str) -> int:
    """Columns that a text takes on a terminal; escape sequences take none."""
    text = ESCAPES.sub("", text)
    return len(text) if text.isascii() else sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _head(text: str, columns: int) -> int:
    """How many characters of a text fit."""
    used = 0
    for position, character in enumerate(text):
        used += _cell(character)
        if used > columns:
            return position
    return len(text)


def fit(text: str, columns: int, dots: str = "…") -> str:
    """The text, cut with dots where it is too long."""
    if cells(text) <= columns:
        return text
    return text[: _head(text, max(0, columns - cells(dots)))].rstrip() + dots


def pad(text: str, columns: int) -> str:
    """The text in a column of that width."""
    text = fit(text, columns)
    return text + " " * (columns - cells(text))


def wrap(text: str, columns: int, indent: str = "", *, whole: bool = False) -> list[str]:
    """Lines of at most so many columns, broken at blanks, else anywhere; lines after the first are indented.

    ``whole``: a word that is longer (a path, a command's argument) stands out instead of being cut.
    """
    columns = max(columns, cells(indent) + 2)
    lines: list[str] = []
    line = ""
    for piece in PIECES.findall(text):
        word = piece
        if line.strip(" ") and cells(line + word.rstrip(" ")) > columns:
            lines.append(line.rstrip(" "))
            line = indent
        while not whole and cells(line + word.rstrip(" ")) > columns:
            cut = max(1, _head(word, columns - cells(line)))
            lines.append(line + word[:cut])
            line, word = indent, word[cut:]
        line += word
    return [*lines, line.rstrip(" ")] if line.strip(" ") or not lines else lines


def unique(name: str, used: set[str], form: str = "{} ({})") -> str:
    """The name, with a number where it was used before; now it is."""
    found, number = name, 1
    while found in used:
        number += 1
        found = form.format(name, number)
    used.add(found)
    return found


def encodable(text: str, encoding: str | None) -> str:
    """The text with what the stream's encoding cannot say replaced, so that writing it never fails."""
    name = encoding or "utf-8"
    return text.encode(name, "replace").decode(name)
