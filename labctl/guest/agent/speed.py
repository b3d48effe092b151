"""How fast this machine does the work of a lab: programs started, pipes, a little Python; as a factor.

1.0 is the guest of the white paper's lab on User-mode Linux 6.12, on a machine with two processors and nothing else to
do: the quickest of 12 measurements from its agent's first word on, `REFERENCE` seconds a round. On the same machine
QEMU without KVM has 0.13, the host itself about 4, and User-mode Linux beside 16 busy programs 0.3.
"""

from __future__ import annotations

import os
import subprocess
import time

REFERENCE = 0.0082
WINDOW = 0.15
"""Seconds: rounds begin within it. One of a slow machine takes longer than all of it."""


def measure(window: float = WINDOW) -> float:
    """Work for about ``window`` seconds; returns the mean speed.

    The first round is not counted: it reads the program, and an emulator translates what it runs for the first time.
    """
    _round()
    began = time.monotonic()
    rounds = 0
    while True:
        _round()
        rounds += 1
        took = time.monotonic() - began
        if took >= window:
            return REFERENCE * rounds / took


def _round() -> None:
    subprocess.run(("/bin/true",), check=False)
    near, far = os.pipe()
    for _ in range(300):
        os.write(far, b"x")
        os.read(near, 1)
    os.close(near)
    os.close(far)
    table = {}
    for number in range(2000):
        table[f"{number:x}"] = number
