"""The scores of two models that nobody trains: every study's result stands beside them."""

from trainables.data.nearby import SharedFile, nearby

Baselines = dict[str, dict[str, float]]


class BaselineTask:
    """Takes them beside the first trials, in a process of its own."""

    def __init__(self, pack: SharedFile, seed: int, weights: SharedFile | None) -> None:
        import ray

        self._task = ray.remote(num_cpus=0, max_calls=1)(_score).remote(pack, seed, weights)

    def get(self, *, wait: bool) -> Baselines:
        """Give them; none where they could not be taken or, without `wait`, are not there yet."""
        import ray

        try:
            found: Baselines = ray.get(self._task, timeout=None if wait else 0)
        except ray.exceptions.RayError:
            return {}
        return found


def _score(pack: SharedFile, seed: int, weights: SharedFile | None) -> Baselines:
    from trainables import hardware

    hardware.configure(1, 0)
    from trainables.data.pack import open_pack
    from trainables.features import feature_extractor
    from trainables.metrics import baselines

    opened = open_pack(nearby(pack))
    features = None if weights is None else feature_extractor(nearby(weights))
    return baselines(opened.images[opened.indices("validation")], seed=seed, features=features)
