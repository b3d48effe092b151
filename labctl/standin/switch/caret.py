"""How NX-OS marks the word that is wrong: a caret below the echoed line, and its words."""

from __future__ import annotations

import re

from labctl.standin.switch.choice import Why, Wrong

NO_INTERFACE = "Invalid interface format at '^' marker."
"""NX-OS's words for a port that the box does not have (captured on Nexus 9000)."""


def caret(prompt: str, position: int, words: Why | str) -> str:
    """``position``: in the line that was typed behind the prompt."""
    return f"{' ' * (len(prompt) + position)}^\n{words.value if isinstance(words, Why) else words}"


def mark(prompt: str, line: str, wrong: Wrong, words: str | None = None) -> str:
    """The caret under the wrong word; behind the line when words are missing."""
    text = line.rstrip()
    starts = [found.start() for found in re.finditer(r"\S+", text)]
    position = starts[wrong.index] if wrong.index < len(starts) else len(text)
    return caret(prompt, position, words or wrong.why)
