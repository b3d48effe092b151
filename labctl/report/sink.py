"""A text stream that may go away: a reporter must never break what it reports on."""

from __future__ import annotations

from typing import TextIO

from labctl.report.text import encodable


class Sink:
    """Writes and flushes; after the first write that fails nothing more is tried. Not locked: its owner is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"
        self.broken = False
        """Whether the reader went away (closed pipe, closed terminal)."""

    @property
    def unicode(self) -> bool:
        """Whether the stream takes more than ASCII."""
        return self.encoding.lower().replace("-", "").startswith("utf")

    def write(self, text: str) -> None:
        """All of the text in one write."""
        if self.broken or not text:
            return
        try:
            self._stream.write(encodable(text, self.encoding))
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.broken = True
