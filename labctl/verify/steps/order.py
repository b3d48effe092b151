"""What is wrong with the steps of a file among themselves: names that are taken or not there, what proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labctl.errors import Problem, did_you_mean
from labctl.verify.steps.expectmodel import MEASURED, Expect
from labctl.verify.steps.faultmodel import Fault
from labctl.verify.steps.model import Capture, Heal, Step, Stop, Traffic
from labctl.yamldoc import Document
from labctl.yamldoc import Path as DocumentPath

Placed = tuple[Step, DocumentPath]
"""A step and the path of its key in the document."""


def judge_order(document: Document, steps: Sequence[Placed]) -> list[Problem]:
    """All problems. What refers to a step that could not be read is not one: that step's own problem comes first."""
    written = _written(document)
    unread = {name for _, name in written} - {getattr(step, "name", None) for step, _ in steps}
    references = (problem for name, problem in _references(document, steps) if name not in unread)
    expects = any(kind == "expect" for kind, _ in written)
    return [*_names(document, steps), *references, *_proofs(document, steps, expects=expects)]


def _written(document: Document) -> list[tuple[str, str]]:
    """(kind, name) of every step that looks like one."""
    rows = document.data.get("steps")
    return [
        (kind, str(body["name"]))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        for kind, body in row.items()
        if isinstance(body, dict) and "name" in body
    ]


def _names(document: Document, steps: Sequence[Placed]) -> Iterator[Problem]:
    taken: dict[str, DocumentPath] = {}
    for step, path in steps:
        if isinstance(step, Heal | Stop):
            continue
        if step.name in taken:
            line = document.place((*taken[step.name], "name")).line
            why = f"{step.name} is the name of another step, in line {line}"
            yield Problem("duplicate-name", why, document.place((*path, "name")))
        taken.setdefault(step.name, path)


def _references(document: Document, steps: Sequence[Placed]) -> Iterator[tuple[str, Problem]]:
    """A step speaks of what is there when its turn comes: the name that it gives, and what is wrong with that."""
    faults: dict[str, bool] = {}
    running: dict[str, Step] = {}
    for step, path in steps:
        match step:
            case Fault():
                faults[step.name] = True
            case Traffic() | Capture():
                running[step.name] = step
            case Heal(name) if name is not None:
                if not faults.get(name):
                    why = f"{name} is healed already" if name in faults else f"no fault {name} was made before"
                    yield name, Problem("no-such-fault", why, document.place(path), did_you_mean(name, _open(faults)))
                faults[name] = False
            case Heal():
                faults = dict.fromkeys(faults, False)
            case Stop(name) if name not in running:
                why = f"no traffic or capture {name} was begun before"
                yield name, Problem("nothing-to-stop", why, document.place(path), did_you_mean(name, running))
            case Expect(loss=loss) if loss is not None and not isinstance(running.get(loss.of), Traffic):
                known = [name for name, other in running.items() if isinstance(other, Traffic)]
                yield loss.of, _unknown(document, (*path, "loss", "of"), loss.of, "traffic", known)
            case Expect(packets=packets) if packets is not None and not isinstance(running.get(packets.of), Capture):
                known = [name for name, other in running.items() if isinstance(other, Capture)]
                yield packets.of, _unknown(document, (*path, "packets", "of"), packets.of, "capture", known)
            case _:
                pass


def _open(faults: dict[str, bool]) -> list[str]:
    return [name for name, is_open in faults.items() if is_open]


def _unknown(document: Document, path: DocumentPath, name: str, what: str, known: Sequence[str]) -> Problem:
    hint = did_you_mean(name, known, f"there is {', '.join(known)}" if known else None)
    return Problem(f"no-such-{what}", f"no {what} {name} was begun before", document.place(path), hint)


def _proofs(document: Document, steps: Sequence[Placed], *, expects: bool) -> Iterator[Problem]:
    expected = [(step, path) for step, path in steps if isinstance(step, Expect)]
    judged = {step.loss.of for step, _ in expected if step.loss is not None}
    for step, path in steps:
        if isinstance(step, Traffic) and step.name not in judged:
            hint = f"expect: {{name: …, loss: {{of: {step.name}, ms: 1000}}}}"
            yield Problem("not-judged", f"nothing says what {step.name} may lose", document.place(path), hint)
    for step, path in expected:
        timed = [word for word in ("within", "hold") if getattr(step, word) is not None]
        if len(timed) == 2:
            yield Problem("two-times", "within and hold do not go together", document.place((*path, "hold"), key=True))
        if timed and step.kind in MEASURED:
            why = f"{step.kind} is judged once, out of what was captured"
            yield Problem("no-time", why, document.place((*path, timed[0]), key=True), f"leave {timed[0]} out")
    if steps and not expects:
        why = "nothing is expected, so nothing could fail"
        yield Problem("nothing-expected", why, document.place(("steps",)), "a step expect")
