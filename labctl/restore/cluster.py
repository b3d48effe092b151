"""A cluster: what differs from an earlier inventory of it, and bringing that back through the API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from labctl.errors import CheckFailed, InconclusiveError
from labctl.kube.api import Api, ApiError, ApiLate, Json
from labctl.restore.inventory import CONTROLLERS_WORDS, STATE_TAINT, Found, Key, collect
from labctl.restore.part import Do, Entry, Part
from labctl.waiting import LONGEST_PAUSE, Cancelled, Deadline, DeadlinePassed, tell_reason, wait_for

What = Literal["added", "missing", "changed", "pod"]
GRACE = 1
"""Seconds that a pod has for its end: a person waits for the lab, and nothing in it is worth keeping."""
FIRST = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicyBinding",
         "MutatingAdmissionPolicyBinding", "ResourceQuota", "LimitRange", "APIService")  # fmt: skip
"""These are taken away first: they may refuse what comes after them."""
BEFORE = ("CustomResourceDefinition", "Namespace", "Node", "PriorityClass", "ServiceAccount", "ClusterRole", "Role",
          "ClusterRoleBinding", "RoleBinding", "ConfigMap", "Secret")  # fmt: skip
"""These are brought back first: others need them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``added``: to be deleted; ``missing``, ``changed``: to be brought back; ``pod``: restarted."""

    what: What
    key: Key
    detail: str = ""

    def __str__(self) -> str:
        done = {"added": "deleted", "missing": "made again", "changed": "changed back", "pod": "restarted"}
        return f"{self.key} {done[self.what]}" + (f": {self.detail}" if self.detail else "")


def changes(first: Mapping[Key, Json], found: Found) -> list[Change]:
    """All differences. Pure."""
    now = found.kept()
    result = [Change("missing", key) for key in first if key not in now]
    result += [
        Change("changed", key, where)
        for key, body in first.items()
        if key in now and (where := different(body, now[key]))
    ]
    result += [Change("added", key) for key in now if key not in first and not _goes_along(key, first, now)]
    back = [row.key for row in result if row.key.kind in ("ConfigMap", "Secret")]
    result += _pods(found, {(key.kind, key.namespace, key.name) for key in back})
    return sorted(result, key=lambda row: (row.what, row.key))


def _goes_along(key: Key, first: Mapping[Key, Json], now: Mapping[Key, Json]) -> bool:
    """What is in a namespace, or of a definition, that is deleted itself."""
    space = Key("v1", "Namespace", "", key.namespace)
    if space in now and space not in first:
        return True
    group = key.version.partition("/")[0]
    return any(
        body["spec"]["group"] == group and body["spec"]["names"]["kind"] == key.kind
        for other, body in now.items()
        if other.kind == "CustomResourceDefinition" and other not in first
    )


def different(first: Any, now: Any) -> str:
    """Where two objects differ first, and how often: ``spec.replicas, spec.paused``; empty when they are equal."""
    places = list(dict.fromkeys(_places(first, now, "")))
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return ", ".join(places[:3]) + more


def _places(first: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(first, dict) and isinstance(now, dict):
        for key in sorted({*first, *now}):
            if first.get(key) != now.get(key):
                yield from _places(first.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif first != now:
        yield path


def _pods(found: Found, touched: set[tuple[str, str, str]]) -> Iterator[Change]:
    """Pods of controllers that are not as their template has them, or that use what is brought back."""
    templates = {
        item["metadata"]["uid"]: item["spec"]["template"]
        for item in found.objects.values()
        if isinstance((item.get("spec") or {}).get("template"), dict)
    }
    for key, pod in found.objects.items():
        if key.kind == "Pod" and "deletionTimestamp" not in pod["metadata"] and (why := _why(pod, templates, touched)):
            yield Change("pod", key, why)


def _why(pod: Json, templates: Mapping[str, Json], touched: set[tuple[str, str, str]]) -> str:
    """Why a pod of a controller is restarted; empty: it is not."""
    meta = pod["metadata"]
    owner = next((row["uid"] for row in meta.get("ownerReferences") or [] if row.get("controller")), None)
    if owner is None:
        return ""
    if owner in templates and (unlike := _unlike(pod, templates[owner])):
        return unlike
    used = touched & {(kind, meta["namespace"], name) for kind, name in _used(pod["spec"])} if touched else set()
    return f"uses {', '.join(sorted(f'{kind} {name}' for kind, _, name in used))}" if used else ""


def _unlike(pod: Json, template: Json) -> str:
    if pod["spec"].get("ephemeralContainers"):
        return "has debug containers"
    labels, wanted = pod["metadata"].get("labels") or {}, (template.get("metadata") or {}).get("labels") or {}
    if any(labels.get(name) != value for name, value in wanted.items()):
        return "its labels were changed"
    for sort in ("initContainers", "containers"):
        images = {row["name"]: row.get("image") for row in template["spec"].get(sort) or []}
        if any(images.get(row["name"], row.get("image")) != row.get("image") for row in pod["spec"].get(sort) or []):
            return "its image was changed"
    return ""


_READ = {"configMap": "ConfigMap", "configMapKeyRef": "ConfigMap", "configMapRef": "ConfigMap",
         "secret": "Secret", "secretKeyRef": "Secret", "secretRef": "Secret"}  # fmt: skip
"""Fields of a pod, of its volumes and its environment, that name what it reads when it starts."""


def _used(value: Any) -> set[tuple[str, str]]:
    """(kind, name) of ConfigMaps and Secrets that a pod reads when it starts."""
    if isinstance(value, list):
        return set().union(*map(_used, value))
    if not isinstance(value, dict):
        return set()
    named = {(_READ[key], part.get("secretName") or part.get("name", "")) for key, part in value.items()
             if key in _READ and isinstance(part, dict)}  # fmt: skip
    return named.union(*map(_used, value.values()))


PAUSE = 0.2
"""Seconds until what was done is looked at, at the least: objects go when controllers and kubelets are done. It is as
long as a look took, so that waiting on a slow host does not make it slower still."""
_DO: Mapping[What, Do] = {"added": "remove", "missing": "add", "changed": "change", "pod": "change"}


@dataclass(eq=False)
class ClusterPart(Part[Change]):
    """``first``: its objects then. It has until ``deadline``; ``tick`` hears how many differences are left."""

    first: Mapping[Key, Json]
    api: Api
    deadline: Deadline
    cancel: threading.Event
    tick: Callable[[str], None] = lambda _text: None
    found: Found = field(default_factory=lambda: Found({}, {}), init=False)
    seen: dict[Key, Change] = field(default_factory=dict, init=False)
    """What was different at any look: pods are unlike their template once that is brought back."""
    restarted: set[str] = field(default_factory=set, init=False)
    """Uids of pods that were restarted: once is enough."""
    refused: dict[Key, str] = field(default_factory=dict, init=False)
    pause: float = field(default=PAUSE, init=False)

    kind = "cluster"
    name = "kubernetes"

    def differences(self) -> list[Change]:
        """Raises `ApiError`, or `ApiUnreachable`: an answer that is late is asked for again."""
        try:
            return wait_for(self._look, self.deadline, every=PAUSE, cancel=self.cancel)
        except DeadlinePassed as passed:
            raise InconclusiveError(passed.reason, code="kube-late") from None

    def _look(self) -> list[Change]:
        asked = Deadline(0)
        self.found = collect(self.api)
        self.pause = max(PAUSE, min(asked.elapsed, LONGEST_PAUSE))
        found = changes(self.first, self.found)
        rows = [row for row in found if row.what != "pod" or self._uid(row.key) not in self.restarted]
        for row in rows:
            self.seen.setdefault(row.key, row)
        return rows

    def entries(self, found: Sequence[Change]) -> list[Entry]:
        del found  # also what later looks saw
        return [
            Entry(_DO[row.what], f"{row.key}" + (f": {row.detail}" if row.detail else "")
                  + (", restarted" if row.what == "pod" else ""))
            for row in self.seen.values()
        ]  # fmt: skip

    def again(self, rounds: int, before: Sequence[Change], left: Sequence[Change]) -> bool:
        """Until the deadline."""
        del rounds, before
        if left:
            self.tick(f"{len(left)} differences left")
            tell_reason(self._sentence(left))
        return bool(left) and not self.deadline.passed

    def error(self, left: Sequence[Change]) -> CheckFailed:
        return CheckFailed(f"not as it was: {self._sentence(left)}", code="objects-not-turned-back")

    def _sentence(self, left: Sequence[Change]) -> str:
        why = {key: f" ({reason})" for key, reason in self.refused.items()}
        return "; ".join(f"{row}{why.get(row.key, '')}" for row in left)

    def apply(self, left: Sequence[Change]) -> None:
        """And give it a moment. Raises `Cancelled`."""
        self.refused.clear()
        for row in sorted(left, key=_turn):
            if row.what == "pod":
                self.restarted.add(self._uid(row.key))
            self._one(row)
        if self.cancel.wait(min(self.pause, self.deadline.remaining)):
            raise Cancelled(self._sentence(left))

    def _one(self, row: Change) -> None:
        try:
            if row.what in ("added", "pod"):
                self._delete(row.key)
            elif row.what == "missing":
                new = {name: value for name, value in self.first[row.key].items() if name != "status"}
                self.api.create(self._path(row.key, None), new)
            else:
                self._update(row.key)
        except ApiError as error:
            # gone, there already, or changed meanwhile: the next look tells
            if error.status not in (404, 409):
                self.refused[row.key] = error.message
        except ApiLate as late:
            self.refused[row.key] = late.message

    def _path(self, key: Key, name: str | None) -> str:
        resource = self.found.kinds.get((key.version, key.kind))
        if resource is None:
            raise ApiError(404, "NotFound", f"the cluster serves no {key.kind} in {key.version} yet")
        return resource.path(key.namespace or None, name)

    def _delete(self, key: Key) -> None:
        item = self.found.objects.get(key)
        if item is not None and "deletionTimestamp" in item["metadata"]:
            if key.kind == "Namespace":
                # it goes when its pods have ended, each with the patience that it has asked for: 30 s by default
                for other, pod in self.found.objects.items():
                    if other.kind == "Pod" and other.namespace == key.name and _slow(pod):
                        self._one(Change("pod", other))
            if not _slow(item):
                return  # it is on its way
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if key.kind == "Pod":
            options["gracePeriodSeconds"] = GRACE
        self.api.delete(self._path(key, key.name), options)

    def _uid(self, key: Key) -> str:
        item = self.found.objects.get(key)
        return str(item["metadata"].get("uid", "")) if item else ""

    def _update(self, key: Key) -> None:
        item = self.found.objects[key]
        if "deletionTimestamp" in item["metadata"] or key.kind == "Pod":
            self._delete(key)  # of a pod that runs, hardly anything can be changed
            return
        try:
            self.api.update(self._path(key, key.name), replacement(self.first[key], item))
        except ApiError as error:
            if error.status != 422:
                raise
            self._delete(key)  # a field that cannot be changed: it is made again at the next look


def _turn(row: Change) -> int:
    """What may refuse the rest, what others need, what else is brought back, what was added, then pods."""
    if row.what in ("missing", "changed"):
        return 1 + (BEFORE.index(row.key.kind) if row.key.kind in BEFORE else len(BEFORE))
    if row.what == "added":
        return 0 if row.key.kind in FIRST else 100
    return 101


def replacement(first: Json, item: Json) -> Json:
    """What to write over an object so that it says what it said first; what servers and controllers wrote stays."""
    now = item["metadata"]
    written = {key: value for key, value in (now.get("annotations") or {}).items() if CONTROLLERS_WORDS.fullmatch(key)}
    annotations = {**(first["metadata"].get("annotations") or {}), **written}
    meta = {
        **first["metadata"],
        **({"annotations": annotations} if annotations else {}),
        **{field: now[field] for field in ("resourceVersion", "uid") if field in now},
    }
    body = {**first, "metadata": meta, **({"status": item["status"]} if "status" in item else {})}
    if first["kind"] == "Node":
        body["spec"] = _tainted(first.get("spec") or {}, item.get("spec") or {})
    return body


def _tainted(first: Json, now: Json) -> Json:
    """A node's spec with the taints that say how it is: the controller takes its own taint of a cordon away when the
    node is schedulable again."""
    taints = [row for row in now.get("taints") or [] if row["key"].startswith(STATE_TAINT)]
    return {**first, "taints": [*(first.get("taints") or []), *taints]}


def _slow(item: Json) -> bool:
    """Whether it is a pod that has more time for its end than it should."""
    meta = item["metadata"]
    if item["kind"] != "Pod":
        return False
    return "deletionTimestamp" not in meta or int(meta.get("deletionGracePeriodSeconds") or 0) > GRACE


def namespaces(first: Mapping[Key, Json]) -> list[str]:
    """Where workloads were."""
    return sorted({key.namespace for key in first if key.kind in ("Deployment", "DaemonSet")})
