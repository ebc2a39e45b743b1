"""Packs: a data set at one image size as a single memory-mapped Arrow file that all trials of a node share.

`build_pack` makes one or finds it again by its fingerprint, `open_pack` maps it. What the images are is `sources`,
who trains on them is `split`.
"""

import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import time
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from trainables.data.sources import DataError, Source, natural, resolve
from trainables.data.split import PARTS, Part, complete, near_duplicates, split
from trainables.processors import processors

VERSION = 1
"""Raised when the same data would give another pack: part of the fingerprint."""
SCHEMA_VERSION = "1"
MIN_IMAGES = 20
MIN_HELD_OUT = 2
MIN_IMAGE_SIZE = 32

_IMAGES_PER_WORKER = 100
_CHUNK_BYTES = 32 * 2**20
_DAMAGE = (OSError, ValueError, KeyError, pa.ArrowException)


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack as `open_pack` maps it. The images are read-only and take no memory of their own."""

    path: Path
    fingerprint: str
    source: str
    """What a person would call the data it was built from: "drawn birds", "/data/birds"."""
    seed: int
    """Of the split, and of where pictures are measured, so that trainings with other seeds are measured alike."""
    images: np.ndarray = field(repr=False)
    """uint8 [n, size, size, 3], RGB."""
    labels: np.ndarray = field(repr=False)
    """int64 [n], index into `classes`."""
    classes: tuple[str, ...]
    names: tuple[str, ...] = field(repr=False)
    """Path of each image relative to the data's root."""
    split: np.ndarray = field(repr=False)
    """int8 [n]: 0 train, 1 validation, 2 test."""

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return int(self.images.shape[1])

    def indices(self, part: Part) -> np.ndarray:
        """Rows of one part, int64, ascending."""
        return np.flatnonzero(self.split == PARTS.index(part))


@dataclass(frozen=True)
class PackReport:
    """What `build_pack` did."""

    path: Path
    fingerprint: str
    source: str
    counts: dict[str, int]
    """Images in train, validation and test."""
    classes: int
    skipped: tuple[tuple[str, str], ...]
    """(name, reason) of each image that could not be used."""
    near_duplicates: int
    """Images that show what another shows, in whatever class; they are in its part, unless a split was given."""
    given: tuple[Part, ...]
    """The parts that the data's folders give; the others are dealt."""
    built: bool
    """False where the pack was found in the cache."""
    seconds: float


def build_pack(
    data: str | None, image_size: int, *, seed: int, cache: Path, workers: int | None = None
) -> PackReport:
    """Build the pack of `data` in `cache`, or find it there.

    The images are held in memory while it is built; the file appears at once and whole, also when several processes
    build the same pack.

    Parameters
    ----------
    data : str or None
        A folder, a .zip, `kaggle:OWNER/NAME`, or None for the drawn birds.
    image_size : int
        Pixels, a power of two of at least 32.
    seed : int
        At least 0: decides the split and the drawn birds.
    cache : Path
        Folder of the packs; made where it is missing.
    workers : int, optional
        Processes that decode, as many as this process may use processors where None. Few images use fewer.

    Raises
    ------
    DataError
        Where the data, the size or the seed cannot be used, too few images are left, or the cache cannot be written.
    """
    started = time.perf_counter()
    _check_size(image_size)
    if seed < 0:
        raise DataError(f"seed is {seed}, but must be 0 or more: take 0.")
    source = resolve(data)
    fingerprint = _fingerprint(source, image_size, seed)
    path = cache / f"{fingerprint[:16]}.arrow"
    batch = _find(path, fingerprint)
    built = batch is None
    if batch is None:
        batch = _build(source, image_size, seed, fingerprint, workers or processors())
        _write(batch, path)
    pack, metadata, given = _as_pack(batch, path), _metadata(batch), source.given or ()
    return PackReport(
        path=path,
        fingerprint=fingerprint,
        source=source.title,
        counts={part: len(pack.indices(part)) for part in PARTS},
        classes=len(pack.classes),
        skipped=tuple((name, reason) for name, reason in json.loads(metadata["skipped"])),
        near_duplicates=int(metadata.get("near_duplicates", 0)),
        given=tuple(part for part in PARTS if part in given),
        built=built,
        seconds=time.perf_counter() - started,
    )


