"""The columns of a study's tables: their names, types, units and ranges. Reads and writes nothing.

Every Parquet file carries `schema_version` in its metadata, `study.json` under the key of that name.

**trials.parquet**, a row a trial, ascending. Null means "not known (yet)". A column that may be null can be added
without another version: in files written before, it is read as null.

| column | type | unit, range |
| --- | --- | --- |
| trial | int64, never null | Optuna's number, from 0 |
| state | string, never null | RUNNING, COMPLETE, PRUNED (stopped early) or FAIL |
| role | string, never null | search, reference (an experiment of the original project) or confirmation |
| reference | string | name of the reference point that this trial trains; null for a trial the search proposed |
| seed | int64 | of the initial weights, the order of the data and dropout: the study's, or a confirmation's own |
| confirms | int64 | the trial that a confirmation trains once more; null for all others |
| reason | string | why it failed; null otherwise |
| epochs | int32, never null | finished epochs, from 0 |
| best_epoch | int32 | the epoch, from 1, that counts: whose metrics this row shows and whose weights were kept |
| seconds | float64 | s, training and evaluation together, the sum of its epochs |
| gpu_seconds | float64 | GPU-seconds, the sum of its epochs; 0 without a GPU |
| images_per_second | float64 | training images a second |
| trainable_encoder_parameters | int64 | weights of the pretrained encoder left to train; null without one |
| node | string | the host that trained its last epoch |
| device | string | what it trained its last epoch on: a GPU's name as its driver gives it, or the processor's model |
| val_delta_e | float64 | CIEDE2000, 0 and up; lower is better, as for all but psnr and ssim |
| val_swd | float64 | sliced Wasserstein distance, Lab units, 0 and up |
| val_colorfulness_gap | float64 | Hasler and Suesstrunk's colorfulness, 0 and up |
| val_chroma_error | float64 | Lab units, 0 and up |
| val_kid | float64 | kernel inception distance, unbiased (may be below 0); null without feature weights |
| val_l1 | float64 | mean absolute difference of the pictures |
| val_psnr | float64 | dB, higher is better |
| val_ssim | float64 | -1..1, higher is better |
| test_... | float64 | the eight metrics on the test split; null for trials that it was not read for |
| params.NAME | bool, int64, float64 or string | the value tried; null where a condition excluded it |

A parameter's type is the narrowest that holds all its values: integers beside floats become float64, text
beside anything else becomes string.

**epochs/*.parquet**, a row a trial and epoch, read in that order.

| column | type | unit, range |
| --- | --- | --- |
| trial | int64, never null | as above |
| epoch | int32, never null | from 1; survives a restore |
| train_loss | float64 | the autoencoder's mean squared error, RGB in 0..1; null for pix2pix |
| train_generator_loss | float64 | adversarial + lambda x L1 + weighted perceptual; null for cnn, as the next five |
| train_adversarial_loss | float64 | nats, 0 and up; null in warm-up epochs, as all of the discriminator's |
| train_l1_loss | float64 | RGB in -1..1, 0..2 |
| train_discriminator_loss | float64 | nats, 0 and up |
| train_real_accuracy | float64 | share of real patches that the discriminator takes for real, 0..1 |
| train_fake_accuracy | float64 | share of the generator's patches that it takes for fake, 0..1 |
| train_generator_gradient_norm | float64 | Euclidean, over all weights that train; for cnn the autoencoder's |
| train_discriminator_gradient_norm | float64 | likewise; null for cnn |
| val_... | float64 | the eight metrics above, on the validation split after this epoch |
| images_per_second | float64 | training images a second |
| epoch_seconds | float64 | s, training and evaluation |
| start_seconds | float64 | s of these, tracing and compiling: 0 where all was there; images_per_second is without |
| gpu_seconds | float64 | epoch_seconds times the trial's GPUs, a share where several trials use one; 0 without |
| node | string | the host that trained this epoch |
| device | string | what it trained this epoch on, as above |
| trainable_encoder_parameters | int64 | as above |
| timestamp | timestamp[ms, tz=UTC] | when it was recorded |

**resamples.parquet**, a row a trial whose test metrics are known and a resample of the test split's photos, drawn
with replacement and the same for all trials: what intervals are told by.

| column | type | unit, range |
| --- | --- | --- |
| trial | int64, never null | as above |
| resample | int32, never null | from 0 |
| test_... | float64 | the study's objectives on these photos; null for the other metrics |

Files of version 3, which knew neither roles nor the test split, are read: what is null there follows from the rest.
"""

