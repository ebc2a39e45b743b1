"""Checks of Kubernetes manifests with KubeRay's RayCluster and RayJob, offline and without an operator."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cluster.exposure import LOOPBACK, text_findings
from cluster.finding import Finding, bound_findings, items, place, within
from cluster.pins import image_findings, pins
from cluster.schema import violations

_DENIES = ("DenyAll", "DenyAllIngress")
_INSIDE = (None, "ClusterIP")


def is_kuberay(documents: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the documents is for the operator."""
    return any(str(document.get("apiVersion")).startswith("ray.io/") for document in documents)


def kuberay_findings(documents: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Check the documents of one file together: a policy in one may shield the cluster in another."""
    shielded = [
        within(policy, "spec", "podSelector", "matchLabels", "ray.io/cluster")
        for policy in documents
        if policy.get("kind") == "NetworkPolicy" and "Ingress" in items(policy, "spec", "policyTypes")
    ]
    for document in documents:
        kind, name = document.get("kind"), within(document, "metadata", "name")
        findings = [*_document(document), *text_findings(document)]
        if is_kuberay([document]):
            findings += _schema_findings(document)
            path = ("spec", "rayClusterSpec") if kind == "RayJob" else ("spec",)
            if within(document, *path) is not None:
                # A job names its cluster when it makes it, so no policy can.
                findings += _cluster(document, path, kind == "RayCluster" and name in shielded)
        for finding in findings:
            yield Finding(f"{kind} {name}: {finding.place}", finding.says)


@cache
def _definitions() -> dict[str, Any]:
    path = Path(__file__).with_name("kuberay.json")
    definitions: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["$defs"]
    return definitions


def _schema_findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    version, kind = document.get("apiVersion"), document.get("kind")
    if version == "ray.io/v1" and kind in ("RayCluster", "RayJob"):
        yield from violations(document, {"$ref": f"#/$defs/{kind}", "$defs": _definitions()})
    else:
        yield Finding(
            "kind", f"is {kind} of {version}, but only RayCluster and RayJob of ray.io/v1 can be checked."
        )


def _document(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what is not the operator's: services and secrets."""
    if document.get("kind") == "Secret":
        yield Finding(
            "kind",
            "is Secret, but a manifest is shared and must hold no secret: make it by `kubectl create secret`.",
        )
    if document.get("kind") == "Service":
        yield from _service(document, "spec", "type")
    if document.get("kind") == "NetworkPolicy":
        for position, rule in enumerate(items(document, "spec", "ingress")):
            if not within(rule, "from"):
                yield Finding(
                    place("spec", "ingress", position), "admits everybody: write in `from` who may come in."
                )


def _service(document: Mapping[str, Any], *path: str) -> Iterator[Finding]:
    kind = within(document, *path)
    if kind not in _INSIDE:
        yield Finding(
            place(*path),
            f"is {kind}, which opens the head to the outside, but must be ClusterIP: reach it by"
            " `kubectl port-forward`.",
        )


def _cluster(document: Mapping[str, Any], path: tuple[str, ...], shielded: bool) -> Iterator[Finding]:
    """Check the specification of a cluster, which lies at `path`."""
    spec = within(document, *path)
    head = (*path, "headGroupSpec")
    yield from _service(document, *head, "serviceType")
    yield from _service(document, *head, "headService", "spec", "type")
    if within(document, *head, "enableIngress"):
        yield Finding(
            place(*head, "enableIngress"), "is true, which opens the dashboard to the outside: delete it."
        )
    # The operator's default, unlike Ray's, listens everywhere.
    host = within(document, *head, "rayStartParams", "dashboard-host") or "0.0.0.0"  # noqa: S104
    shielded = shielded or within(spec, "networkPolicy", "mode") in _DENIES
    if host not in LOOPBACK and not shielded:
        yield Finding(
            place(*head, "rayStartParams", "dashboard-host"),
            f"is {host}, but the dashboard must listen on loopback alone or behind a NetworkPolicy on ray.io/cluster:"
            " write 127.0.0.1, or, where a RayJob must reach it, put that policy into this file.",
        )
    mode = within(spec, "authOptions", "mode")
    if mode != "token":
        yield Finding(
            place(*path, "authOptions", "mode"), f"is {mode}, but Ray must ask for a token: write token."
        )
    version = within(spec, "rayVersion")
    if version != pins()["ray"]:
        yield Finding(
            place(*path, "rayVersion"), f"is {version}, but constraints.txt pins {pins()['ray']}: take that."
        )
    yield from _pod(within(document, *head, "template"), *head, "template")
    for position, group in enumerate(items(spec, "workerGroupSpecs")):
        here = (*path, f"workerGroupSpecs[{position}]")
        yield from bound_findings(group, "minReplicas", "maxReplicas", *here)
        yield from _pod(within(group, "template"), *here, "template")


def _pod(template: Any, *path: str) -> Iterator[Finding]:
    """Check one pod template: its network, and its Ray image, which is the first container's."""
    if within(template, "spec", "hostNetwork"):
        yield Finding(
            place(*path, "spec", "hostNetwork"), "is true, which opens Ray's ports on the node: delete it."
        )
    for position, container in enumerate(items(template, "spec", "containers")):
        here = (*path, "spec", f"containers[{position}]")
        for number, port in enumerate(items(container, "ports")):
            if within(port, "hostPort"):
                yield Finding(
                    place(*here, f"ports[{number}]", "hostPort"),
                    f"is {within(port, 'hostPort')}, which opens that port on the node: delete it.",
                )
        if position == 0:
            yield from image_findings(place(*here, "image"), within(container, "image"))
