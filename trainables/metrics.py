"""How good a set of pictures is beside the photos they were made from: the numbers a trial reports each epoch.

Measured on uint8 pictures, as a user would save them, against the true photos in the same order. Here is neither
the composition of a picture (`trainables.color.picture`) nor any loss.

| metric | unit, range, better | definition |
| --- | --- | --- |
| `val_delta_e` | CIEDE2000, 0.., low | mean over all pixels |
| `val_swd` | Lab, 0.., low | see below |
| `val_colorfulness_gap` | 0..255 levels, low | difference of the mean colorfulness (Hasler and Suesstrunk 2003) |
| `val_chroma_error` | Lab, 0.., low | mean over all pixels of `sqrt(da^2 + db^2)` |
| `val_kid` | about 0..2, low; may be just below 0 | see below |
| `val_l1` | 0..2, low | mean absolute difference of RGB in -1..1, as pix2pix has it |
| `val_psnr` | dB, high | mean over the pictures, each at most `PSNR_CEILING` |
| `val_ssim` | -1..1, high | mean over the pictures and RGB (Wang 2004) |

**Sliced Wasserstein distance** (Rabin 2011, Karras 2018): of each picture 24 patches of 5x5 pixels in Lab at each
of the scales 1, 2 and 4 (average pooling), at the same seeded places of pictures and photos. Each patch is a vector
of 75 numbers, projected on the scale's 256 seeded unit vectors. Along each of them, the distance between the two
sets is the mean difference of their sorted values; these are averaged over projections and scales, with no factor.
So a shift of every pixel by v gives 0.46 |v|, photos at 64 pixels against their gray selves about 6, a set against
itself 0, and photos against themselves at other places 0.3.

**Kernel inception distance** (Binkowski 2018), kernel `(x.y/d + 1)^3`, on features standardised by the photos' mean
and deviation: `mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j)`, each over i != j alone, so that no
picture meets its own original.

**Resamples** (Efron 1979) draw photos, each with its picture. A photo drawn w times counts w times in every mean,
with w copies of its patches and of its picture's in `val_swd`, whose places and projections stay; and in `val_kid`
the pair i != j counts w_i w_j times, so that copies do not meet, on features standardised by all the photos.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainables import color
from trainables.features import FeatureExtractor
from trainables.ssim import ssim

METRICS: tuple[str, ...] = (
    "val_delta_e",
    "val_swd",
    "val_colorfulness_gap",
    "val_chroma_error",
    "val_kid",
    "val_l1",
    "val_psnr",
    "val_ssim",
)
PSNR_CEILING = 10 * math.log10(12 * 255**2)
"""58.9 dB, what rounding to uint8 costs alone: else one picture equal to its photo makes the mean infinite."""

_PATCHES, _PATCH, _SCALES, _PROJECTIONS = 24, 5, (1, 2, 4), 256
_SMALLEST = _PATCH * max(_SCALES)
_BATCH = 16
"""Pictures at a time: what 32 take of memory on their way through the features no longer fits a processor's cache."""
_RESAMPLES = 32
"""So few at a time that what `_drawn_distances` works on, 1.7 MB for 280 photos, stays in a processor's cache."""

_COMPARED = ("val_delta_e", "val_chroma_error", "val_l1", "val_psnr", "val_ssim")

# One trace for all image and batch sizes, so that a process that runs many trials traces once.
_PICTURES = tf.TensorSpec([None, None, None, 3], tf.uint8)
_LAB = tf.TensorSpec([None, None, None, 3], tf.float32)
_PIXELS = [tf.TensorSpec([None, _PATCHES * _PATCH**2], tf.int32)] * len(_SCALES)
_DIRECTIONS = tf.TensorSpec([len(_SCALES), _PROJECTIONS, 3 * _PATCH**2], tf.float32)

Images = npt.NDArray[np.uint8]
Pictures: TypeAlias = tf.Tensor | npt.NDArray[np.generic]
_Floats = npt.NDArray[np.float64]
_Means = TypeVar("_Means", float, _Floats)


