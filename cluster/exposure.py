"""What opens a cluster to strangers wherever a file says it: secrets, open addresses, a token that is off."""

import re
from collections.abc import Iterator

from cluster.finding import Finding, leaves, place
from cluster.pins import install_findings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAME = r"[\w-]*(?:password|passwd|secret|token|access[_-]key|api[_-]key|credentials)"
_NAMED = re.compile(rf"(?<![\w/.])({_NAME})[\"']?\s*[=:]\s*[\"']?([^\s\"',]+)", re.IGNORECASE)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_REFERENCE = re.compile(r"[$~/<]|\.\.?/|\.\.?$")
"""A variable, a path or a placeholder: where a secret is, not what it is."""
_SHAPES = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\"private_key\"\s*:"),
    "a password in an address": re.compile(r"://[^/\s:@]+:[^/\s@$]+@"),
}
_WORLD = re.compile(r"(?<![\d.])0\.0\.0\.0/0|(?<![\w:])::/0")
_MODE = re.compile(r"\bRAY_AUTH_MODE\s*[=:]\s*[\"']?(\w+)")


def text_findings(document: object) -> Iterator[Finding]:
    """Check all texts of a file, its own or an embedded one, for what is wrong at any place."""
    for path, name, value in leaves(document):
        here = place(*path)
        text = "" if value is None or isinstance(value, bool) else str(value)
        if what := _secret(name, text):
            yield Finding(
                here,
                f"holds {what}, but a cluster file is shared and must hold no secret: take it out, replace the secret"
                " where it is valid, and mount it as a file or refer to a Secret.",
            )
        if _WORLD.search(text) and "egress" not in path:
            yield Finding(
                here, f"is {text}, which admits the whole internet: write the addresses that may come in."
            )
        modes = {text} if name == "RAY_AUTH_MODE" else set(_MODE.findall(text))
        if modes - {"token"}:
            yield Finding(
                here,
                f"sets RAY_AUTH_MODE to {', '.join(sorted(modes))}, but must be token: without one, whoever reaches"
                " Ray's ports runs code on the cluster.",
            )
        yield from install_findings(here, text)


def _secret(name: str, text: str) -> str | None:
    """Say what kind of secret a text holds, without telling it."""
    for what, shape in _SHAPES.items():
        if shape.search(text):
            return what
    if text and _SECRET_NAME.fullmatch(name) and not _REFERENCE.match(text):
        return f"the value of {name}"
    return next(
        (f"the value of {key}" for key, value in _NAMED.findall(text) if not _REFERENCE.match(value)), None
    )
