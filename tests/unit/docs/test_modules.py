"""What no linter of ours sees: a module that was folded into another one takes no name that is there already."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]


def constants(module: ast.Module) -> Iterator[str]:
    """Names that are assigned on a module's own level."""
    for node in module.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_no_constant_is_given_twice() -> None:
    twice = {}
    for path in sorted((*(ROOT / "labctl").rglob("*.py"), *(ROOT / "tests").rglob("*.py"))):
        counts = Counter(constants(ast.parse(path.read_text(encoding="utf-8"))))
        if again := [name for name, count in counts.items() if count > 1]:
            twice[str(path.relative_to(ROOT))] = again
    assert twice == {}
