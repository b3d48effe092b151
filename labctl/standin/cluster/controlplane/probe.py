"""Whether a component of the control plane answers: one HTTPS request with a client certificate."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass

from labctl.pace import limit
from labctl.waiting import NotYet


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to ``https://127.0.0.1:PORT/PATH``; files are PEM. Called, it gives None when the answer is 200."""

    name: str
    port: int
    path: str
    authority: str
    certificate: str
    key: str

    def __call__(self) -> NotYet | None:
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(self.certificate, self.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=limit("connect"), context=context)
        try:
            connection.request("GET", self.path)
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return NotYet(f"{self.name} does not answer yet: {error}")
        finally:
            connection.close()
        if answer.status == 200:
            return None
        failing = [line for line in body.splitlines() if line.startswith("[-]")]
        return NotYet(f"{self.name}: HTTP {answer.status} {', '.join(failing) or body[:200]}")
