"""The second processor of an emulated guest, switched on when the kernel has patched itself.

QEMU's emulation was seen to run a breakpoint that the kernel had taken back (static keys are patched by one), with two
processors only. What can be used once for all is used once here, with one; what is counted is held.
"""

from __future__ import annotations

import socket

SO_TIMESTAMP = 29
"""include/uapi/asm-generic/socket.h; `socket` has no name for it."""


def switch_on(switch: str) -> socket.socket:
    """Write 1 to the processor's ``online`` file. Keep what this gives for as long as the guest runs.

    It is a socket with timestamps: while there is one the kernel's receive path is not patched, as else by each ping.
    The first connection of each family seeds hashes of the kernel (DO_ONCE, lib/once.c), which patches all their users.

    Raises OSError where the kernel refuses one of these.
    """
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server:
            server.bind((address, 0))
            server.listen()
            socket.create_connection(server.getsockname()[:2], timeout=10.0).close()
    kept = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    kept.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
    with open(switch, "w") as file:
        file.write("1")
    return kept
