"""What a check finds, and how it walks through a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """A place in a file, and what is wrong there: the value, the rule and the remedy."""

    place: str
    says: str

    def __str__(self) -> str:
        """As one line, whatever is quoted in it."""
        return " ".join(f"{self.place} {self.says}".split())


def place(*path: str | int) -> str:
    """Write keys and positions as `available_node_types.gpu.min_workers` or `containers[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def within(document: Any, *path: str) -> Any:
    """Follow keys; None where one is missing or leads through something that has no keys."""
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def items(document: Any, *path: str) -> list[Any]:
    """Give the list at the end of keys; empty where there is none."""
    found = within(document, *path)
    return found if isinstance(found, list) else []


def mapping(document: Any, *path: str) -> Mapping[str, Any]:
    """Give the mapping at the end of keys; empty where there is none."""
    found = within(document, *path)
    return found if isinstance(found, Mapping) else {}


def bound_findings(node: Any, lower: str, upper: str, *path: str | int) -> Iterator[Finding]:
    """Find a lower bound above its upper one, both keys of a node that lies at `path`."""
    least, most = within(node, lower), within(node, upper)
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield Finding(
            place(*path, lower),
            f"is {least}, but must be at most {upper}, which is {most}: lower it, or raise that.",
        )


def leaves(node: Any, *path: str | int) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    """Give each value that holds no others: where it is, the name that it goes by, and itself.

    The name is the last key, but for `{name: N, value: V}`, as containers declare their environment, it is N.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from leaves(
                value, *path, str(node["name"]) if key == "value" and "name" in node else str(key)
            )
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from leaves(value, *path, position)
    else:
        yield path, next((step for step in reversed(path) if isinstance(step, str)), ""), node
