from __future__ import annotations
from dataclasses import dataclass, field
class VerifyRequest: pass
def verify(r): pass
