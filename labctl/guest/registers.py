"""User-mode Linux and the processor's registers: two bytes of its kernel that decide whether a guest lives.

UML before 6.13 writes a process's floating-point state back with a length of 2696 bytes, which is AVX-512 and no more.
The host's kernel refuses a length below its own whole state (EFAULT: ``ptrace set fp regs failed, errno = 14``), so
that such a UML dies at its first process on every processor with AMX. A greater length the kernel cuts to its own; what
lies behind UML's buffer is then read and not used, since a guest's state never says that it has AMX.
"""

from __future__ import annotations

import struct
from pathlib import Path

SHORT = bytes.fromhex("48c745f8 880a0000 bf05420000")
"""In linux.uml: the length 0xa88, then PTRACE_SETREGSET. The same bytes in 6.1 and 6.12 of Debian."""
LONG = bytes.fromhex("48c745f8 00400000 bf05420000")
AT_MINSIGSTKSZ = 51
"""getauxval(3): the room that a signal takes on the stack, which grows with the state to be saved."""
SIGNAL_MOST = 3640
"""Of a processor whose state fits into 2696 bytes; with AMX it is 11952."""


def write_all(path: Path) -> bool:
    """Make a linux.uml write all registers back. False, and the file as it was, where that place is not found once."""
    data = path.read_bytes()
    if data.count(SHORT) == 1:
        path.write_bytes(data.replace(SHORT, LONG))
    return writes_all(path)


def writes_all(path: Path) -> bool:
    """Whether that was done."""
    data = path.read_bytes()
    return data.count(LONG) == 1 and SHORT not in data


def too_many(auxv: Path = Path("/proc/self/auxv")) -> bool:
    """Whether this processor has more registers than an unpatched UML can write back."""
    values: dict[int, int] = dict(struct.iter_unpack("@LL", auxv.read_bytes()))
    return values.get(AT_MINSIGSTKSZ, 0) > SIGNAL_MOST
