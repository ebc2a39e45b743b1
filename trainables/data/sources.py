"""What `--data` names: the drawn birds, a folder, a .zip, or a Kaggle data set.

A source lists its images in a fixed order, tells by `identity` whether they changed, and yields them as pictures. It
writes nothing to disk (Kaggle's own cache apart) and decides nothing about splits; building the pack is `pack`.
"""

import io
import os
import re
import stat
import textwrap
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Protocol, cast

import numpy as np

from trainables.data import birds
from trainables.data.photo import OTHER_SUFFIXES, SUFFIXES, UnusableImageError, decode
from trainables.data.split import Part

VERSION = 2
"""Of how files become a pack: raised where the same files would give another one."""
BIRDS_PER_SPECIES = 50
PREFERRED_FOLDER = "withBackground"
_GIVEN: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""What folders are called by which a data set gives its split."""
MAX_MEMBER_BYTES = 256 * 2**20
MAX_ZIP_RATIO = 100

_REMEDY = "give a folder of images, a .zip of one, kaggle:OWNER/NAME, or nothing for the drawn birds"


class DataError(ValueError):
    """Data that cannot be used; the message names the value, the rule and the remedy."""


class Source(Protocol):
    """Images in a fixed order, row by row. Can be pickled, so that workers read their own rows."""

    @property
    def title(self) -> str:
        """What a person would call it."""

    @property
    def names(self) -> Sequence[str]:
        """Path of each image relative to the data's root, valid Unicode."""

    @property
    def labels(self) -> Sequence[str]:
        """Class name of each image."""

    @property
    def given(self) -> Sequence[Part] | None:
        """The part of each image where the data's folders say it; None where nothing is said."""

    @property
    def identity(self) -> object:
        """Everything that the pictures depend on but size and seed, as JSON values: same identity, same pictures."""

    def pictures(self, rows: Iterable[int], size: int, seed: int) -> Iterator[np.ndarray | str]:
        """Yield for each row uint8 [size, size, 3], or the reason why the image cannot be used."""


@dataclass(frozen=True)
class DrawnBirds:
    """`BIRDS_PER_SPECIES` drawings of each species; a bird depends on seed, species and number alone."""

    title = "drawn birds"
    given = None

    @property
    def labels(self) -> list[str]:
        """Species of each bird."""
        return [species for species in birds.SPECIES for _ in range(BIRDS_PER_SPECIES)]

    @property
    def names(self) -> list[str]:
        """`Species/number`."""
        return [f"{species}/{row % BIRDS_PER_SPECIES + 1}" for row, species in enumerate(self.labels)]

    @property
    def identity(self) -> object:
        """The drawing's version and the number of birds."""
        return {"kind": "drawn birds", "version": birds.VERSION, "per_species": BIRDS_PER_SPECIES}

    def pictures(self, rows: Iterable[int], size: int, seed: int) -> Iterator[np.ndarray | str]:
        """Draw the birds of these rows."""
        for row in rows:
            species, number = divmod(row, BIRDS_PER_SPECIES)
            yield birds.draw_bird(
                birds.SPECIES[species], size, np.random.default_rng((seed, species, number))
            )


@dataclass(frozen=True)
class ImageFile:
    """An image file: `key` is its path or member as the system spells it, `checksum` the CRC-32 of its content."""

    name: str
    label: str
    key: str
    bytes: int
    checksum: int


@dataclass(frozen=True)
class _Files:
    title: str
    root: Path
    files: tuple[ImageFile, ...]

    @property
    def names(self) -> list[str]:
        """Path of each image below the root."""
        return [file.name for file in self.files]

    @property
    def labels(self) -> list[str]:
        """Name of the folder that each image lies in."""
        return [file.label for file in self.files]

    @property
    def given(self) -> list[Part] | None:
        """As the highest folders with several beside them are called; None unless all are called like parts."""
        folders = [PurePosixPath(file.name).parts[:-1] for file in self.files]
        same = takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))
        depth = len(list(same))
        parts = [_GIVEN.get("".join(folder[depth : depth + 1]).lower()) for folder in folders]
        return cast("list[Part]", parts) if None not in parts and "train" in parts else None

    @property
    def identity(self) -> object:
        """Names, classes and contents.

        Not the root, times or kind of container, so that copies on other machines and archives share a fingerprint.
        """
        return {
            "kind": "files",
            "version": VERSION,
            "files": [[f.name, f.label, f.bytes, f.checksum] for f in self.files],
        }


