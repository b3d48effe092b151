"""Packet capture with a socket of our own: capturing from bind() on, no process, VLAN tags put back.

The kernel takes a VLAN tag out of the frame and hands it over beside it (packet(7), PACKET_AUXDATA); a pcap reader
wants it inside, as libpcap does. The filter is compiled by tcpdump against the interface itself, so that it knows
about tags that are beside the frame.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Callable

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_AUXDATA = 8
PACKET_MR_PROMISC = 1
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
AUXDATA = struct.Struct("=IIIHHHH")
TIMESPEC = struct.Struct("=qq")
PCAP_HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
RECORD = struct.Struct("=IIII")
RECEIVE_BUFFER = 4 << 20


class FilterError(ValueError):
    """tcpdump's words on a filter that is none."""


def compile_filter(interface: str, expression: str, limit: float) -> bytes:
    """A classic BPF program for SO_ATTACH_FILTER. Raises `FilterError`."""
    done = subprocess.run(
        ("tcpdump", "-ddd", "-i", interface, expression), capture_output=True, check=False, timeout=limit
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise FilterError(lines[-1] if lines else "tcpdump refused the filter")
    rows = [line.split() for line in done.stdout.decode().splitlines()[1:]]
    return b"".join(struct.pack("=HBBI", int(code), int(jt), int(jf), int(k)) for code, jt, jf, k in rows)


def open_socket(interface: str, expression: str, limit: float) -> socket.socket:
    """A bound, filtered, promiscuous packet socket in the calling thread's network namespace."""
    program = compile_filter(interface, expression, limit) if expression else b""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        if program:
            buffer = bytearray(program)
            address = ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
            packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, address))
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        packets.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        index = socket.if_nametoindex(interface)
        request = struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b"")
        packets.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
        packets.bind((interface, ETH_P_ALL))
    except OSError:
        packets.close()
        raise
    return packets


def record(packets: socket.socket) -> bytes:
    """The next packet as a pcap record (microseconds)."""
    data, ancillary, _, _ = packets.recvmsg(262144, 512)
    seconds, nanoseconds = 0, 0
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = TIMESPEC.unpack(value[: TIMESPEC.size])
        elif level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = AUXDATA.unpack(value[: AUXDATA.size])
            if status & TP_STATUS_VLAN_VALID:
                protocol = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                data = data[:12] + struct.pack(">HH", protocol, tci) + data[12:]
    return RECORD.pack(seconds, nanoseconds // 1000, len(data), len(data)) + data


def pump(packets: socket.socket, over: threading.Event, write: Callable[[bytes], None]) -> None:
    """Write the pcap stream until ``over`` is set; what is queued by then is still written."""
    write(PCAP_HEADER)
    poller = select.poll()
    poller.register(packets, select.POLLIN)
    while True:
        ready = poller.poll(20)
        if ready:
            write(record(packets))
        elif over.is_set():
            return
