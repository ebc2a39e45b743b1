"""Checks of a file for `ray up`: Ray's own, and those that Ray leaves to the first bill or the first stranger."""

import io
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import Any

from click import ClickException
from jsonschema import ValidationError

from cluster.exposure import LOOPBACK, text_findings
from cluster.finding import Finding, bound_findings, items, mapping, place, within
from cluster.keys import PROVIDERS, unknown_keys
from cluster.pins import image_findings
from cluster.schema import refusal

_TOKEN = "~/.ray/auth_token"  # noqa: S105 -- where it lies, not what it is
_OLDEST_DRIVER = 525
"""Of NVIDIA's, with which TensorFlow's CUDA 12 runs."""
_RAY_REFUSES = (
    AssertionError,
    AttributeError,
    ClickException,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What Ray raises on a file that it cannot use, also by stumbling over it."""


def launcher_findings(config: Mapping[str, Any], folder: Path) -> Iterator[Finding]:
    """Check a cluster file that lies in `folder`, from where `ray up` is to be run."""
    provider = within(config, "provider", "type")
    if provider not in PROVIDERS:
        yield Finding("provider.type", f"is {provider}, but must be {', '.join(PROVIDERS)}.")
        return
    prepared, refusals = _as_ray_reads(config)
    yield from refusals
    # With Ray's defaults, which nodes get as well, only where the file is silent.
    complete = {**prepared, **config}
    yield from _workers(prepared or config)
    yield from unknown_keys(config)
    yield from _mounts(config, folder)
    yield from _dashboard(complete)
    yield from _token(complete)
    yield from _images(config)
    yield from _cuda(config)
    yield from text_findings(complete)


def _as_ray_reads(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """Fill in Ray's defaults; where Ray refuses the file, nothing and why."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    try:
        # It prints and logs what it dislikes as well.
        logging.getLogger("ray").setLevel(logging.ERROR)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            prepared = prepare_config(deepcopy(dict(config)))
            validate_config(prepared)
    except ValidationError as error:
        return {}, [refusal(error)]
    except _RAY_REFUSES as error:
        return {}, [Finding("the file", f"is refused by Ray: {type(error).__name__}: {error}")]
    return prepared, []


def _workers(config: Mapping[str, Any]) -> Iterator[Finding]:
    for name, kind in mapping(config, "available_node_types").items():
        yield from bound_findings(kind, "min_workers", "max_workers", "available_node_types", name)


def _mounts(config: Mapping[str, Any], folder: Path) -> Iterator[Finding]:
    for remote, local in mapping(config, "file_mounts").items():
        source = folder / Path(str(local)).expanduser()
        if not source.exists():
            remedy = "`ray get-auth-token --generate` makes it" if local == _TOKEN else "correct the path"
            yield Finding(
                place("file_mounts", remote),
                f"is {local}, but {source} does not exist, and must, seen from the file's folder: {remedy}.",
            )


def _dashboard(complete: Mapping[str, Any]) -> Iterator[Finding]:
    for position, command in enumerate(items(complete, "head_start_ray_commands")):
        for host in re.findall(r"--dashboard-host[= ][\"']?([^\s\"']+)", str(command)):
            if host not in LOOPBACK:
                yield Finding(
                    place("head_start_ray_commands", position),
                    f"has --dashboard-host {host}, but the dashboard starts jobs and must listen on loopback alone:"
                    " write --dashboard-host=127.0.0.1 and reach it by `ray dashboard`.",
                )


def _token(complete: Mapping[str, Any]) -> Iterator[Finding]:
    """Every Ray process must be told to ask for the token, and every node must have it."""
    asks = "but Ray must ask for a token"
    if within(complete, "docker", "container_name"):
        shared = " ".join(map(str, items(complete, "docker", "run_options")))
        for role in ("head", "worker"):
            options = " ".join((shared, *map(str, items(complete, "docker", f"{role}_run_options"))))
            if "RAY_AUTH_MODE" not in options:
                yield Finding(
                    "docker.run_options", f"sets no RAY_AUTH_MODE, {asks}: add `-e RAY_AUTH_MODE=token`."
                )
                break
        path = re.search(r"RAY_AUTH_TOKEN_PATH=(\S+)", shared)
        target = path[1] if path else "a RAY_AUTH_TOKEN_PATH of docker.run_options"
    else:
        target = _TOKEN
        for key in ("head_start_ray_commands", "worker_start_ray_commands"):
            for position, command in enumerate(items(complete, key)):
                if "ray start" in str(command) and "RAY_AUTH_MODE" not in str(command):
                    yield Finding(
                        place(key, position),
                        f"sets no RAY_AUTH_MODE, {asks}: write `RAY_AUTH_MODE=token ray start`.",
                    )
    if target not in mapping(complete, "file_mounts"):
        yield Finding(
            "file_mounts", f"brings no token to {target}, but nodes must have it: add `{target}: {_TOKEN}`."
        )


def _images(config: Mapping[str, Any]) -> Iterator[Finding]:
    kinds = (("available_node_types", name, "docker") for name in mapping(config, "available_node_types"))
    for path in (("docker",), *kinds):
        for key in ("image", "head_image", "worker_image"):
            image = within(config, *path, key)
            if image is not None:
                yield from image_findings(place(*path, key), image)


def _cuda(config: Mapping[str, Any]) -> Iterator[Finding]:
    """TensorFlow computes on a GPU with CUDA's libraries and a driver for them, and does without a GPU otherwise."""
    kinds = mapping(config, "available_node_types")
    with_gpus = [name for name, kind in kinds.items() if within(kind, "resources", "GPU")]
    for position, command in enumerate(items(config, "worker_setup_commands") if with_gpus else ()):
        if re.search(r"pip install .*-e [\"']?\.(?!\[gpu)", str(command)):
            yield Finding(
                place("worker_setup_commands", position),
                f"installs no CUDA, but {with_gpus[0]} has a GPU, which TensorFlow would not see: write -e '.[gpu]'.",
            )
    for name in with_gpus:
        for position, disk in enumerate(items(kinds[name], "node_config", "disks")):
            image = within(disk, "initializeParams", "sourceImage")
            driver = re.search(r"nvidia-(\d+)$", str(image))
            if driver and int(driver[1]) < _OLDEST_DRIVER:
                yield Finding(
                    place("available_node_types", name, "node_config", "disks", position),
                    f"has the image {image}, but TensorFlow needs driver {_OLDEST_DRIVER} or newer: name another.",
                )
