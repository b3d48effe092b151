"""Let a program use the C library that lies beside it.

The kernel opens an ELF file's PT_INTERP relative to the current folder when it is no absolute path. So the loader's
name is overwritten in place by a relative one, and the program runs from the folder that holds loader and library.
(Calling the loader with the program as argument does not do for UML: it takes the gap in the address space for memory.)
"""

from __future__ import annotations

import struct
from pathlib import Path

from labctl.errors import HostError

PT_INTERP = 3
RELATIVE = b"./ld-linux-x86-64.so.2"


def use_relative_loader(path: Path) -> None:
    """Overwrite PT_INTERP of a 64-bit little-endian ELF file. Raises `HostError` when it has none that fits."""
    data = bytearray(path.read_bytes())
    if data[:6] != b"\x7fELF\x02\x01":
        raise HostError(f"{path.name} is no 64-bit ELF file", code="bad-elf")
    offset = struct.unpack_from("<Q", data, 32)[0]
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        start = offset + index * size
        if struct.unpack_from("<I", data, start)[0] == PT_INTERP:
            where, length = struct.unpack_from("<Q", data, start + 8)[0], struct.unpack_from("<Q", data, start + 32)[0]
            if length < len(RELATIVE) + 1:
                break
            data[where : where + length] = RELATIVE.ljust(length, b"\0")
            path.write_bytes(data)
            return
    raise HostError(f"{path.name} has no loader name that can be replaced", code="bad-elf")
