"""The scores of two models that nobody trains: every study's result stands beside them.

They are kept beside the pack: another study on the same pictures, or this one when it is resumed, finds them there.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import trainables
from trainables.data.nearby import SharedFile, digest, nearby

Baselines = dict[str, dict[str, float]]

_DEFINITIONS = ("color.py", "features.py", "metrics.py")
"""Modules of `trainables` that say what is measured."""


class BaselineTask:
    """Takes them beside the first trials, in a process of its own, unless they are known."""

    def __init__(self, pack: SharedFile, seed: int, weights: SharedFile | None) -> None:
        kept = _kept(pack, seed, weights)
        self._found = _read(kept)
        if self._found is not None:
            return
        import ray

        self._task = ray.remote(num_cpus=0, max_calls=1)(_score).remote(pack, seed, weights, kept)

    def get(self, *, wait: bool) -> Baselines:
        """Give them; none where they could not be taken or, without `wait`, are not there yet."""
        if self._found is not None:
            return self._found
        import ray

        try:
            found: Baselines = ray.get(self._task, timeout=None if wait else 0)
        except ray.exceptions.RayError:
            return {}
        return found


def _kept(pack: SharedFile, seed: int, weights: SharedFile | None) -> Path:
    folder = Path(trainables.__path__[0])
    definitions = [digest(folder / name) for name in _DEFINITIONS]
    key = json.dumps([pack.sha256, seed, None if weights is None else weights.sha256, definitions])
    path = Path(pack.path)
    return path.with_name(f"{path.stem}.baselines-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json")


def _read(kept: Path) -> Baselines | None:
    with suppress(OSError, ValueError):
        found: Baselines = json.loads(kept.read_text(encoding="utf-8"))
        return found
    return None


def _score(pack: SharedFile, seed: int, weights: SharedFile | None, kept: Path) -> Baselines:
    from trainables import hardware

    hardware.configure(1, 0)
    from trainables.data.pack import open_pack
    from trainables.features import feature_extractor
    from trainables.metrics import baselines

    opened = open_pack(nearby(pack))
    features = None if weights is None else feature_extractor(nearby(weights))
    found = baselines(opened.images[opened.indices("validation")], seed=seed, features=features)
    # What could not be written, or not to its end, is no JSON and taken again.
    with suppress(OSError):
        kept.write_text(json.dumps(found), encoding="utf-8")
    return found
