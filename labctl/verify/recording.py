"""A capture that goes on for long: read while it runs, so that no buffer on its way fills and drops packets."""

from __future__ import annotations

import threading

from labctl.errors import LabctlError
from labctl.guest.api import Capture, ExecStream
from labctl.kube.exec import PodSession
from labctl.pace import limit


class Recording:
    """Reads a capture from now on."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._data = bytearray()
        self._trouble: LabctlError | None = None
        self._reader = threading.Thread(target=self._read, name="recording", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while (piece := self._capture.read()) is not None:
                self._data += piece
        except LabctlError as error:
            self._trouble = error

    def stop(self) -> bytes:
        """End it and give the whole pcap file. Raises what reading raised."""
        self._capture.end()
        self._reader.join(limit("end"))
        self._capture.close()
        if self._trouble is not None:
            raise self._trouble
        return bytes(self._data)

    def close(self) -> None:
        """Give it up."""
        self._capture.close()


class Output:
    """What a program prints, read from now on."""

    def __init__(self, stream: ExecStream | PodSession) -> None:
        self._stream = stream
        self._data = bytearray()
        self._reader = threading.Thread(target=self._read, name="output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while (piece := self._stream.read()) is not None:
                self._data += piece[1]
        except LabctlError as error:
            self._data += f"\n{error}\n".encode()  # it is what the program's reader sees last

    @property
    def text(self) -> str:
        """So far."""
        return bytes(self._data).decode(errors="replace")

    @property
    def over(self) -> bool:
        """Whether the program has ended."""
        return not self._reader.is_alive()

    def join(self) -> None:
        """Until it has, or as long as an end may take."""
        self._reader.join(limit("end"))