@dataclass(frozen=True)
class Folder(_Files):
    """Images below a folder, at any depth."""

    def pictures(self, rows: Iterable[int], size: int, seed: int) -> Iterator[np.ndarray | str]:
        """Decode the files of these rows."""
        for row in rows:
            try:
                with (self.root / self.files[row].key).open("rb") as stream:
                    yield decode(stream, size)
            except UnusableImageError as error:
                yield str(error)
            except OSError as error:
                yield f"cannot be read: {error.strerror}"


@dataclass(frozen=True)
class Archive(_Files):
    """Images in a .zip, read in memory member by member: nothing is extracted to disk."""

    def pictures(self, rows: Iterable[int], size: int, seed: int) -> Iterator[np.ndarray | str]:
        """Decode the members of these rows."""
        with zipfile.ZipFile(self.root) as archive:
            for row in rows:
                file = self.files[row]
                try:
                    # Not `archive.read`, which unpacks what is there, however much more than was declared.
                    with archive.open(file.key) as member:
                        content = member.read(max(1, file.bytes))
                    yield decode(io.BytesIO(content), size)
                except UnusableImageError as error:
                    yield str(error)
                except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
                    yield f"cannot be unpacked: {error}"


def resolve(data: str | None) -> Source:
    """Find what `--data` names; reads every file once for its checksum, but decodes none.

    Raises
    ------
    DataError
        Where nothing is there, nothing is an image, or an archive is damaged, encrypted or a bomb.
    """
    if data is None:
        return DrawnBirds()
    if data.startswith("kaggle:"):
        return _kaggle(data)
    path = Path(data).expanduser()
    if not data or not path.exists():
        raise DataError(f"data is {data!r}, but no such file or folder exists: {_REMEDY}.")
    if path.is_dir():
        return _folder(path, data, path.resolve().name)
    if path.suffix.lower() == ".zip":
        return _archive(path, data)
    if path.suffix.lower() in SUFFIXES:
        raise DataError(
            f"data is {data!r}, a single image: give the folder that holds the images' class folders."
        )
    raise DataError(f"data is {data!r}, which is neither a folder nor a .zip: {_REMEDY}.")


def _kaggle(data: str) -> Folder:
    handle = data.removeprefix("kaggle:")
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", handle):
        raise DataError(
            f"data is {data!r}, but a Kaggle data set is written kaggle:OWNER/NAME: "
            "for example kaggle:davemahony/20-uk-garden-birds."
        )
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            f"data is {data!r}, but kagglehub is not installed: pip install 'colorization-search[kaggle]', "
            "or download the data set's .zip in a browser and give its path."
        ) from None
    try:
        path = kagglehub.dataset_download(handle)
    except Exception as error:  # network, HTTP, credentials and disk errors share no base class
        reason = textwrap.shorten(str(error), 160)
        raise DataError(
            f"data is {data!r}, but Kaggle does not hand it out ({type(error).__name__}: {reason}): check the name "
            "and the network, or download its .zip in a browser and give its path."
        ) from error
    return _folder(Path(path), data, handle.partition("/")[2])


def _folder(root: Path, title: str, root_class: str) -> Folder:
    paths = dict(_walk(root))
    names = _images(paths, title)
    files = []
    for name in names:
        size, checksum = _content(root / paths[name])
        files.append(ImageFile(name, _class_of(name, root_class), paths[name], size, checksum))
    return Folder(title, root, tuple(files))


