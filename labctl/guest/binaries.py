"""Files of the image that labctl writes or mends itself: the initramfs, a loader's name, two bytes of UML's kernel."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path

from labctl.errors import HostError

_TRAILER = "TRAILER!!!"


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4)


def cpio(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Gzipped newc archive of regular files: name → (contents, permission bits). Linux: driver-api/early-userspace."""
    body = b"".join(
        _entry(number, name, 0o100000 | mode, data) for number, (name, (data, mode)) in enumerate(files.items(), 1)
    )
    return gzip.compress(body + _entry(0, _TRAILER, 0, b""), compresslevel=1, mtime=0)


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
