"""Kernel changes in bulk: consecutive changes of one kind are one process; refusals are told by line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from labctl.guest.agent.kernel import in_network

COMMANDS = {
    "ip": ("ip", "-force", "-batch", "-"),
    "bridge": ("bridge", "-force", "-batch", "-"),
    "tc": ("tc", "-force", "-batch", "-"),
    "iptables": ("iptables-legacy-restore", "--noflush", "-w"),
    "ip6tables": ("ip6tables-legacy-restore", "--noflush", "-w"),
    "nft": ("nft", "-f", "-"),
}
WHOLE_TEXT = ("iptables", "ip6tables", "nft")
"""Kinds whose one operation is a whole text, not a line."""

_FAILED = re.compile(r"Command failed -:(\d+)")

Operation = tuple[str, str]
Failure = tuple[int, str, str]


def groups(operations: Sequence[Operation]) -> list[tuple[str, list[int]]]:
    """Runs of operations that one process can do: (kind, indexes)."""
    found: list[tuple[str, list[int]]] = []
    for index, (kind, _) in enumerate(operations):
        if found and found[-1][0] == kind and kind not in WHOLE_TEXT:
            found[-1][1].append(index)
        else:
            found.append((kind, [index]))
    return found


def do_batch(namespace: str | None, operations: Sequence[Operation], limit: float) -> list[Failure]:
    """Do all operations in a namespace; returns what was refused as (index, text, words of the tool).

    ``limit``: seconds for one program. Raises `subprocess.TimeoutExpired`.
    """
    return in_network(namespace, lambda: _do(operations, limit))


def _do(operations: Sequence[Operation], limit: float) -> list[Failure]:
    failures: list[Failure] = []
    for kind, indexes in groups(operations):
        if kind == "sysctl":
            failures.extend(_sysctls(operations, indexes))
        elif kind in COMMANDS:
            failures.extend(_tool(kind, operations, indexes, limit))
        else:
            failures.extend((index, operations[index][1], f"unknown kind {kind!r}") for index in indexes)
    return failures


def _sysctls(operations: Sequence[Operation], indexes: list[int]) -> list[Failure]:
    failures = []
    for index in indexes:
        text = operations[index][1]
        name, _, value = text.partition("=")
        try:
            with open(f"/proc/sys/{name}", "w", encoding="ascii") as handle:
                handle.write(value)
        except OSError as error:
            failures.append((index, text, str(error)))
    return failures


def _tool(kind: str, operations: Sequence[Operation], indexes: list[int], limit: float) -> list[Failure]:
    text = "".join(f"{operations[index][1]}\n" for index in indexes)
    done = subprocess.run(COMMANDS[kind], input=text.encode(), capture_output=True, check=False, timeout=limit)
    if done.returncode == 0:
        return []
    words = (done.stderr or done.stdout).decode(errors="replace")
    if kind in WHOLE_TEXT:
        return [(indexes[0], operations[indexes[0]][1], words.strip())]
    return _by_line(words, operations, indexes)


def _by_line(words: str, operations: Sequence[Operation], indexes: list[int]) -> list[Failure]:
    """iproute2 prints the reason and then ``Command failed -:LINE``; what follows no such line is kept for the last."""
    failures: list[Failure] = []
    reason: list[str] = []
    for line in words.splitlines():
        match = _FAILED.match(line)
        if match:
            index = indexes[int(match.group(1)) - 1]
            failures.append((index, operations[index][1], " ".join(reason).strip() or line))
            reason = []
        else:
            reason.append(line)
    if not failures:
        failures.append((indexes[0], operations[indexes[0]][1], words.strip()))
    return failures
