"""What the nodes of a stand-in cluster do not do (`labctl.design.limits`), as its API is told to refuse it.

One ValidatingAdmissionPolicy a kind (Kubernetes documentation, "Validating Admission Policy"): whoever writes such an
object gets the reason from kubectl.
"""

from __future__ import annotations

from typing import Any

from labctl.design.limits import LIMITS, Limit

API = "admissionregistration.k8s.io/v1"


def policies() -> list[dict[str, Any]]:
    """The policies and what binds them, in the order of `LIMITS`."""
    return [item for (group, plural), limits in LIMITS.items() for item in _policy(group, plural, limits)]


def _policy(group: str, plural: str, limits: tuple[Limit, ...]) -> list[dict[str, Any]]:
    name = f"stand-in-{plural}"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
    policy = {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [
                {"expression": limit.holds, "message": f"labctl's stand-in nodes {limit.reason}"} for limit in limits
            ],
        },
    }
    binding = {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return [policy, binding]
