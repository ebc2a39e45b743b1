import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from trainables.data import sources
from trainables.data.pack import PackReport, build_pack, open_pack
from trainables.data.sources import DataError
from trainables.data.split import PARTS, near_duplicates

MakePicture = Callable[..., Image.Image]

BUILD = """
import sys
from pathlib import Path
from trainables.data.pack import build_pack
if __name__ == "__main__":
    data, cache, size = sys.argv[1:]
    try:
        report = build_pack(data, int(size), seed=0, cache=Path(cache), workers=1)
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(report.path.name, report.counts["train"])
"""


def build(data: Path | str | None, cache: Path, **options: int) -> PackReport:
    arguments = {"image_size": 32, "seed": 0, "workers": 1} | options
    return build_pack(None if data is None else str(data), cache=cache, **arguments)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "packs"


@pytest.fixture
def many_birds(tmp_path: Path, make_picture: MakePicture) -> Path:
    """Enough pictures that several processes read them."""
    root = tmp_path / "many"
    for number in range(320):
        path = root / f"class {number % 4}" / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_picture(number, (20, 16)).save(path)
    return root


def test_a_pack_holds_every_image_with_its_class_and_name(birds_folder: Path, cache: Path) -> None:
    report = build(birds_folder, cache)
    pack = open_pack(report.path)
    assert pack.images.shape == (30, 32, 32, 3)
    assert (pack.images.dtype, pack.labels.dtype, pack.split.dtype) == (np.uint8, np.int64, np.int8)
    assert pack.classes == ("House Sparrow", "Robin", "Wren")
    assert [name.split("/")[0] for name in pack.names] == [pack.classes[label] for label in pack.labels]
    assert (pack.path, pack.image_size, pack.source) == (report.path, 32, str(birds_folder))
    assert report.path.name == f"{pack.fingerprint[:16]}.arrow"
    with Image.open(birds_folder / pack.names[8]) as image:
        exact = np.asarray(
            image.convert("RGB").crop((4, 0, 44, 40)).resize((32, 32), Image.Resampling.LANCZOS)
        )
    assert np.abs(pack.images[8].astype(int) - exact).mean() < 2


def test_the_parts_are_disjoint_whole_and_counted(birds_folder: Path, cache: Path) -> None:
    report = build(birds_folder, cache)
    pack = open_pack(report.path)
    parts = {part: pack.indices(part) for part in ("train", "validation", "test")}
    assert (
        {part: len(rows) for part, rows in parts.items()}
        == report.counts
        == {"train": 24, "validation": 3, "test": 3}
    )
    assert all(rows.dtype == np.int64 and np.all(np.diff(rows) > 0) for rows in parts.values())
    assert sorted(np.concatenate(list(parts.values()))) == list(range(30))


def test_opening_a_pack_copies_nothing_and_the_images_are_read_only(birds_folder: Path, cache: Path) -> None:
    path = build(birds_folder, cache).path
    before = pa.total_allocated_bytes()
    pack = open_pack(path)
    assert pa.total_allocated_bytes() == before
    assert np.shares_memory(pack.images, pack.images[3:])
    with pytest.raises(ValueError, match="read-only"):
        pack.images[0] = 0
    if sys.platform == "linux":
        address = pack.images.ctypes.data
        for line in Path("/proc/self/maps").read_text().splitlines():
            start, end = (int(bound, 16) for bound in line.split()[0].split("-"))
            if start <= address < end:
                assert address + pack.images.nbytes <= end
                assert line.endswith(str(path))
                break
        else:
            pytest.fail("the images lie in no mapping of this process")


def test_a_pack_outlives_its_file(birds_folder: Path, cache: Path) -> None:
    pack = open_pack(build(birds_folder, cache).path)
    kept = pack.images.copy()
    shutil.rmtree(cache)
    np.testing.assert_array_equal(pack.images, kept)


def test_the_schema_tells_what_the_pack_is(birds_folder: Path, cache: Path) -> None:
    report = build(birds_folder, cache, seed=3)
    with pa.memory_map(str(report.path)) as file:
        reader = pa.ipc.open_file(file)
        assert reader.num_record_batches == 1
        assert [f"{column.name}: {column.type}" for column in reader.schema] == [
            f"image: fixed_size_list<item: uint8>[{32 * 32 * 3}]",
            "label: int64",
            "name: string",
            "split: int8",
        ]
        metadata = {key.decode(): value.decode() for key, value in reader.schema.metadata.items()}
    assert (
        metadata.items()
        >= {
            "schema_version": "1",
            "fingerprint": report.fingerprint,
            "source": str(birds_folder),
            "classes": '["House Sparrow", "Robin", "Wren"]',
            "image_size": "32",
            "seed": "3",
        }.items()
    )


