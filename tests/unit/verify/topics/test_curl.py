"""The judge of a page."""

from __future__ import annotations

import pytest

from labctl.guest.api import Completed
from labctl.verify.topics.curl import CurlInput, judge_page

CURL = CurlInput.model_validate({
    "name": "host", "from": {"node": "node02"}, "service": "default/web", "port": 80, "contains": "Welcome",
})  # fmt: skip


@pytest.mark.parametrize(
    ("code", "page", "message", "endpoints", "verdict", "sentence"),
    [
        (0, "Welcome to nginx!", "", 2, "PASS", "the page came (17 bytes)"),
        (0, "Not here", "", 2, "FAIL", "the page does not contain 'Welcome'"),
        (28, "", "curl: (28) timed out", 1, "FAIL", "curl: (28) timed out; default/web has 1 endpoint"),
        (7, "", "curl: (7) x", 0, "FAIL", "curl: (7) x; default/web has 0 endpoints"),
        (35, "", "curl: (35) handshake\n", 2, "FAIL", "curl: (35) handshake; default/web has 2 endpoints"),
        (77, "", "", 2, "FAIL", "curl ended with 77"),
    ],
)
def test_curl(code: int, page: str, message: str, endpoints: int, verdict: str, sentence: str) -> None:
    found = judge_page(CURL, "http://10.96.0.9:80/", Completed(code, page.encode(), message.encode()), endpoints)
    assert found.verdict == verdict
    assert sentence in found.sentence
    assert found.sentence.startswith("node02: http://10.96.0.9:80/: ")