def open_pack(path: Path) -> Pack:
    """Map a pack that `build_pack` wrote; nothing is read until it is looked at.

    Raises
    ------
    DataError
        Where it is missing, damaged, or of another version.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: build the pack again.")
    try:
        return _as_pack(_map(path), path)
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged or no pack ({error}): delete it and build it again.") from error


def _check_size(size: int) -> None:
    if size < MIN_IMAGE_SIZE or size & (size - 1):
        below = max(MIN_IMAGE_SIZE, 1 << (max(size, 1).bit_length() - 1))
        raise DataError(
            f"image_size is {size}, but must be a power of two of at least {MIN_IMAGE_SIZE}: "
            f"take {below} or {2 * below}."
        )


def _fingerprint(source: Source, image_size: int, seed: int) -> str:
    content = json.dumps([VERSION, SCHEMA_VERSION, source.identity, image_size, seed])
    return hashlib.sha256(content.encode()).hexdigest()


def _find(path: Path, fingerprint: str) -> pa.RecordBatch | None:
    """Return the cached pack if it is whole."""
    try:
        batch = _map(path)
        metadata = _metadata(batch)
        checksum = metadata.pop("checksum")
        whole = metadata["fingerprint"] == fingerprint and checksum == _checksum(batch, metadata)
    except _DAMAGE:
        return None
    return batch if whole else None


def _build(source: Source, image_size: int, seed: int, fingerprint: str, workers: int) -> pa.RecordBatch:
    names, class_names = source.names, source.labels
    classes = sorted(set(class_names), key=natural)
    images = np.empty((len(names), image_size, image_size, 3), np.uint8)
    rows: list[int] = []
    skipped: list[tuple[str, str]] = []
    for row, picture in enumerate(_pictures(source, image_size, seed, workers)):
        if isinstance(picture, str):
            skipped.append((names[row], picture))
        else:
            images[len(rows)] = picture
            rows.append(row)
    images = images[: len(rows)]
    _check_count(source, len(rows), skipped)
    # Numbered after skipping: a class without a usable image is none.
    classes = [name for name in classes if name in {class_names[row] for row in rows}]
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[class_names[row]] for row in rows], np.int64)
    groups = near_duplicates(images)
    # The same photo may lie in two classes; it is dealt with the first.
    codes = split(labels[groups], groups, seed)
    given = source.given
    if given is not None:
        codes = complete(np.array([PARTS.index(given[row]) for row in rows], np.int8), codes)
    _check_held_out(
        source, codes, "so many are near-duplicates of each other" if given is None else "its folders say"
    )
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), image_size * image_size * 3),
        pa.array(labels),
        pa.array([names[row] for row in rows], pa.string()),
        pa.array(codes),
    ]
    batch = pa.record_batch(columns, schema=_schema(image_size))
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "fingerprint": fingerprint,
        "source": source.title,
        "classes": json.dumps(classes),
        "image_size": str(image_size),
        "seed": str(seed),
        "skipped": json.dumps(skipped),
        "near_duplicates": str(len(rows) - len(np.unique(groups))),
    }
    return batch.replace_schema_metadata(metadata | {"checksum": _checksum(batch, metadata)})


def _schema(image_size: int) -> pa.Schema:
    pixels = pa.list_(pa.uint8(), image_size * image_size * 3)
    return pa.schema([("image", pixels), ("label", pa.int64()), ("name", pa.string()), ("split", pa.int8())])


def _check_count(source: Source, usable: int, skipped: list[tuple[str, str]]) -> None:
    if usable < MIN_IMAGES:
        shown = "".join(f"\n  {name}: {reason}" for name, reason in skipped[:10])
        more = f"\n  and {len(skipped) - 10} more" if len(skipped) > 10 else ""
        raise DataError(
            f"{source.title} has {usable} usable images, but at least {MIN_IMAGES} are needed: add images. "
            f"{len(skipped)} were skipped{':' if skipped else '.'}{shown}{more}"
        )


def _check_held_out(source: Source, codes: np.ndarray, why: str) -> None:
    _, validation, test = np.bincount(codes, minlength=len(PARTS))
    if min(validation, test) < MIN_HELD_OUT:
        raise DataError(
            f"{source.title} has {len(codes)} images, but {why} that "
            f"{validation} are left to validate and {test} to test; each needs {MIN_HELD_OUT}: add different ones."
        )


def _pictures(source: Source, size: int, seed: int, workers: int) -> Iterator[np.ndarray | str]:
    """Yield all pictures of a source in order, decoded by as many processes as pay for their start."""
    count = len(source.names)
    workers = min(workers, -(-count // _IMAGES_PER_WORKER))
    if workers <= 1:
        yield from source.pictures(range(count), size, seed)
        return
    # Small enough to keep few in flight and all workers busy to the end, large enough to open an archive seldom.
    step = min(-(-count // (4 * workers)), max(1, _CHUNK_BYTES // (3 * size * size)))
    chunks = [range(start, min(start + step, count)) for start in range(0, count, step)]
    children = []
    try:
        # Spawned, since forking a process that has loaded TensorFlow may hang the child.
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            tasks = pool.map(_chunk, *zip(*((source, rows, size, seed) for rows in chunks), strict=True))
            children = multiprocessing.active_children()
            yield from itertools.chain.from_iterable(tasks)
    except BrokenProcessPool as error:
        if any(child.exitcode == 1 for child in children):
            raise DataError(
                "The processes that read images import the program that started them, and this one would start"
                ' others there: put what it does under `if __name__ == "__main__":`.'
            ) from error
        raise DataError(
            f"A process that read the images of {source.title} was killed, most likely for want of memory: "
            "free some, or take a smaller image size."
        ) from error


def _chunk(source: Source, rows: range, size: int, seed: int) -> list[np.ndarray | str]:
    return list(source.pictures(rows, size, seed))


def _write(batch: pa.RecordBatch, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                with pa.ipc.new_file(file, batch.schema) as writer:
                    writer.write_batch(batch)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DataError(
                f"No space left in {path.parent}: the pack needs {batch.nbytes:,} bytes. Make room, or name a cache "
                "folder on another disk."
            ) from error
        raise DataError(
            f"The pack cannot be written to {path.parent} ({error.strerror}): name a cache folder that can be."
        ) from error


def _map(path: Path) -> pa.RecordBatch:
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    if reader.num_record_batches != 1:
        raise ValueError(f"{reader.num_record_batches} record batches instead of one")
    batch = reader.get_batch(0)
    metadata = _metadata(batch)
    if metadata["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {metadata['schema_version']} instead of {SCHEMA_VERSION}")
    if not batch.schema.equals(_schema(int(metadata["image_size"]))):
        raise ValueError(f"the columns {batch.schema.names} are not a pack's")
    batch.validate(full=True)
    return batch


def _metadata(batch: pa.RecordBatch) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (batch.schema.metadata or {}).items()}


def _as_pack(batch: pa.RecordBatch, path: Path) -> Pack:
    metadata = _metadata(batch)
    size = int(metadata["image_size"])
    pixels = batch.column("image").values.to_numpy(zero_copy_only=True)
    return Pack(
        path=path,
        fingerprint=metadata["fingerprint"],
        source=metadata["source"],
        seed=int(metadata["seed"]),
        images=pixels.reshape(len(batch), size, size, 3),
        labels=batch.column("label").to_numpy(),
        classes=tuple(json.loads(metadata["classes"])),
        names=tuple(batch.column("name").to_pylist()),
        split=batch.column("split").to_numpy(),
    )


def _checksum(batch: pa.RecordBatch, metadata: dict[str, str]) -> str:
    """CRC-32 of the metadata and of all columns' values."""
    checksum = zlib.crc32(json.dumps(sorted(metadata.items())).encode())
    for column in batch.columns:
        for buffer in column.buffers():
            if buffer is not None:
                checksum = zlib.crc32(buffer, checksum)
    return f"{checksum:08x}"
