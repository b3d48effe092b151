"""A scenario file as frozen models; what a fault and an expectation can be stands in modules of their own.

``docs/scenarios.md`` is made of the words of all three, `labctl.verify.steps.load` reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from labctl.verify.steps.expectmodel import Expect
from labctl.verify.steps.faultmodel import Fault
from labctl.verify.steps.forms import End, Family, StepModel, StepName


class Traffic(StepModel):
    """A ping that goes on until it is stopped, captured at its sender's interface; begins when one was answered."""

    name: StepName
    sender: End = Field(alias="from", description="`node01`, `ext1`, or `{pod: app=pingtest, node: node01}`")
    target: End = Field(alias="to", description="the same, or an address")
    family: Family = "ipv4"
    interval_ms: int = Field(default=20, ge=10, le=1000)


class Capture(StepModel):
    """Packets at an interface, kept as evidence; judged by `packets`."""

    name: StepName
    at: str = Field(description="a switch, node or host")
    interface: str = Field(description="as the lab names it: `Ethernet1/4`, `port-channel11`, `bond0`, `eth1`")
    filter: str = Field(default="", description="a pcap filter")


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends a traffic or a capture by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Heal:
    """Undoes a fault by its name; None: all of them."""

    name: str | None


Step = Traffic | Capture | Fault | Expect | Stop | Heal
STEPS: Mapping[str, type[StepModel] | None] = {
    "traffic": Traffic, "fault": Fault, "expect": Expect, "capture": Capture, "heal": None, "stop": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario as it is written. ``objects``: Kubernetes objects that are there while it runs."""

    name: str
    title: str
    steps: tuple[Step, ...]
    objects: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def disruptive(self) -> bool:
        """Whether it changes the lab for a while."""
        return bool(self.objects) or any(isinstance(step, Fault) for step in self.steps)
