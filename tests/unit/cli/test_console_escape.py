"""The escape of ``labctl ssh --console``: ssh's, wherever the keys are cut."""

from __future__ import annotations

import pytest

from labctl.cli.terminal import Escape


@pytest.mark.parametrize(
    ("keys", "text", "over"),
    [
        (b"show version\r", b"show version\r", False),
        (b"~.", b"", True),
        (b"exit\r~.never", b"exit\r", True),
        (b"exit\n~.", b"exit\n", True),
        (b"a~.b", b"a~.b", False),
        (b"\r~~x", b"\r~x", False),
        (b"\r~x~.", b"\r~x~.", False),
        (b"\r~\r~.", b"\r~\r", True),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 99])
def test_escape(keys: bytes, text: bytes, over: bool, size: int) -> None:
    escape = Escape()
    out, left = b"", False
    for start in range(0, len(keys), size):
        piece, left = escape.pass_on(keys[start : start + size])
        out += piece
        if left:
            break
    assert (out, left) == (text, over)
