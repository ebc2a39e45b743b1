"""The files a study leaves: one place to import their names, columns, readers and writer from.

`results.folder` names the files, `results.schema` their columns, `results.reader` and `results.writer` do what they
are called. None of them ranks or draws, or knows of Ray, Optuna or TensorFlow.

One process writes a study, any number read it, at any time: a file is written beside its target, synced and moved
over it, so a reader sees the old file or the new one. An epoch is a file of its own, `epochs/0007-0003.parquet`
(trial 7, epoch 3): recording it again replaces it. The writer merges these parts into `epochs/all.parquet` from time
to time and then deletes them; where a part and the merged file hold the same epoch, the part is right.
"""

from results.folder import StudyError, StudyFolder, find_studies, open_study, read_config
from results.reader import read_epochs, read_resamples, read_trials
from results.schema import (
    EPOCHS,
    METRICS,
    ON_TEST,
    PARAMS,
    SCHEMA_VERSION,
    STATES,
    TEST_METRICS,
    TRIALS,
    Role,
)
from results.writer import StudyWriter, write_file, writing

__all__ = [
    "EPOCHS",
    "METRICS",
    "ON_TEST",
    "PARAMS",
    "SCHEMA_VERSION",
    "STATES",
    "TEST_METRICS",
    "TRIALS",
    "Role",
    "StudyError",
    "StudyFolder",
    "StudyWriter",
    "find_studies",
    "open_study",
    "read_config",
    "read_epochs",
    "read_resamples",
    "read_trials",
    "write_file",
    "writing",
]
