"""What ``evidence.json`` is, as a model: it judges what is read, and ``docs/evidence.schema.json`` is made of it.

Keys that the model does not know are kept: a newer labctl of the same schema version may have written them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from labctl import modelschema
from labctl.verify.verdict import SCHEMA, Verdict

SHA256 = "^[0-9a-f]{64}$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Check(_Part):
    """One check: its judgement, what it was judged by, and where the raw answers are."""

    id: str = Field(description="Stable identity, <scenario>.<kind>.<where>.")
    title: str = Field(description="What is checked, as a person reads it.")
    verdict: Verdict = Field(description="INCONCLUSIVE: it could not be judged; neither a pass nor a failure.")
    sentence: str = Field(description="What was found, in one sentence.")
    expected: Any = Field(None, description="Any JSON value; null where there is nothing to say.")
    seen: Any = Field(None, description="Any JSON value, of the same kind as expected where that is possible.")
    attempts: int = Field(1, ge=0, description="How often it was judged; the last judgement counts.")
    commands: list[str] = Field([], description="Raw answers, paths in the evidence folder.")
    captures: list[str] = Field([], description="pcap files, paths in the evidence folder.")
    seconds: float | None = Field(
        None, ge=0, description="From the first question to the answer that decided; null: no time of its own."
    )
    started: float | None = Field(None, ge=0, description="Seconds since verification began; null: not known.")
    cause: str | None = Field(
        None, description="Why it could not be judged, in words that all checks share that could not for this cause."
    )
    node: str | None = Field(None, description="The node that did not answer.")
    telling: str | None = Field(None, description="What one runs the scenario for, in few words, such as packets lost.")


class Load(_Part):
    """What the host's processors had to do while a scenario ran. Shares are from 0 to 1."""

    seconds: float = Field(ge=0, description="How long it was measured.")
    pressure: float | None = Field(None, description="Share of the time in which a program waited for one (PSI).")
    idle: float = Field(description="Share of all processors that nobody used.")
    stolen: float = Field(description="Share of all processors that other machines took.")
    guest_waited: float | None = Field(None, description="Share of the guest's working time that it waited for one.")
    guest_share: float | None = Field(None, description="Of one processor, used by the guest.")
    guest_lost: float | None = Field(None, description="Seconds that the guest waited.")


class Scenario(_Part):
    """One scenario."""

    id: str = Field(description="Its name, as labctl verify --scenario takes it.")
    title: str = Field(description="As a person reads it.")
    verdict: Verdict = Field(description="FAIL when a check failed, else INCONCLUSIVE when one is or none ran.")
    sentence: str = Field(description="Of the first check that decides.")
    started: float = Field(0.0, ge=0, description="Seconds since verification began.")
    seconds: float = Field(ge=0, description="How long it took.")
    load: Load | None = Field(None, description="Of the host meanwhile; null: not measured.")
    checks: list[Check] = Field(description="In the order in which they are told.")


class FileHash(_Part):
    """A file of the artifact folder."""

    sha256: str | None = Field(pattern=SHA256, description="As it was read; null: it was missing.")
    rendered: str | None = Field(pattern=SHA256, description="As it was rendered; null: not known.")


class CatalogueRow(_Part):
    """A figure, table or claim of the white paper, and the checks that reproduce it."""

    id: str = Field(description="Such as figure-15.")
    kind: Literal["figure", "table", "claim"] = Field(description="What it is in the paper.")
    title: str = Field(description="As the paper calls it.")
    place: str = Field("", description="Where in the paper it stands.")
    mode: str | None = Field(None, description="The mode of the lab in which it is shown; null: in any.")
    checks: list[str] = Field([], description="Identities of its checks that ran.")
    verdict: Verdict | None = Field(None, description="null: not run in this verification.")
    note: str | None = Field(None, description="What else there is to say, such as why it cannot be shown.")


class Environment(_Part):
    """What ran. Other keys are facts of the runtime."""

    labctl: str | None = Field(None, description="Version of labctl.")
    python: str | None = Field(None, description="Version of Python.")
    kernel: str | None = Field(None, description="Kernel of the host.")
    host: str | None = Field(None, description="Name of the host.")
    runtime: str | None = Field(None, description="embedded or containerlab.")
    launcher: str | None = Field(None, description="What booted the guest; empty where there is none.")
    guest_speed: float | None = Field(
        None, ge=0, description="Of the guest (without one: of the host) as it booted, as a factor of the reference."
    )
    mode: str | None = Field(None, description="The lab's own mode: routed or ipip.")
    target: dict[str, str] = Field({}, description="What the folder was rendered for.")
    versions: dict[str, str] = Field({}, description="Of what the lab runs.")
    edited: list[str] = Field([], description="Files of the artifact folder that are not as rendered.")
    time: str | None = Field(None, description="End of the verification, UTC, ISO 8601.")


class EvidenceDocument(_Part):
    """One verification of one lab. Keys may be added within a version of the schema."""

    schema_: Literal["labctl.evidence/v1"] = Field(alias="schema")
    lab: str = Field(description="The lab's name.")
    verdict: Verdict = Field(description="FAIL when a scenario failed, else INCONCLUSIVE when one is or none ran.")
    sentence: str = Field(description="How many scenarios have which verdict.")
    seconds: float = Field(ge=0, description="How long the whole verification took.")
    environment: Environment = Field(description="What ran, and when.")
    timings: dict[str, float] = Field({}, description="Scenario to seconds.")
    files: dict[str, FileHash] = Field({}, description="The artifact folder's files, by path.")
    scenarios: list[Scenario] = Field(description="In the order in which they are told.")
    catalogue: list[CatalogueRow] | None = Field(None, description="The white paper's figures, tables and claims.")
    only: list[str] | None = Field(None, description="Patterns of the checks that were asked for; null: all of them.")
    drift: list[str] = Field([], description="What was changed since up, read from the running lab; looked for where"
                             " something did not pass.")  # fmt: skip
    cut: str | None = Field(None, description="Why the verification was cut short; null: it came to its end.")


def json_schema() -> dict[str, Any]:
    """Draft 2020-12."""
    return modelschema.json_schema_of(EvidenceDocument, SCHEMA)


def schema_text() -> str:
    """As ``docs/evidence.schema.json`` holds it."""
    return modelschema.schema_text(EvidenceDocument, SCHEMA)


if __name__ == "__main__":
    print(schema_text(), end="")  # noqa: T201 - `make docs` writes it into docs/
