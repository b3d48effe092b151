"""Events about pods and nodes, as ``kubectl describe`` shows them. One that cannot be written is logged, not raised."""

from __future__ import annotations

import logging
import uuid

from labctl.kube.api import Api, ApiError, ApiUnreachable, Json
from labctl.kube.resources import EVENTS
from labctl.standin.cluster.kubelet.podstatus import stamp

log = logging.getLogger(__name__)


class Recorder:
    """Writes events of one component on one node."""

    def __init__(self, api: Api, node: str) -> None:
        self._api = api
        self._node = node

    def event(self, regarding: Json, reason: str, message: str, *, warning: bool = False) -> None:
        """Tell of a pod (the whole object)."""
        meta = regarding["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "source": {"component": "kubelet", "host": self._node},
            "firstTimestamp": stamp(),
            "lastTimestamp": stamp(),
            "count": 1,
        }  # fmt: skip
        try:
            self._api.create(EVENTS.path(meta["namespace"]), body)
        except (ApiError, ApiUnreachable) as error:
            log.info("event %s of %s/%s: %s", reason, meta["namespace"], meta["name"], error)
