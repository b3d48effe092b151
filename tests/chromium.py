"""A real browser for tests: headless Chromium, driven by the DevTools protocol over its pipe (descriptors 3 and 4).

No library and no port: messages are JSON with a NUL after each. Names resolve to nothing, and every request that the
page makes is kept, so that a test can say that none left it.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labctl.waiting import Deadline

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(
    PROGRAM is None,
    reason="NOT TESTED in a browser: there is no chromium and no google-chrome on PATH",
)
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
ARRANGE = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(ends[0], 3), os.dup2(ends[1], 4)
os.closerange(5, 256)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the pipe where chromium looks for it, in a process of its own."""
PATIENCE = 30.0


@dataclass
class Browser:
    """One page. ``events``: everything that the browser told."""

    commands: int
    answers: int
    session: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    _number: int = 0
    _read: bytes = b""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command and its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        deadline = Deadline(PATIENCE)
        while True:
            told = self._next(deadline)
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told['error']}"
                result: dict[str, Any] = told["result"]
                return result

    def _next(self, deadline: Deadline) -> dict[str, Any]:
        while b"\0" not in self._read:
            assert select.select([self.answers], [], [], max(0.0, deadline.remaining))[0], "chromium says nothing"
            piece = os.read(self.answers, 1 << 20)
            assert piece, "chromium ended"
            self._read += piece
        line, _, self._read = self._read.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        if "id" not in told:
            self.events.append(told)
        return told

    def await_event(self, method: str) -> None:
        """Until it was told."""
        deadline = Deadline(PATIENCE)
        while not any(event["method"] == method for event in self.events):
            self._next(deadline)

    def open(self, page: Path, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Browser:
        """Load a page."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.await_event("Page.loadEventFired")
        return self

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives; an exception fails the test."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Of the console, uncaught exceptions, refused by the content security policy."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.events if event["method"] in kinds]

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]

    def picture(self, path: Path, *, height: int | None = None) -> Path:
        """A screenshot of the page from its top, PNG."""
        parameters: dict[str, Any] = {}
        if height:
            width = self.value("innerWidth")
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            parameters = {"clip": clip, "captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"]))
        return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the time of the block."""
    assert PROGRAM is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(prefix="labctl-chromium-", ignore_cleanup_errors=True) as profile:
        environment = {**os.environ, "HOME": profile, "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        process = subprocess.Popen(
            (sys.executable, "-c", ARRANGE, str(theirs_in), str(theirs_out),
             PROGRAM, *SWITCHES, f"--user-data-dir={profile}", "about:blank"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
            pass_fds=(theirs_in, theirs_out), start_new_session=True,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        browser = Browser(ours_out, ours_in)
        try:
            targets = browser.call("Target.getTargets")["targetInfos"]
            page = next(row["targetId"] for row in targets if row["type"] == "page")
            browser.session = browser.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                browser.call(f"{domain}.enable")
            yield browser
        finally:
            os.close(ours_out)  # its end of the pipe closes: chromium ends by itself
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(ours_in)
