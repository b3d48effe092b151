"""The few Linux calls that Python's standard library lacks (setns and unshare came with 3.12, mount never)."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

T = TypeVar("T")

libc = ctypes.CDLL(None, use_errno=True)


def _checked(code: int, what: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(kinds: int) -> None:
    """New namespaces for the calling process."""
    _checked(libc.unshare(kinds), "unshare")


def mount(source: str, target: str, filesystem: str, flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    names = (text.encode() for text in (source, target, filesystem))
    _checked(libc.mount(*names, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def enter_network(path: str) -> None:
    """Move the calling thread into the network namespace at a path."""
    with open(path, "rb") as namespace:
        _checked(libc.setns(namespace.fileno(), CLONE_NEWNET), "setns")


def in_network(name: str | None, work: Callable[[], T], join: int | None = None) -> T:
    """Do something in a network namespace, in a thread of its own, so that no other thread is moved.

    The namespace is that of ``ip netns`` called ``name``, or that of the process ``join``.
    """
    if name is None and join is None:
        return work()
    path = f"/proc/{join}/ns/net" if name is None else f"/run/netns/{name}"
    results: list[T] = []
    trouble: list[BaseException] = []

    def inside() -> None:
        try:
            enter_network(path)
            results.append(work())
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=inside, daemon=True)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return results[0]
