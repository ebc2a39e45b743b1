"""Whether all machines of a cluster see the storage, asked before the first trial: without it each one fails."""

import uuid
from pathlib import Path
from typing import Any

from search.config import ConfigError
from search.machine import alive_nodes, on_node


def check_shared(storage: Path) -> None:
    """See that what this process writes to the storage is seen on all other machines of its Ray cluster.

    Nothing is left of what is written, and the storage's folder is not made where there is none yet.

    Raises
    ------
    ConfigError
        A machine does not see it; the message names the machine.
    """
    import ray

    own = ray.get_runtime_context().get_node_id()
    others = [node for node in alive_nodes() if node["NodeID"] != own]
    if not others:
        return
    folder = next(path for path in (storage, *storage.parents) if path.exists())
    # A name that no machine has asked for before: network file systems remember which files are not there.
    sign = folder / f".seen-{uuid.uuid4().hex}"
    sign.touch()
    try:
        answers = [
            (node["NodeManagerHostname"], on_node(node["NodeID"], Path.exists, sign)) for node in others
        ]
        blind = sorted(machine for machine, answer in answers if not _is_yes(answer))
    finally:
        sign.unlink()
    if blind:
        raise ConfigError(
            f"--storage is {storage}, but {' and '.join(blind)} {'does' if len(blind) == 1 else 'do'} not see what"
            f" this machine writes to {folder}: name a folder that all machines of the cluster share, such as one"
            " on NFS."
        )


def _is_yes(answer: Any) -> bool:
    import ray

    try:
        return bool(ray.get(answer))
    except (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError):
        return True  # it died meanwhile, and will take no trial
