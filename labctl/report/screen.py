"""A text stream that may be a terminal and may go away; a few lines at its bottom are painted again and again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TextIO

from labctl.report.style import ASCII, UNICODE, Marks
from labctl.report.text import cells, encodable

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
TO_END_OF_LINE, TO_END_OF_SCREEN = "\x1b[K", "\x1b[J"
FALLBACK = os.terminal_size((80, 24))
NARROWEST = 20


class Sink:
    """Writes and flushes; a reporter must never break what it reports on. Not locked: its owner is."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._encoding: str = getattr(stream, "encoding", None) or "utf-8"
        self.broken = False
        """Whether the reader went away (closed pipe, closed terminal): then nothing more is tried."""

    @property
    def marks(self) -> Marks:
        """Those that the stream takes."""
        return UNICODE if self._encoding.lower().replace("-", "").startswith("utf") else ASCII

    def write(self, text: str) -> None:
        """All of the text in one write."""
        if self.broken or not text:
            return
        try:
            self.stream.write(encodable(text, self._encoding))
            self.stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.broken = True


class Screen:
    """Writes with ANSI sequences alone. Not locked: its owner is."""

    def __init__(self, sink: Sink, size: Callable[[], os.terminal_size] | None = None) -> None:
        """``size``: instead of asking the terminal how large it is now."""
        self.sink = sink
        self._size = size or self._asked
        self._painted: list[int] = []
        """Cells of each line that stands below now."""
        self._hidden = False

    def _asked(self) -> os.terminal_size:
        """80x24 where there is no terminal, or it does not say."""
        try:
            found = os.get_terminal_size(self.sink.stream.fileno())
        except (OSError, ValueError, AttributeError):
            return FALLBACK
        return os.terminal_size((found.columns or FALLBACK.columns, found.lines or FALLBACK.lines))

    @property
    def columns(self) -> int:
        """Columns that a line may take: one less than there are, so that no terminal ever wraps it."""
        return max(NARROWEST, self._size().columns) - 1

    @property
    def lines(self) -> int:
        """Lines that may stand below."""
        return max(1, self._size().lines - 1)

    def show(self, above: Sequence[str], below: Sequence[str]) -> None:
        """Add ``above`` to the transcript for good, and paint ``below`` under it instead of what was there."""
        below = below[: self.lines]
        out = [] if self._hidden or not below else [HIDE]
        self._hidden = self._hidden or bool(below)
        # lines painted before the window became narrower stand on more than one row now
        columns = max(1, self._size().columns)
        rows = sum(max(1, -(-taken // columns)) for taken in self._painted)
        out += [f"\r\x1b[{rows}A"] if rows else []
        out += [f"{line}{TO_END_OF_LINE if rows else ''}\n" for line in (*above, *below)]
        out += [TO_END_OF_SCREEN] if rows else []
        self._painted = [cells(line) for line in below]
        self.sink.write("".join(out))

    def restore(self) -> None:
        """Give the cursor back."""
        self.sink.write(SHOW if self._hidden else "")
        self._hidden = False
