"""Check cluster files before they cost anything: `python -m cluster.check FILE...`.

Finds offline what Ray's own validation leaves to the cloud, and what would open the cluster to strangers.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cluster.documents import DocumentError, read_documents
from cluster.finding import Finding
from cluster.kuberay import is_kuberay, kuberay_findings
from cluster.launcher import launcher_findings


@dataclass(frozen=True)
class Command:
    """Check cluster files, for `ray up` or for KubeRay, without reaching for any cluster."""

    files: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE...")]]
    """Files such as cluster/cluster.yaml."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and tell; the exit status is 0, or 2 if anything was found or a file cannot be used."""
    command = tyro.cli(Command, args=arguments, prog="python -m cluster.check")
    if not command.files:
        sys.stderr.write("error: no file is named: type one, such as cluster/cluster.yaml.\n")
        return 2
    found = False
    for path in command.files:
        findings = [f"{path}: {finding}\n" for finding in dict.fromkeys(examine(path))]
        sys.stderr.write("".join(findings))
        if not findings:
            sys.stdout.write(f"{path}: nothing found\n")
        found = found or bool(findings)
    return 2 if found else 0


def examine(path: Path) -> list[Finding]:
    """Check one file of either kind."""
    try:
        documents = read_documents(path)
    except DocumentError as error:
        return [Finding("the file", str(error))]
    mappings = [document for document in documents if isinstance(document, dict)]
    if mappings and len(mappings) == len(documents):
        if is_kuberay(mappings):
            return list(kuberay_findings(mappings))
        if len(mappings) == 1 and isinstance(mappings[0].get("provider"), dict):
            return list(launcher_findings(mappings[0], path.parent))
    return [
        Finding(
            "the file",
            "is neither for `ray up`, with a provider, nor for KubeRay, with apiVersion ray.io/v1: name another.",
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
