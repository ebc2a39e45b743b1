"""JSON Schemas: where a document departs from one."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from cluster.finding import Finding, place


def violations(document: Any, schema: Mapping[str, Any], *path: str | int) -> Iterator[Finding]:
    """Find what a schema refuses in a document that lies at `path` of its file.

    An unknown key is a finding of its own, with the known one that it may be a typing error for: providers and
    Kubernetes drop such a key without a word.
    """
    errors = Draft202012Validator(schema).iter_errors(document)
    for error in sorted(errors, key=lambda error: [str(step) for step in error.absolute_path]):
        here = (*path, *error.absolute_path)
        if error.validator != "additionalProperties":
            yield refusal(error, *path)
            continue
        known = error.schema["properties"]
        for key in sorted(map(str, error.instance.keys() - known.keys())):
            alike = get_close_matches(key, known, n=1)
            remedy = (
                f"write {alike[0]}, if that is meant" if alike else f"take one of {', '.join(sorted(known))}"
            )
            yield Finding(place(*here, key), f"is no key that is read there: {remedy}, or delete it.")


def refusal(error: ValidationError, *path: str | int) -> Finding:
    """Tell what a schema says of a value."""
    here = place(*path, *error.absolute_path) or "the file"
    return Finding(here, f"is not what the schema asks for: {error.message}.")
