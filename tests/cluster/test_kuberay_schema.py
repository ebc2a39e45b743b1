"""cluster/kuberay.json against the operator's schemas, which it is made from by the recipe here."""

import json
from collections import Counter
from pathlib import Path

import pytest

OURS = Path(__file__).resolve().parents[2] / "cluster" / "kuberay.json"
SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "schemas"
UNUSED = {"description", "default", "format"}


def below(node):
    """Subschemas that are looked into: KubeRay's anyOf hold plain types alone."""
    yield from node.get("properties", {}).values()
    yield from (node[key] for key in ("items", "additionalProperties") if isinstance(node.get(key), dict))


def mapped(node, change):
    """The same schema with its subschemas changed."""
    node = dict(node)
    if "properties" in node:
        node["properties"] = {key: change(value) for key, value in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            node[key] = change(node[key])
    return node


def closed(node):
    """Without what a check does not use, and refusing the keys that the operator's API drops."""
    kept = {key: value for key, value in node.items() if key not in UNUSED and not key.startswith("x-")}
    if "properties" in kept and not node.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    return mapped(kept, closed)


def written(node):
    return json.dumps(node, sort_keys=True, separators=(",", ":"))


def compacted(schemas):
    """One document with each subschema that occurs twice written once."""
    roots = {}
    for kind, raw in schemas.items():
        root = closed(raw)
        del root["properties"]["status"]
        spec = root["properties"]["spec"]["properties"]
        cluster = spec.get("rayClusterSpec", root["properties"]["spec"])
        template = cluster["properties"]["headGroupSpec"]["properties"]["template"]
        root["properties"]["metadata"] = template["properties"]["metadata"]
        roots[kind] = root
    uses, names, definitions = Counter(), {}, {}

    def count(node):
        uses[written(node)] += 1
        if uses[written(node)] == 1:
            for part in below(node):
                count(part)

    def refer(node):
        text = written(node)
        if uses[text] == 1 or len(text) < 50:
            return mapped(node, refer)
        if text not in names:
            names[text] = f"#/$defs/{len(names)}"
            definitions[names[text].rpartition("/")[2]] = mapped(node, refer)
        return {"$ref": names[text]}

    for root in roots.values():
        count(root)
    return definitions | {kind: mapped(root, refer) for kind, root in roots.items()}


def test_the_schema_is_the_operators():
    if not SCHEMAS.is_dir():
        pytest.skip(
            "needs the operator's schemas, which lie beside the developers' checkout and are not part of it"
        )
    schemas = {
        kind: json.loads((SCHEMAS / f"kuberay-{kind.lower()}-v1.json").read_text())
        for kind in ("RayCluster", "RayJob")
    }
    assert json.loads(OURS.read_text())["$defs"] == compacted(schemas)