from typing import Literal, get_args

import pyarrow as pa

SCHEMA_VERSION = 4
READABLE = (3, SCHEMA_VERSION)
Role = Literal["search", "reference", "confirmation"]
ROLES: tuple[Role, ...] = get_args(Role)
METRICS = (
    "val_delta_e",
    "val_swd",
    "val_colorfulness_gap",
    "val_chroma_error",
    "val_kid",
    "val_l1",
    "val_psnr",
    "val_ssim",
)
ON_TEST = {metric: metric.replace("val_", "test_", 1) for metric in METRICS}
"""The columns of the metrics on the test split, by those on the validation split."""
TEST_METRICS = tuple(ON_TEST.values())
STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL")
PARAMS = "params."

_VERSION = {"schema_version": str(SCHEMA_VERSION)}
TRIALS = pa.schema(
    [
        pa.field("trial", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("role", pa.string()),
        pa.field("reference", pa.string()),
        pa.field("seed", pa.int64()),
        pa.field("confirms", pa.int64()),
        pa.field("reason", pa.string()),
        pa.field("epochs", pa.int32(), nullable=False),
        pa.field("best_epoch", pa.int32()),
        pa.field("seconds", pa.float64()),
        pa.field("gpu_seconds", pa.float64()),
        pa.field("images_per_second", pa.float64()),
        pa.field("trainable_encoder_parameters", pa.int64()),
        pa.field("node", pa.string()),
        pa.field("device", pa.string()),
        *(pa.field(metric, pa.float64()) for metric in (*METRICS, *TEST_METRICS)),
    ],
    metadata=_VERSION,
)
"""Columns of `trials.parquet`, before its `params.NAME` columns."""

EPOCHS = pa.schema(
    [
        pa.field("trial", pa.int64(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("train_loss", pa.float64()),
        pa.field("train_generator_loss", pa.float64()),
        pa.field("train_adversarial_loss", pa.float64()),
        pa.field("train_l1_loss", pa.float64()),
        pa.field("train_discriminator_loss", pa.float64()),
        pa.field("train_real_accuracy", pa.float64()),
        pa.field("train_fake_accuracy", pa.float64()),
        pa.field("train_generator_gradient_norm", pa.float64()),
        pa.field("train_discriminator_gradient_norm", pa.float64()),
        *(pa.field(metric, pa.float64()) for metric in METRICS),
        pa.field("images_per_second", pa.float64()),
        pa.field("epoch_seconds", pa.float64()),
        pa.field("start_seconds", pa.float64()),
        pa.field("gpu_seconds", pa.float64()),
        pa.field("node", pa.string()),
        pa.field("device", pa.string()),
        pa.field("trainable_encoder_parameters", pa.int64()),
        pa.field("timestamp", pa.timestamp("ms", tz="UTC")),
    ],
    metadata=_VERSION,
)
"""Columns of every file in `epochs/`."""

RESAMPLES = pa.schema(
    [
        pa.field("trial", pa.int64(), nullable=False),
        pa.field("resample", pa.int32(), nullable=False),
        *(pa.field(metric, pa.float64()) for metric in TEST_METRICS),
    ],
    metadata=_VERSION,
)
"""Columns of `resamples.parquet`."""

_OBJECT = ["object", "null"]
RECORD = {
    "type": "object",
    "properties": {
        "objectives": {"type": ["array", "null"], "items": {"enum": list(METRICS)}},
        "config": {"type": _OBJECT},
        "fitted": {"type": ["array", "null"]},
        "versions": {"type": _OBJECT},
        "data": {
            "type": _OBJECT,
            "properties": {
                "counts": {"type": _OBJECT, "additionalProperties": {"type": "integer"}},
                "skipped": {"type": ["array", "null"]},
            },
        },
        "encoder": {"type": _OBJECT},
        "baselines": {
            "type": _OBJECT,
            "additionalProperties": {"type": "object", "additionalProperties": {"type": ["number", "null"]}},
        },
    },
}
"""JSON Schema of what of `study.json` is read here; where a part is missing, less is shown."""