def _walk(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (readable name, path as the system spells it) of every file below the root; links are followed once."""

    def refuse(error: OSError) -> None:
        raise DataError(
            f"{error.filename} cannot be listed ({error.strerror}): make it readable or leave it out."
        )

    seen = set()
    for folder, below, files in os.walk(root, followlinks=True, onerror=refuse):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below[:] = sorted(name for name in below if not _ignored(name))
        for file in files:
            path = Path(folder, file).relative_to(root).as_posix()
            # Two names that are no UTF-8 stay two.
            yield os.fsencode(path).decode("utf-8", "backslashreplace"), path


def _content(path: Path) -> tuple[int, int]:
    """Size and CRC-32; zeros for what cannot be read, which decoding will report."""
    size = checksum = 0
    try:
        if stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as stream:
                while block := stream.read(2**20):
                    size, checksum = size + len(block), zlib.crc32(block, checksum)
    except OSError:
        return 0, 0
    return size, checksum


def _archive(path: Path, title: str) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            # Some Windows programs write backslashes.
            members = {
                info.filename.replace("\\", "/"): info for info in archive.infolist() if not info.is_dir()
            }
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise DataError(
            f"{title} is damaged or no zip archive ({error}): download or pack it again."
        ) from error
    names = _images(members, title)
    encrypted = [name for name in names if members[name].flag_bits & 1]
    if encrypted:
        raise DataError(
            f"{title} is encrypted ({encrypted[0]}): unpack it with its password and give the folder."
        )
    largest = max(names, key=lambda name: members[name].file_size)
    unpacked = sum(members[name].file_size for name in names)
    if members[largest].file_size > MAX_MEMBER_BYTES:
        raise DataError(
            f"{title} holds {largest} of {members[largest].file_size:,} bytes, but an archive's image may have "
            f"{MAX_MEMBER_BYTES:,} at most, being unpacked in memory: leave it out, or unpack it and give the folder."
        )
    if unpacked > max(MAX_MEMBER_BYTES, MAX_ZIP_RATIO * path.stat().st_size):
        raise DataError(
            f"{title} would unpack to {unpacked:,} bytes, more than {MAX_ZIP_RATIO} times its size, as decompression "
            "bombs do: if you trust it, unpack it and give the folder."
        )
    files = (
        ImageFile(
            name,
            _class_of(name, path.stem),
            members[name].filename,
            members[name].file_size,
            members[name].CRC,
        )
        for name in names
    )
    return Archive(title, path, tuple(files))


def _images(names: Iterable[str], title: str) -> list[str]:
    """Pick the images to read among a tree's file names, in natural order."""
    visible = [name for name in names if not any(_ignored(part) for part in PurePosixPath(name).parts)]
    preferred = [name for name in visible if PREFERRED_FOLDER in PurePosixPath(name).parts[:-1]]
    candidates = preferred or visible
    images = [name for name in candidates if _suffix(name) in SUFFIXES]
    if images:
        # Pictures of other formats are skipped as they are read, and named.
        others = [name for name in candidates if _suffix(name) in OTHER_SUFFIXES]
        return sorted(images + others, key=_natural)
    if not candidates:
        raise DataError(f"{title} is empty: {_REMEDY}.")
    kinds = Counter(_suffix(name) or "no extension" for name in candidates)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
    raise DataError(
        f"{title} holds no image among its {len(candidates)} files ({found}): images end in "
        f"{', '.join(sorted(SUFFIXES))} and lie in one folder a class."
    )


def _ignored(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _class_of(name: str, root_class: str) -> str:
    return PurePosixPath(name).parent.name or root_class


def natural(text: str) -> list[tuple[str, int, str]]:
    """Sort key under which (2) comes before (10)."""
    pieces = re.split(r"([0-9]+)", text)
    numbers = [digits.lstrip("0") for digits in [*pieces[1::2], ""]]
    return [(word, len(number), number) for word, number in zip(pieces[::2], numbers, strict=True)]


def _natural(name: str) -> tuple[list[list[tuple[str, int, str]]], str]:
    return [natural(part) for part in PurePosixPath(name).parts], name
