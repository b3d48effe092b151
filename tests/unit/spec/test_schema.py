"""The JSON Schema for editors: whole, described everywhere, and true to what the loader takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.modelschema import DIALECT, json_schema_of
from labctl.spec.keys import Spec
from labctl.spec.load import loads

TOPOLOGIES = sorted((Path(__file__).parents[3] / "topologies").glob("*.yaml"))
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
KNOWN = {"$defs", "$ref", "$schema", "additionalProperties", "anyOf", "const", "default", "description", "enum",
         "examples", "format", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum",
         "pattern", "patternProperties", "prefixItems", "properties", "propertyNames", "required", "title",
         "type"}  # fmt: skip
"""The keywords of draft 2020-12 (core, applicator, validation, meta-data) that the generator uses."""


def json_schema() -> dict[str, Any]:
    """What `labctl validate --schema` prints."""
    return json_schema_of(Spec, "labctl spec")


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema; not the values of ``default``, ``examples`` and the like."""
    yield schema
    for key in ("anyOf", "prefixItems"):
        for inner in schema.get(key, ()):
            yield from parts(inner)
    for key in ("$defs", "properties", "patternProperties"):
        for inner in schema.get(key, {}).values():
            yield from parts(inner)
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key])


def accepts(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """The part of JSON Schema that the generator uses, by the book."""
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root)
    if "anyOf" in schema:
        return any(accepts(inner, value, root) for inner in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kind = TYPES[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, int):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        items = schema.get("prefixItems") or [schema.get("items", True)] * len(value)
        return all(inner is True or accepts(inner, item, root) for inner, item in zip(items, value, strict=True))
    return value is None or mapping(schema, value, root)


def mapping(schema: dict[str, Any], value: dict[str, Any], root: dict[str, Any]) -> bool:
    if not set(schema.get("required", ())) <= set(value):
        return False
    for key, item in value.items():
        inner = schema.get("properties", {}).get(key)
        patterns = schema.get("patternProperties", {})
        inner = inner or next((found for pattern, found in patterns.items() if re.search(pattern, key)), None)
        if inner is None and schema.get("additionalProperties") is False:
            return False
        if inner is not None and not accepts(inner, item, root):
            return False
    return True


def test_it_is_draft_2020_12_by_its_metaschema() -> None:
    """With the jsonschema package where somebody has it; by its structure everywhere."""
    schema = json_schema()
    assert schema["$schema"] == DIALECT
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        return
    Draft202012Validator.check_schema(schema)


def test_its_structure_is_sound() -> None:
    schema = json_schema()
    for part in parts(schema):
        assert set(part) <= KNOWN
        assert part.get("type", "string") in TYPES
        assert len(part.get("enum", [])) == len(set(part.get("enum", [])))
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/$defs/") in schema["$defs"]
        if "pattern" in part:
            re.compile(part["pattern"])
        assert not ({"minLength", "maxLength"} & set(part)) or part.get("type") == "string"
    assert sum("maxItems" in part for part in parts(schema)) > 5


def test_every_key_has_a_description_and_every_mapping_refuses_unknown_ones() -> None:
    schema = json_schema()
    for name, part in [("spec", schema), *schema["$defs"].items()]:
        assert part["additionalProperties"] is False, name
        assert part["description"], name
        bare = [key for key, inner in part["properties"].items() if not inner.get("description")]
        assert bare == [], name


def test_choices_are_enumerations() -> None:
    text = str(json_schema())
    for choice in ("'routed', 'ipip'", "'physical', 'fabric'", "'control-plane', 'worker'", "'n9kv', 'standin'",
                   "'kind', 'standin'", "'bgp', 'ping', 'curl', 'cluster', 'leafs', 'ping-ipip'",
                   "'never', 'if-not-present', 'always'",
                   "'pingtest', 'nginx-dual', 'nginx'"):  # fmt: skip
        assert f"'enum': [{choice}" in text, choice


def test_examples_are_good_by_the_schema_itself() -> None:
    schema = json_schema()
    for part in parts(schema):
        inner = {key: value for key, value in part.items() if key not in {"examples", "description", "default"}}
        for example in part.get("examples", ()):
            assert accepts(inner, example, schema), (example, part)


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.stem)
def test_shipped_topologies_are_good_by_it(path: Path) -> None:
    schema = json_schema()
    assert accepts(schema, yaml.safe_load(path.read_text(encoding="utf-8")), schema)


@pytest.mark.parametrize(
    "text",
    [
        "{}", "name: Lab", "name: lab\nfabrik: {}", "name: lab\nfabric: {spines: 9}", "name: lab\ncluster: no",
        "name: lab\nfabric: {leaf_pairs: [{leafs: [a1]}]}", "name: lab\nworkloads: [web]", "name: lab\nfabric: []",
        "name: lab\nfabric: {vrfs: []}", "name: lab\ntarget: {switch: kind}", "name: lab\ncluster: {mode: bgp}",
        "name: lab\nexternal: [{name: ext1}]", "name: lab\nfabric: {vrfs: [{networks: [{gateway: []}]}]}",
    ],
)  # fmt: skip
def test_what_the_loader_refuses_by_its_form_an_editor_refuses_too(text: str) -> None:
    schema = json_schema()
    assert not accepts(schema, yaml.safe_load(text), schema)


def test_a_list_of_one_needs_no_brackets() -> None:
    schema = json_schema()
    text = (
        "name: lab\nfabric: {vrfs: [{networks: [{gateway: 192.168.7.1/24}], peering_loopbacks: {leaf101: 10.9.9.9}}]}\n"
        "cluster: {nodes: [{name: m1, address: 192.168.7.9}, {name: w1}]}\n"
    )
    assert accepts(schema, yaml.safe_load(text), schema)
    assert loads("lab.yaml", text).fabric.vrfs[0].networks[0].gateway == (ip_interface("192.168.7.1/24"),)
