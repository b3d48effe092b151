"""``labctl init``: a spec that works as it is, and with every knob turned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from click.shell_completion import ShellComplete
from pydantic import BaseModel

from labctl.cli.main import cli
from labctl.shipped import renamed, starter, topologies
from labctl.spec.keys import Spec
from labctl.spec.load import loads

Run = Callable[..., Any]
ALTERNATIVE = re.compile(r"^([ \t]*)(\w+): [^\n]*\n\1# or: (\2: [^\n]*)$", re.MULTILINE)
KNOB = re.compile(r"^([ \t]*)#(?=[^ \n])", re.MULTILINE)


def uncommented(text: str) -> str:
    """The starter with every knob turned on; its explanations stay comments."""
    return KNOB.sub(r"\1", text)


def test_the_default_is_a_working_lab(run: Run) -> None:
    done = run("init")
    assert (done.code, done.err) == (0, "")
    assert done.out == "lab.yaml: written; labctl up lab.yaml boots it\n"
    assert loads("lab.yaml", Path("lab.yaml").read_text()) == loads("x", "name: lab\nfabric: {spines: 2}\n")
    assert run("validate", "lab.yaml").code == 0


def test_every_knob_turned_is_a_working_lab_too() -> None:
    text = uncommented(starter("lab"))
    spec = loads("lab.yaml", text)
    assert spec.fabric.borders == 1
    assert spec.external[0].attach == "border1"
    assert not re.search(r"^\s*#\S", text, re.MULTILINE)


@pytest.mark.parametrize("turned", [False, True])
def test_every_other_way_to_write_it_works_too(turned: bool) -> None:
    text = starter("lab")
    text = uncommented(text) if turned else text
    found = list(ALTERNATIVE.finditer(text))
    # each stands under the line that it replaces; that of `borders` is under a knob
    assert len(found) == text.count("# or: ") - (not turned) == (4 if turned else 3)
    for match in found:
        loads("lab.yaml", text.replace(match[0], f"{match[1]}{match[3]}"))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for inner in get_args(annotation):
        yield from models(inner)


def test_every_key_of_a_spec_is_in_it() -> None:
    text = starter("lab")
    keys = {field.alias or name for model in models(Spec) for name, field in model.model_fields.items()}
    missing = {key for key in keys if not re.search(rf"\b{key}\b: ?", text)}
    assert missing == set()


def test_every_knob_is_explained_and_no_line_is_long() -> None:
    lines = starter("lab").splitlines()
    assert max(map(len, lines)) <= 120
    blocks = "\n".join(lines).split("\n\n")
    assert all(block.lstrip().startswith("# ") for block in blocks)


def test_the_name_comes_from_the_option_or_the_file(run: Run) -> None:
    run("init", "demo.yaml")
    run("init", "other.yaml", "--name", "mine")
    run("init", "Not A Name.yaml")
    names = [loads(name, Path(name).read_text()).name for name in ("demo.yaml", "other.yaml", "Not A Name.yaml")]
    assert names == ["demo", "mine", "lab"]


@pytest.mark.parametrize("name", ["12", "0x1f", "1e5", "2024-01-01", "yes", "on", "null", "true", "a-b", "007"])
def test_names_that_yaml_takes_for_something_else(name: str) -> None:
    assert loads("lab.yaml", starter(name)).name == name


@pytest.mark.parametrize("topology", sorted(topologies()))
@pytest.mark.parametrize("name", [None, "mine"])
def test_a_copy_of_a_topology(run: Run, topology: str, name: str | None) -> None:
    assert run("init", "copy.yaml", "--from", topology, *(("--name", name) if name else ())).code == 0
    source = topologies()[topology].read_text()
    copied = Path("copy.yaml").read_text()
    assert loads("copy.yaml", copied).name == (name or topology)
    if name is None:
        assert copied == source
    else:
        assert loads("x", copied).model_copy(update={"name": topology}) == loads("x", source)
        assert len(copied.splitlines()) == len(source.splitlines())


def test_only_the_lab_is_renamed() -> None:
    text = "# name: x\nname: old  # why\nvrfs: [{name: keep}]\n"
    assert renamed(text, "new") == "# name: x\nname: new  # why\nvrfs: [{name: keep}]\n"


def test_a_file_that_is_there_is_not_touched(run: Run) -> None:
    Path("lab.yaml").write_text("mine")
    done = run("init")
    assert done.code == 2
    assert "[file-exists]" in done.err
    assert "not overwritten" in done.err
    assert Path("lab.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no/such/lab.yaml",), "[bad-path]"),
        (("lab.yaml", "--from", "whitepapr"), "did you mean whitepaper?"),
        (("lab.yaml", "--from", "qqq"), "there are coloured-pairs, fabric, minimal, whitepaper, whitepaper-usecases"),
        (("lab.yaml", "--from", "../topologies/minimal"), "no topology"),
        (("lab.yaml", "--name", "Bad Name"), "[bad-lab-name]"),
        (("-", "--name", "x\nfabric: 1"), "[bad-lab-name]"),
    ],
)
def test_bad_input(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run("init", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not Path("lab.yaml").exists()


def test_a_folder_is_no_file(run: Run) -> None:
    Path("folder").mkdir()
    assert run("init", "folder").code == 2


def test_dash_prints(run: Run) -> None:
    done = run("init", "-")
    assert done.out == starter("lab")
    assert not list(Path().iterdir())
    assert loads("-", run("init", "-", "--from", "minimal", "--name", "two").out).name == "two"


def test_completion_of_topologies() -> None:
    shell = ShellComplete(cli, {}, "labctl", "_LABCTL_COMPLETE")
    assert [item.value for item in shell.get_completions(["init", "--from"], "")] == sorted(topologies())
    assert [item.value for item in shell.get_completions(["init", "--from"], "mi")] == ["minimal"]
