"""The front ends' common parent: it imports what they all need once, then forks one process a switch.

``python -m labctl.standin.switch.zygote FD``: on the socket FD, a line ``{"name", "spec", "log"}`` asks for a front
end, the answer is ``{"name", "pid"}``. Each is a process of its own (one may be stopped or killed without the others),
and dies with the zygote, which dies with the daemon.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path

import paramiko

import labctl.guest.client
import labctl.standin.switch.dataplane.platform
import labctl.standin.switch.shell
import labctl.standin.switch.shows.table
import labctl.standin.switch.sshd
from labctl.standin.switch.frontend import FrontEndSpec, run

PR_SET_PDEATHSIG = 1
_LOADED = (paramiko, labctl)


def serve(channel: socket.socket) -> None:
    """Fork on request until the channel closes; then everything ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    with channel.makefile("r") as requests:  # not "rw": writing would drop what was read ahead
        for line in requests:
            request = json.loads(line)
            pid = os.fork()
            if pid == 0:
                _child(request, channel)
            channel.sendall(json.dumps({"name": request["name"], "pid": pid}).encode() + b"\n")


def _child(request: dict[str, str], channel: socket.socket) -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    channel.close()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        run(FrontEndSpec.read(Path(request["spec"])))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever ends this child belongs in its log
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
