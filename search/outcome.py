"""What an Optuna trial says of its epochs, and what they make it worth.

With one objective an epoch's value is Optuna's intermediate value. Optuna keeps none where there are several; then an
epoch's values are a user attribute of the trial, `epoch 3: [12.1, 1.9]`.
"""

import math
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from trainables.best import Values, best_epoch

EPOCH = "epoch "
"""What an epoch's user attribute begins with; its number follows."""


def epochs_of(trial: FrozenTrial) -> dict[int, Values]:
    """The values of each epoch that a journal's trial has reported."""
    if trial.intermediate_values:
        return {epoch: (value,) for epoch, value in trial.intermediate_values.items()}
    return {
        int(name.removeprefix(EPOCH)): tuple(values)
        for name, values in trial.user_attrs.items()
        if name.startswith(EPOCH)
    }


def outcome(epochs: Mapping[int, Values], state: TrialState) -> Values | None:
    """The values that a trial is worth: of its best epoch, or of its last where it was stopped; none if it failed."""
    finite = [values for _, values in sorted(epochs.items()) if all(map(math.isfinite, values))]
    if not finite or state == TrialState.FAIL:
        return None
    return finite[-1] if state == TrialState.PRUNED else finite[best_epoch(finite)]


def epoch_attributes(epochs: Mapping[int, Values]) -> dict[str, Any]:
    """What `epochs_of` reads, as keywords of Optuna's `create_trial`."""
    if all(len(values) == 1 for values in epochs.values()):
        return {"intermediate_values": {epoch: values[0] for epoch, values in epochs.items()}}
    return {"user_attrs": {f"{EPOCH}{epoch}": list(values) for epoch, values in epochs.items()}}