class MetricsError(ValueError):
    """The pictures or photos cannot be measured."""


class Evaluator:
    """Measures pictures against fixed photos; what depends on the photos alone is computed once.

    Parameters
    ----------
    truth
        The photos, uint8 `[n, s, s, 3]`, s of 20 or more.
    seed
        Draws the places and projections of `val_swd`.
    features
        For `val_kid`, which is left out without them; needs two photos or more.

    Raises
    ------
    MetricsError
        When `truth` is none of that.
    """

    def __init__(self, truth: Images, *, seed: int, features: FeatureExtractor | None = None) -> None:
        shape = truth.shape
        if (
            truth.dtype != np.uint8
            or len(shape) != 4
            or shape[1] != shape[2]
            or shape[3] != 3
            or not shape[0]
        ):
            raise MetricsError(
                f"truth is {truth.dtype} {_shape(shape)}, but must be uint8 [n, s, s, 3] with n of 1 or more: "
                "pass the photos as the pack holds them."
            )
        if shape[1] < _SMALLEST:
            raise MetricsError(
                f"truth has {shape[1]} pixels a side, but must have {_SMALLEST} or more: "
                f"patches of {_PATCH} pixels are taken at a quarter of the size."
            )
        if features is not None and shape[0] < 2:
            raise MetricsError(
                "truth is a single photo, but val_kid compares pairs: pass two or more, or leave features out."
            )
        self._truth = truth
        self._names = tuple(name for name in METRICS if name != "val_kid" or features is not None)
        self._extractor = features
        rng = np.random.default_rng(seed)
        self._directions = tf.constant(_directions(rng), tf.float32)
        self._pixels = [_patch_pixels(shape[0], shape[1] // scale, rng) for scale in _SCALES]

        self._lab = np.empty(shape, np.float32)
        parts = []
        for rows in _batches(shape[0]):
            self._lab[rows], part = self._reduce(tf.constant(truth[rows]), rows)
            parts.append(part)
        self._colorfulness, projections, self._features = _Summary.joined(parts)
        # NumPy sorts these thirty times as fast as tf.sort does on a CPU.
        self._sorted = np.sort(projections, axis=2)

    def __call__(self, pictures: Pictures) -> dict[str, float]:
        """Measure pictures `[n, s, s, 3]`, one for each photo and in the photos' order: uint8, or floats in 0..1.

        Returns
        -------
        dict
            `METRICS` in their order, without `val_kid` where no features were given. Every one is NaN when
            any value of the pictures is NaN or infinite.

        Raises
        ------
        MetricsError
            When shape, type or range is another.
        """
        measured = self._measured(pictures)
        if measured is None:
            return dict.fromkeys(self._names, math.nan)
        comparisons, (colorfulness, projections, features) = measured
        values = dict(zip(_COMPARED, comparisons.mean(axis=1, dtype=float).tolist(), strict=True))
        values["val_swd"] = float(np.abs(np.sort(projections, axis=2) - self._sorted).mean(dtype=float))
        values["val_colorfulness_gap"] = abs(
            float(colorfulness.mean(dtype=float)) - float(self._colorfulness.mean(dtype=float))
        )
        if features is not None and self._features is not None:
            values["val_kid"] = _kernel_distance(features, self._features, _pair_mean)
        return {name: values[name] for name in self._names}

    def resampled(self, pictures: Pictures, draws: npt.NDArray[np.integer]) -> dict[str, _Floats]:
        """Measure the pictures on resamples of the photos, as for a bootstrap interval.

        Takes a core 6 s for 280 photos of 64 pixels and 400 resamples, nearly all of it for `val_swd`: a time that
        grows with the product of both numbers, where memory grows with the photos alone.

        Parameters
        ----------
        pictures
            As for a call.
        draws
            How often each of the n photos is drawn in each of b resamples: integers `[b, n]` of 0 or more, whose
            rows sum to n.

        Returns
        -------
        dict
            For each metric of a call its values `[b]`. A row of ones has the call's value but for rounding.
            `val_kid` is NaN for a resample of one photo alone, and all are NaN where a call's are.

        Raises
        ------
        MetricsError
            When the pictures or draws are others.
        """
        count = len(self._truth)
        if draws.ndim != 2 or draws.shape[1] != count or not np.issubdtype(draws.dtype, np.integer):
            raise MetricsError(
                f"draws are {draws.dtype} {_shape(draws.shape)}, but must be integers [b, {count}]: "
                "pass how often each photo is drawn, one row for each resample."
            )
        sums = draws.sum(axis=1)
        if (draws < 0).any() or (sums != count).any():
            raise MetricsError(
                f"draws reach down to {draws.min()} and their rows sum to {sums.min()} to {sums.max()}, but must be "
                f"0 or more and sum to {count}, the number of photos: draw them with rng.multinomial."
            )
        measured = self._measured(pictures)
        if measured is None:
            return {name: np.full(len(draws), math.nan) for name in self._names}
        comparisons, (colorfulness, projections, features) = measured
        weights = draws.astype(float)
        values = dict(zip(_COMPARED, comparisons @ weights.T / count, strict=True))
        values["val_colorfulness_gap"] = np.abs(weights @ colorfulness - weights @ self._colorfulness) / count
        # Described again, since a training process would have to hold them beside the sorted ones for nothing.
        true = [self._describe(tf.constant(self._truth[rows]), rows)[2] for rows in _batches(count)]
        values["val_swd"] = _drawn_distances(projections, np.concatenate(true, axis=2), weights)
        if features is not None and self._features is not None:
            values["val_kid"] = _kernel_distance(
                features, self._features, lambda kernel: _drawn_pair_means(kernel, weights)
            )
        return {name: values[name] for name in self._names}

    def _measured(self, pictures: Pictures) -> "tuple[npt.NDArray[np.float32], _Summary] | None":
        """`[5, n]` of `_compare` and what the pictures are reduced to; None when any value is not finite."""
        if tuple(pictures.shape) != self._truth.shape:
            raise MetricsError(
                f"pictures are {_shape(pictures.shape)}, but the photos are {_shape(self._truth.shape)}: "
                "pass one picture for each photo, of the same size."
            )
        dtype = tf.as_dtype(pictures.dtype)
        if not dtype.is_floating and dtype != tf.uint8:
            raise MetricsError(f"pictures are {dtype.name}, but must be uint8 or floats: convert them.")

        parts, comparisons = [], []
        for rows in _batches(len(self._truth)):
            batch = tf.convert_to_tensor(pictures[rows])
            if dtype.is_floating:
                if not tf.reduce_all(tf.math.is_finite(batch)):
                    return None
                batch = color.to_uint8(_within_range(tf.cast(batch, tf.float32)))
            lab, part = self._reduce(batch, rows)
            parts.append(part)
            comparisons.append(
                _compare(batch, lab, tf.constant(self._truth[rows]), tf.constant(self._lab[rows]))
            )
        return np.concatenate(comparisons, axis=1), _Summary.joined(parts)

    def _reduce(self, batch: tf.Tensor, rows: slice) -> "tuple[tf.Tensor, _Summary]":
        """Lab of a uint8 batch, and what the metrics over the whole set need of it."""
        lab, colorfulness, projections = self._describe(batch, rows)
        features = None if self._extractor is None else self._extractor(_unit(batch)).numpy().astype(float)
        return lab, _Summary(colorfulness.numpy(), projections.numpy(), features)

    def _describe(self, batch: tf.Tensor, rows: slice) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return _describe(batch, [p[rows] for p in self._pixels], self._directions)


def baselines(
    truth: Images, *, seed: int, features: FeatureExtractor | None = None
) -> dict[str, dict[str, float]]:
    """Score what any model must beat, on the same definitions and by `Evaluator`'s rules.

    Returns
    -------
    dict
        `"gray"`, the photo's luma alone, and `"mean chroma"`, its luma with its own true mean chroma on every
        pixel: an oracle, since no model is told that mean.
    """
    evaluator = Evaluator(truth, seed=seed, features=features)
    gray, mean_chroma = np.empty_like(truth), np.empty_like(truth)
    for rows in _batches(len(truth)):
        rgb = _unit(tf.constant(truth[rows]))
        luma, chroma = color.luma(rgb), color.chroma(rgb)
        mean = tf.reduce_mean(chroma, axis=(1, 2), keepdims=True) * tf.ones_like(chroma)
        gray[rows] = color.to_uint8(color.picture(luma, tf.zeros_like(chroma)))
        mean_chroma[rows] = color.to_uint8(color.picture(luma, mean))
    return {"gray": evaluator(gray), "mean chroma": evaluator(mean_chroma)}


class _Summary(NamedTuple):
    """What a set of n pictures is reduced to, in their order."""

    colorfulness: npt.NDArray[np.float32]  # [n]
    projections: npt.NDArray[np.float32]  # [scales, projections, n * patches]
    features: _Floats | None  # [n, d]

    @classmethod
    def joined(cls, parts: Sequence["_Summary"]) -> "_Summary":
        colorfulness, projections, features = zip(*parts, strict=True)
        return cls(
            np.concatenate(colorfulness),
            np.concatenate(projections, axis=2),
            None if features[0] is None else np.concatenate(features),
        )


@tf.function(input_signature=[_PICTURES, _PIXELS, _DIRECTIONS])
def _describe(
    pictures: tf.Tensor, pixels: list[tf.Tensor], directions: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Lab `[b, s, s, 3]`, colorfulness `[b]` and projected patches `[scales, projections, b * patches]`."""
    lab = color.rgb_to_lab(_unit(pictures))
    projections = []
    for scale, at, along in zip(_SCALES, pixels, tf.unstack(directions), strict=True):
        reduced = tf.nn.avg_pool2d(lab, scale, scale, "VALID")
        flat = tf.reshape(reduced, (tf.shape(reduced)[0], -1, 3))
        patches = tf.reshape(tf.gather(flat, at, batch_dims=1), (-1, along.shape[1]))
        projections.append(tf.matmul(along, patches, transpose_b=True))

    red, green, blue = tf.unstack(tf.cast(pictures, tf.float32), axis=-1)
    means, variances = tf.nn.moments(tf.stack([red - green, (red + green) / 2 - blue], axis=-1), axes=(1, 2))
    colorfulness = tf.sqrt(tf.reduce_sum(variances, -1)) + 0.3 * tf.norm(means, axis=-1)
    return lab, colorfulness, tf.stack(projections)


@tf.function(input_signature=[_PICTURES, _LAB, _PICTURES, _LAB])
def _compare(pictures: tf.Tensor, lab: tf.Tensor, truth: tf.Tensor, truth_lab: tf.Tensor) -> tf.Tensor:
    """`[5, b]`: CIEDE2000, chroma error, L1, PSNR and SSIM of each picture."""
    pictures, truth = _unit(pictures), _unit(truth)
    return tf.stack(
        [
            tf.reduce_mean(color.delta_e_2000(lab, truth_lab), axis=(1, 2)),
            tf.reduce_mean(tf.norm((lab - truth_lab)[..., 1:], axis=-1), axis=(1, 2)),
            2 * tf.reduce_mean(tf.abs(pictures - truth), axis=(1, 2, 3)),
            tf.minimum(tf.image.psnr(pictures, truth, 1.0), PSNR_CEILING),
            ssim(pictures, truth),
        ]
    )


def _drawn_distances(
    own: npt.NDArray[np.float32], true: npt.NDArray[np.float32], weights: _Floats
) -> _Floats:
    """`val_swd` `[b]` of sets whose photos' patches count `weights` `[b, n]` times; n is the sum of each row.

    The distance of two such sets of numbers is the area between their distribution functions. The functions'
    difference is a running sum over the numbers of both in ascending order, plus the weight of each of the pictures'
    and minus that of each of the photos'.
    """
    count, patches = weights.shape[1], own.shape[2]
    batches = [slice(start, start + _RESAMPLES) for start in range(0, len(weights), _RESAMPLES)]
    signed = [np.concatenate([w.T, -w.T]).astype(np.float32) for w in (weights[rows] for rows in batches)]
    areas = np.zeros(len(weights))
    for both in zip(own.reshape(-1, patches), true.reshape(-1, patches), strict=True):
        values = np.concatenate(both)
        order = np.argsort(values)
        ascending = values[order]
        # [48, n]: the sum runs along n stretches at once, which np.cumsum does not and takes four times as long.
        gaps = np.diff(ascending, append=ascending[-1]).reshape(count, -1).T
        drawn = (order // _PATCHES).reshape(count, -1).T
        for rows, weight in zip(batches, signed, strict=True):
            difference = weight.take(drawn, axis=0)
            for before, after in pairwise(difference):
                np.add(before, after, out=after)
            difference[:, 1:] += np.cumsum(difference[-1, :-1], axis=0)
            # No matrix product: BLAS would start threads for it, which wait on each other where cores are busy.
            pieces = np.einsum("ij,ijk->jk", gaps, np.abs(difference, out=difference))
            areas[rows] += pieces.sum(axis=0, dtype=float)
    return areas / (len(_SCALES) * _PROJECTIONS * patches)


def _kernel_distance(own: _Floats, true: _Floats, mean: Callable[[_Floats], _Means]) -> _Means:
    """KID of features `[n, d]` and their originals', both standardised by the latter; `mean` is that over i != j."""
    deviation = true.std(axis=0)
    # A channel that is the same for every photo has no scale to be measured in.
    varies = deviation > 1e-6
    own, true = ((x - true.mean(axis=0))[:, varies] / deviation[varies] for x in (own, true))

    def kernel(x: _Floats, y: _Floats) -> _Floats:
        return (x @ y.T / x.shape[1] + 1) ** 3

    return mean(kernel(own, own)) + mean(kernel(true, true)) - 2 * mean(kernel(own, true))


def _pair_mean(kernel: _Floats) -> float:
    return float((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)))


def _drawn_pair_means(kernel: _Floats, weights: _Floats) -> _Floats:
    """`[b]`: the mean over i != j with `weights` `[b, n]`; NaN where no two photos are drawn."""
    squares = weights**2
    pairs = weights.sum(axis=1) ** 2 - squares.sum(axis=1)
    sums = (weights @ kernel * weights).sum(axis=1) - squares @ np.diag(kernel)
    return sums / np.where(pairs > 0, pairs, math.nan)


def _directions(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Unit vectors `[scales, projections, 75]`, each uniform on the sphere but for its sign, which is of no effect.

    Drawn as orthogonal sets (Rowland 2019): independent ones would let the seed alone move `val_swd` by 5 %.
    """
    length = 3 * _PATCH**2
    sets = -(-_PROJECTIONS // length)
    bases, _ = np.linalg.qr(rng.normal(size=(len(_SCALES), sets, length, length)))
    return bases.swapaxes(2, 3).reshape(len(_SCALES), -1, length)[:, :_PROJECTIONS]


def _patch_pixels(count: int, side: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Flat pixel indices `[count, patches * 25]` of patches at places of their own in each of `count` pictures."""
    corners = rng.integers(side - _PATCH + 1, size=(count, _PATCHES, 2))
    step = np.arange(_PATCH)
    rows, columns = corners[..., 0, None, None] + step[:, None], corners[..., 1, None, None] + step
    return (rows * side + columns).reshape(count, -1).astype(np.int32)


def _within_range(rgb: tf.Tensor) -> tf.Tensor:
    lowest, highest = float(tf.reduce_min(rgb)), float(tf.reduce_max(rgb))
    if lowest < -1e-3 or highest > 1 + 1e-3:
        raise MetricsError(
            f"pictures reach from {lowest:.3g} to {highest:.3g}, but must lie in 0..1: "
            "compose them with trainables.color.picture."
        )
    return rgb


def _unit(pictures: tf.Tensor) -> tf.Tensor:
    return tf.cast(pictures, tf.float32) / 255


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH))


def _shape(shape: Sequence[int]) -> str:
    return f"[{', '.join(str(side) for side in shape)}]"