def test_a_pack_is_found_again_without_decoding_anything(
    birds_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (birds_folder / "Wren/broken.png").write_bytes(b"broken")
    first = build(birds_folder, cache)
    monkeypatch.setattr(sources, "decode", lambda *_: pytest.fail("decoded"))
    again = build(birds_folder, cache)
    assert (first.built, again.built) == (True, False)
    assert again.skipped == first.skipped
    assert len(again.skipped) == 1
    assert (again.path, again.counts, again.classes) == (first.path, first.counts, first.classes)


def test_size_seed_and_content_each_make_another_pack(birds_folder: Path, cache: Path) -> None:
    fingerprints = {build(birds_folder, cache).fingerprint, build(birds_folder, cache, seed=1).fingerprint}
    fingerprints.add(build(birds_folder, cache, image_size=64).fingerprint)
    (birds_folder / "Robin/(1).JPG").unlink()
    fingerprints.add(build(birds_folder, cache).fingerprint)
    assert len(fingerprints) == len(list(cache.iterdir())) == 4


def test_a_folder_and_its_zip_give_the_same_images_and_split(tmp_path: Path, birds_folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "birds.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in birds_folder.rglob("*.*"):
            archive.write(file, file.relative_to(birds_folder))
    folder, archived = build(birds_folder, tmp_path / "a"), build(tmp_path / "birds.zip", tmp_path / "b")
    assert (folder.built, archived.built) == (True, True)
    assert folder.fingerprint == archived.fingerprint
    one, other = open_pack(folder.path), open_pack(archived.path)
    for column in ("images", "labels", "split", "names", "classes"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def test_any_number_of_processes_builds_the_same_file(many_birds: Path, tmp_path: Path) -> None:
    files = [build(many_birds, tmp_path / str(workers), workers=workers).path for workers in (1, 3)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    "damage", ["empty", "cut short", "last byte missing", "one bit", "not Arrow", "other Arrow", "other pack"]
)
def test_a_damaged_pack_is_rebuilt(damage: str, birds_folder: Path, cache: Path) -> None:
    path = build(birds_folder, cache).path
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    other = pa.BufferOutputStream()
    with pa.ipc.new_file(other, pa.schema([("x", pa.int8())])) as writer:
        writer.write_batch(pa.record_batch({"x": pa.array([1], pa.int8())}))
    path.write_bytes(
        {
            "empty": b"",
            "cut short": whole[: len(whole) // 2],
            "last byte missing": whole[:-1],
            "one bit": bytes(flipped),
            "not Arrow": b"not Arrow at all" * 1000,
            "other pack": build(birds_folder, cache, seed=1).path.read_bytes(),
            "other Arrow": other.getvalue().to_pybytes(),
        }[damage]
    )
    if damage not in {"one bit", "other pack"}:
        with pytest.raises(DataError, match=r"\.arrow is damaged or no pack .* delete it and build it again"):
            open_pack(path)
    assert build(birds_folder, cache).built
    assert path.read_bytes() == whole


def test_a_missing_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.arrow is missing"):
        open_pack(tmp_path / "gone.arrow")


def test_processes_that_build_the_same_pack_at_once_leave_one_whole_file(
    many_birds: Path, cache: Path
) -> None:
    command = [
        sys.executable,
        "-c",
        BUILD,
        many_birds,
        cache,
        "256",
    ]  # large, so that they write at the same time
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [builder.communicate(timeout=120)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert answers[0] == answers[1] == answers[2]
    assert [path.name for path in cache.iterdir()] == [answers[0].split()[0]]
    assert not build(many_birds, cache, image_size=256).built


def test_a_full_disk_is_named_with_the_bytes_needed_and_nothing_is_left(
    birds_folder: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=64k none "$1" || exit 77'
    script = f'{mount}; "$2" -c "$3" "$4" "$1/packs" 32; echo $?; ls -A "$1/packs"'
    arguments = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare to make a small disk")
    outcome = subprocess.run(
        [*arguments, disk, sys.executable, BUILD, birds_folder],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if outcome.returncode == 77 or "unshare failed" in outcome.stderr:
        pytest.skip(f"cannot make a small disk here: {outcome.stderr.strip()}")
    assert outcome.stdout == "1\n"
    assert re.search(
        rf"DataError: No space left in {disk}/packs: the pack needs 9\d,\d\d\d bytes", outcome.stderr
    )


def test_a_cache_that_cannot_be_a_folder_is_refused(birds_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written to .*file/packs .*name a cache folder"):
        build(birds_folder, tmp_path / "file" / "packs")


def test_an_unusable_image_is_skipped_and_named_with_the_reason(
    birds_folder: Path, cache: Path, make_picture: MakePicture
) -> None:
    without = open_pack(build(birds_folder, cache).path)
    whole = (birds_folder / "Robin/(1).JPG").read_bytes()
    (birds_folder / "Robin/half.jpg").write_bytes(whole[:-60])
    (birds_folder / "Robin/page.png").write_text("<html>")
    make_picture(1, (15, 40)).save(birds_folder / "Robin/tiny.png")
    (birds_folder / "Empty").mkdir()
    (birds_folder / "Empty/nothing.jpg").touch()
    report = build(birds_folder, cache)
    reasons = dict(report.skipped)
    assert sorted(reasons) == ["Empty/nothing.jpg", "Robin/half.jpg", "Robin/page.png", "Robin/tiny.png"]
    assert "truncated" in reasons["Robin/half.jpg"]
    assert "not an image" in reasons["Robin/page.png"]
    assert "15 x 40" in reasons["Robin/tiny.png"]
    assert sum(report.counts.values()) == 30
    pack = open_pack(report.path)
    for column in ("images", "labels", "names", "split"):
        np.testing.assert_array_equal(getattr(pack, column), getattr(without, column))
    assert report.classes == 3, "a class without a usable image is none"


def test_pictures_of_formats_that_are_not_read_are_named(birds_folder: Path, cache: Path) -> None:
    for name in ("phone.heic", "raw.NEF", "notes.txt"):
        (birds_folder / "Robin" / name).write_bytes(b"what a phone or a camera writes")
    reasons = dict(build(birds_folder, cache).skipped)
    assert sorted(reasons) == ["Robin/phone.heic", "Robin/raw.NEF"]
    assert all("JPEG, PNG" in reason and "save it as one" in reason for reason in reasons.values())


def test_a_photo_in_two_classes_is_in_one_part_and_counted(birds_folder: Path, cache: Path) -> None:
    copies = {f"House Sparrow/copy {index}.JPG": f"Robin/({index}).JPG" for index in (1, 7)}
    for copy, photo in copies.items():
        shutil.copy(birds_folder / photo, birds_folder / copy)
    for seed in range(6):
        report = build(birds_folder, cache, seed=seed)
        pack = open_pack(report.path)
        parts = dict(zip(pack.names, pack.split, strict=True))
        assert all(parts[copy] == parts[photo] for copy, photo in copies.items())
        assert report.near_duplicates == 2
        assert build(birds_folder, cache, seed=seed).near_duplicates == 2, (
            "also where the pack is found again"
        )


@pytest.mark.parametrize(
    ("moved", "given"),
    [
        ({"train": 16, "valid": 8, "test": 6}, ("train", "validation", "test")),
        ({"Training": 24, "Testing": 6}, ("train", "test")),
        ({"train": 24, "val": 6}, ("train", "validation")),
        ({"train": 24, "more": 6}, ()),
        ({"val": 24, "test": 6}, ()),
    ],
    ids=" ".join,
)
def test_a_split_that_the_folders_give_is_kept_and_completed(
    birds_folder: Path, cache: Path, moved: dict[str, int], given: tuple[str, ...]
) -> None:
    photos = sorted(birds_folder.rglob("*.*"))
    for folder, count in moved.items():
        for photo in photos[:count]:
            place = birds_folder / "set" / folder / photo.relative_to(birds_folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            photo.rename(place)
        photos = photos[count:]
    report = build(birds_folder, cache)
    pack = open_pack(report.path)
    assert (report.given, build(birds_folder, cache).given) == (given, given)
    assert set(pack.classes) == {"House Sparrow", "Robin", "Wren"}
    folders = np.array([name.split("/")[1] for name in pack.names])
    for folder, count in moved.items():
        assert (folders == folder).sum() == count
        parts = set(pack.split[folders == folder])
        if not given:
            assert len(parts) > 1
        elif folder.lower().startswith("train"):
            assert parts == {0} | {code for code, part in enumerate(PARTS) if part not in given}
        else:
            assert len(parts) == 1
            assert PARTS[parts.pop()] in given[1:]


def test_class_folders_whose_names_are_not_utf_8_stay_apart(birds_folder: Path, cache: Path) -> None:
    for at, folder in enumerate(("Wren", "Robin", "House Sparrow")):
        named = os.fsencode(birds_folder) + b"/M" + b"\xe4\xf6\xfc"[at : at + 1] + b"we"
        (birds_folder / folder).rename(os.fsdecode(named))
    report = build(birds_folder, cache)
    pack = open_pack(report.path)
    assert sum(report.counts.values()) == 30
    assert pack.classes == ("M\\xe4we", "M\\xf6we", "M\\xfcwe")


UNGUARDED = """
import sys
from pathlib import Path
from trainables.data.pack import build_pack
build_pack(None, 32, seed=0, cache=Path(sys.argv[1]), workers=2)
"""


def test_a_script_without_a_main_guard_is_told_so(cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(UNGUARDED)
    run = subprocess.run(
        [sys.executable, script, cache], check=False, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 1
    assert 'put what it does under `if __name__ == "__main__":`' in run.stderr.splitlines()[-1]
    assert not cache.exists()


def test_too_few_images_are_refused_with_what_was_found_and_what_is_needed(
    birds_folder: Path, cache: Path
) -> None:
    shutil.rmtree(birds_folder / "House Sparrow")
    for name in ("a", "b"):
        (birds_folder / f"Wren/{name}.jpg").touch()
    with pytest.raises(
        DataError, match=r"18 usable images, but at least 20(.|\n)*2 were skipped:\n  Wren/a\.jpg: not"
    ):
        build(birds_folder, cache)
    assert not cache.exists()


def test_copies_of_a_few_photos_are_refused(birds_folder: Path, cache: Path) -> None:
    for folder in ("House Sparrow", "Robin"):
        shutil.rmtree(birds_folder / folder)
    for copy in range(20):
        shutil.copy(birds_folder / "Wren/(1).JPG", birds_folder / f"Wren/copy {copy}.JPG")
    for index in range(3, 9):
        next((birds_folder / "Wren").glob(f"({index}).*")).unlink()
    with pytest.raises(
        DataError, match=r"22 images, but so many are near-duplicates .* 1 are left to validate and 0 to test"
    ):
        build(birds_folder, cache)


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        (48, "32 or 64"),
        (129, "128 or 256"),
        (255, "128 or 256"),
        (31, "32 or 64"),
        (16, "32 or 64"),
        (0, "32 or 64"),
        (-64, "32 or 64"),
    ],
)
def test_an_image_size_that_is_no_power_of_two_is_refused_with_the_nearest(
    size: int, nearest: str, birds_folder: Path, cache: Path
) -> None:
    with pytest.raises(
        DataError, match=f"image_size is {size}, but must be a power of two .*: take {nearest}"
    ):
        build(birds_folder, cache, image_size=size)


def test_a_negative_seed_is_refused(birds_folder: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="seed is -1, but must be 0 or more"):
        build(birds_folder, cache, seed=-1)


def test_packs_never_load_tensorflow(birds_folder: Path, cache: Path) -> None:
    script = f"{BUILD}\nassert not {{'tensorflow', 'keras', 'ray'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script, birds_folder, cache, "32"], check=True, timeout=120)


def test_without_data_the_drawn_birds_are_packed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BIRDS_PER_SPECIES", 6)  # drawing all takes a while
    report = build(None, cache)
    pack = open_pack(report.path)
    assert (report.source, report.classes, len(pack.images), report.skipped) == ("drawn birds", 20, 120, ())
    assert pack.names[:2] == (f"{pack.classes[pack.labels[0]]}/1", f"{pack.classes[pack.labels[0]]}/2")
    assert not build(None, cache).built
    assert build(None, cache, seed=1).built


def test_the_real_photos_are_packed_whole_with_duplicates_on_one_side(
    uk_garden_birds: Path, cache: Path
) -> None:
    report = build(uk_garden_birds, cache, workers=2)
    pack = open_pack(report.path)
    assert report.counts == {"train": 2050, "validation": 256, "test": 256}
    assert (report.classes, report.skipped) == (20, ())
    groups = near_duplicates(pack.images)
    assert len(np.unique(groups)) < 2562
    np.testing.assert_array_equal(pack.split, pack.split[groups])
    shares = np.array([np.bincount(pack.split[pack.labels == label], minlength=3) for label in range(20)])
    tenths = shares.sum(axis=1) / 10
    assert np.abs(shares[:, 1:] - tenths[:, None]).max() < 1.5
    mean_colours = pack.images.mean(axis=(1, 2))
    assert mean_colours.std(axis=0).min() > 10
