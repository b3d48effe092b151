"""What a validator's findings are called in front of a person: a sentence and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from ipaddress import ip_network
from typing import Any

from labctl.errors import did_you_mean
from labctl.imagename import ROLES
from labctl.yamldoc import VARIABLES

Words = tuple[str, str | None]
"""(sentence, hint)"""

_SWITCH = ("a switch's name", "letters, digits and '-', a letter first; 2 to 32 of them")
_NODE = ("a name", "lower-case letters, digits and '-', a letter first; 2 to 32 of them")
_VERSION = ("a version", "three numbers, as in 1.34.3")
_POD = ("a pod's name", "lower-case letters, digits, '-' and '.'")
_LABEL = ("a name in Kubernetes", "lower-case letters, digits and '-'; 63 at most")
_LOOKS: dict[str, tuple[str, str]] = {
    "name": ("a lab's name", "lower-case letters, digits and '-'; 2 to 32 of them"),
    "cluster.nodes.name": _NODE,
    "external.name": _NODE,
    "fabric.vrfs.name": ("a VRF's name", "letters, digits, '-' and '_', a letter first; 32 at most"),
    "fabric.vrfs.networks.name": ("a VLAN's name", "letters, digits, '.', '-' and '_'; 32 at most"),
    "fabric.anycast_mac": ("a MAC address as NX-OS writes it", "as in 2020.0000.00aa"),
    "fabric.nxos": ("an NX-OS version", "as in 10.5(4)"),
    "cluster.kubernetes": _VERSION,
    "cluster.calico.version": _VERSION,
    **{
        f"traffic.pings.{end}.{key}": looks
        for end in ("from", "to")
        for key, looks in (("node", _NODE), ("pod", _POD), ("namespace", _LABEL))
    },
    **{f"traffic.curls.{key}": _NODE for key in ("from", "backends")},
    **{f"traffic.curls.{key}": _LABEL for key in ("service", "namespace")},
}


def words(row: Mapping[str, Any], path: tuple[str | int, ...], also: AbstractSet[str] = frozenset()) -> Words:
    """The words for one finding of pydantic at ``path`` of the document; ``also``: all kinds of finding there."""
    kind, given, context = row["type"], row.get("input"), row.get("ctx", {})
    if isinstance(given, str) and "${" in given:
        return f"{given!r} stands here as it is", VARIABLES
    name = next((step for step in reversed(path) if isinstance(step, str)), "the spec")
    dotted = ".".join(step for step in path if isinstance(step, str))
    shown = f"{given!r} " if isinstance(given, str | int | float) else ""
    if kind == "literal_error":
        known = (
            f"there is no {given!r} among the {name}" if isinstance(path[-1], int) else f"{name} cannot be {given!r}"
        )
        more = ", or a manifest beside the spec, as in web.yaml" if "string_pattern_mismatch" in also else ""
        return known, _options(str(given), context["expected"], more)
    if given is None:
        return f"{name} says nothing", "leave it out for labctl's default, or write a value"
    if kind == "model_type" and path and isinstance(path[-1], int):
        name = f"an item of {name}"
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if kind == "string_pattern_mismatch" or (kind == "string_type" and is_number and dotted not in _ANY_TEXT):
        what, example = _LOOKS.get(dotted, _SWITCH)
        return f"{shown}does not look like {what}", example
    if kind in _SENTENCES:
        sentence = _SENTENCES[kind].format(name=name, **context)
        or_list = " or a list" if kind in WHOLE and "tuple_type" in also else ""
        return f"{sentence}{or_list}{_not(given)}", _form(kind, name, given)
    return _address(kind, name, given, also) or _count(kind, name, context) or (f"{shown}{_message(row)}", None)


TWO_BYTES = "two bytes: the fabric's route targets are made of it"
MEANT = {
    "cluster.workers": "nodes, which counts the control plane too", "cluster.podSubnet": "calico: {pools: [{cidr: …}]}",
    "cluster.serviceSubnet": "services", "cluster.version": "kubernetes, or calico: {version: …}",
    "cluster.cni": "calico", "cluster.bgp_as": "asn", "fabric.bgp_as": "asn", "fabric.version": "nxos",
    "fabric.leafs": "leaf_pairs", "fabric.leaves": "leaf_pairs",
}  # fmt: skip
"""What kind, netlab or containerlab call it → what it is called here."""
WHOLE = ("int_parsing", "int_type", "int_from_float")
"""Kinds of finding that say: no whole number."""
_ANY_TEXT = ("name", *(f"images.{role}" for role in ROLES))
"""Where a number only lacks its quotes."""
_ADDRESSES = {
    **dict.fromkeys(("ip_v4_address", "ip_v6_address"), "four numbers of 0 to 255, as in 192.168.1.10, or IPv6"),
    **dict.fromkeys(("ip_v4_interface", "ip_v6_interface"), "as in 192.168.1.1/24"),
}
_SENTENCES: dict[str, str] = {
    **dict.fromkeys(WHOLE, "{name} must be a whole number"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "{name} must be a mapping"),
    **dict.fromkeys(("tuple_type", "list_type"), "{name} must be a list"),
    "less_than_equal": "{name} must be at most {le}",
    "greater_than_equal": "{name} must be at least {ge}",
    "string_type": "{name} must be text",
}


def _address(kind: str, name: str, given: object, also: AbstractSet[str]) -> Words | None:
    shown = f"{given!r} " if isinstance(given, str | int | float) else ""
    if kind == "zone":
        return f"{shown}has a zone, which means something on one host alone", re.sub("%[^/]*", "", str(given))
    if kind.startswith("ip_v4") and kind.replace("4", "6") not in also and ":" in str(given):
        return f"{shown}is IPv6, and {name} takes IPv4 alone", None
    if kind in {"ip_v4_network", "ip_v6_network"}:
        return _network(given)
    if kind.endswith("_address") and "/" in str(given):
        address, _, length = str(given).partition("/")
        return f"{shown}has a prefix length, and {name} takes none", f"leave /{length} away: {address}"
    if kind in _ADDRESSES:
        return f"{shown}is no {'address with a prefix length' if 'interface' in kind else 'address'}", _ADDRESSES[kind]
    return None


def _not(given: object) -> str:
    if isinstance(given, bool):
        return f", not {str(given).lower()}"
    if isinstance(given, str | int | float):
        return f", not {given!r}"
    if isinstance(given, list | dict):
        return f", not a {'list' if isinstance(given, list) else 'mapping'}"
    return ""


def _count(kind: str, name: str, context: Mapping[str, Any]) -> Words | None:
    if kind not in {"too_short", "too_long"}:
        return None
    has = context["actual_length"]
    if kind == "too_short":
        return f"{name} is empty" if not has else f"{name} needs {context['min_length']} or more, and has {has}", None
    hint = f"labctl renders one of the {name} so far" if context["max_length"] == 1 else None
    return f"{name} takes {context['max_length']} at most, and has {has}", hint


def _form(kind: str, name: str, given: object) -> str | None:
    """What to write instead, where one form fits."""
    number = isinstance(given, int | float) and not isinstance(given, bool)
    rows = (
        (kind in {"model_type", "model_attributes_type"} and name == "cluster", "cluster: none, for a lab without one"),
        (kind in {"tuple_type", "list_type"} and isinstance(given, str | int | float), f"{name}: [{given}]"),
        (kind in WHOLE and not isinstance(given, bool), _number(name, given)),
        (kind == "less_than_equal" and name == "mtu", "with VXLAN's 50 bytes it must fit into the fabric's 9216"),
        (kind == "less_than_equal" and name == "asn" and number and float(str(given)) < 1 << 32, TWO_BYTES),
        (kind == "string_type" and number, f'{name}: "{given}"'),
    )
    return next((hint for fits, hint in rows if fits), None)


def _number(name: str, given: object) -> str | None:
    """The number that an odd spelling means, or could mean."""
    if isinstance(given, float):
        return f"{name}: {int(given)}" if given.is_integer() else None
    text = str(given).replace("_", "").removeprefix("+")
    if not re.fullmatch("0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|[0-9]+", text):
        return None
    if re.fullmatch("0[0-7]+", text):
        return f"{name}: {int(text)}, or {name}: {int(text, 8)}, which is what YAML 1.1 takes it for"
    return f"{name}: {int(text) if text.isdigit() else int(text, 0)}"


def _message(row: Mapping[str, Any]) -> str:
    text = str(row["msg"]).removeprefix("Value error, ")
    return f"{text[0].lower()}{text[1:]}"


def _options(given: str, expected: str, more: str) -> str:
    options = [option.strip("' ") for option in expected.replace(" or ", ", ").split(",")]
    return did_you_mean(given, options) or f"one of {', '.join(options)}{more}"


def _network(given: object) -> Words:
    """A network with host bits gets the one that it lies in."""
    try:
        return f"{given!r} has host bits set", f"did you mean {ip_network(str(given), strict=False)}?"
    except ValueError:
        return f"{given!r} is no network", "an address with a prefix length, as in 10.244.0.0/16"
