"""What a study is, as study.json holds it, and whether what is to go on is still the same study."""

import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from results.store import read_config
from search.admission import study_folder
from search.config import ConfigError
from search.packing import Packing
from search.plan import Plan
from search.precision import Precision
from search.pretrained import Pretrained
from trainables.data.pack import PackReport

_VERSIONS = ("ray", "optuna", "tensorflow", "keras", "numpy", "pyarrow")


def check_same_files(earlier: Mapping[str, Any], report: PackReport, pretrained: Pretrained) -> None:
    """Refuse to go on with a study, by its study.json, on other data or with other pretrained networks."""
    if earlier["data"]["fingerprint"] != report.fingerprint:
        raise ConfigError(
            f"the data in {report.source} has changed since the study {earlier['name']} began: bring back the files"
            " as they were, or start a study of another name."
        )
    encoder, perceptual = pretrained.encoder, pretrained.perceptual
    if earlier["encoder"]["available"] != encoder.available:
        raise ConfigError(
            f"the study {earlier['name']} began with this: {earlier['encoder']['note']}. Now it is: {encoder.note}."
            " Bring back the weights, or start a study of another name."
        )
    # Studies of version 3 kept no digest of these.
    known = earlier["encoder"].get("sha256")
    if known is not None and known != encoder.sha256:
        raise ConfigError(
            f"the weights in {encoder.path} have changed since the study {earlier['name']} began, and with them what"
            " its trials start from: bring back the file as it was, or start a study of another name."
        )
    if perceptual.sha256 != earlier.get("perceptual", {}).get("sha256"):
        raise ConfigError(
            f"the weights in {perceptual.path} have changed since the study {earlier['name']} began, and with them"
            " the perceptual loss: bring back the file as it was, or start a study of another name."
        )


def check_same_space(earlier: Mapping[str, Any], plan: Plan) -> None:
    """Refuse to go on with a study, by its study.json, where other values would be searched."""
    now, then = _described(plan), earlier["space"]
    for name in sorted({*now, *then}):
        if now.get(name) != then.get(name):
            raise ConfigError(
                f"{name} is {now.get(name, 'not searched')} now, but {then.get(name, 'not searched')} in the study"
                f" {earlier['name']}: use the version of the program that study.json names, or start a study of"
                " another name."
            )


def record_of(
    plan: Plan,
    report: PackReport,
    pretrained: Pretrained,
    precision: Precision,
    packing: Packing | None,
    dashboard: str | None,
) -> dict[str, Any]:
    """What study.json holds; a study that goes on keeps when it was created and its baselines."""
    folder = study_folder(plan.config)
    earlier = read_config(folder) if folder.config.exists() else {}
    return {
        "name": plan.config.name,
        "created": earlier.get("created", datetime.now(UTC).isoformat(timespec="seconds")),
        "model": plan.model,
        "objectives": list(plan.config.objective),
        "config": plan.config.to_record(),
        "space": _described(plan),
        "fitted": earlier.get("fitted", list(plan.scaled)),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _VERSIONS},
        "git_commit": _git_commit(),
        "data": {
            "source": report.source,
            "fingerprint": report.fingerprint,
            "pack": str(report.path),
            "classes": report.classes,
            "counts": report.counts,
            "skipped": [list(item) for item in report.skipped],
            "near_duplicates": report.near_duplicates,
            "given": list(report.given),
        },
        "encoder": {"spec": plan.config.encoder_weights, **asdict(pretrained.encoder)},
        "perceptual": {"spec": plan.config.perceptual_weights, **asdict(pretrained.perceptual)},
        "precision": asdict(precision),
        "packing": None if packing is None else asdict(packing),
        "ray_dashboard": dashboard,
        "baselines": earlier.get("baselines", {}),
    }


def _described(plan: Plan) -> dict[str, str]:
    return {name: parameter.describe() for name, parameter in plan.space.items()}


def _git_commit() -> str | None:
    here = Path(__file__).parent
    git = shutil.which("git")
    if git is None:
        return None
    answer = subprocess.run(
        [git, "rev-parse", "--verify", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None
