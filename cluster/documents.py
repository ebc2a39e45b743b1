"""YAML files of unknown origin, read within bounds: a few lines of aliases can stand for more than memory holds."""

from pathlib import Path
from typing import Any

import yaml

LARGEST = 2**20
"""Bytes of a file; ours have 6,000."""
MOST_NODES = 20_000
"""Values, with aliases written out."""
DEEPEST = 50


class DocumentError(ValueError):
    """A file that is not to be read; the message says why."""


def read_documents(path: Path) -> list[Any]:
    """The documents of a file that are not empty.

    Raises
    ------
    DocumentError
        It cannot be read, is no YAML, or is beyond the bounds.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise DocumentError("is no file.")
        if path.is_file() and path.stat().st_size > LARGEST:
            raise DocumentError(f"has more than {LARGEST} bytes, which no cluster's description has.")
        text = path.read_text(encoding="utf-8")
        _check_bounds(text)
        return [document for document in yaml.safe_load_all(text) if document is not None]
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DocumentError(f"is not YAML: {error}") from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, DocumentError):
            raise
        # Of a scalar that looks like a number or a date and is none.
        raise DocumentError(f"holds a value that is none of its kind: {error}.") from None


def _check_bounds(text: str) -> None:
    """Count what the text stands for, by its events alone."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        size = 0
        if isinstance(event, yaml.DocumentStartEvent):
            sizes, open_nodes, total = {}, [], 0
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            size = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise DocumentError(f"has an alias in line {line} that holds itself, *{event.anchor}.")
            size = sizes.get(event.anchor, 1)
        total += size
        if total > MOST_NODES or len(open_nodes) > DEEPEST:
            raise DocumentError(
                f"stands for more than {MOST_NODES} values or {DEEPEST} levels, as of line {line}: it is no cluster's"
                " description."
            )
