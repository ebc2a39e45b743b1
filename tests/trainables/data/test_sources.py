import importlib.util
import os
import shutil
import sys
import tracemalloc
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables.data.sources import Archive, DataError, DrawnBirds, Folder, Source, resolve

MakePicture = Callable[..., Image.Image]


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def pictures(source: Source) -> list[np.ndarray | str]:
    return list(source.pictures(range(len(source.names)), 32, seed=0))


def test_a_class_is_the_name_of_the_folder_at_any_depth(tmp_path: Path, make_picture: MakePicture) -> None:
    for path in ("a.png", "Robin/b.png", "more/2024/Robin/c.png", "more/2024/Wren/d.png"):
        (tmp_path / "birds" / path).parent.mkdir(parents=True, exist_ok=True)
        make_picture(0).save(tmp_path / "birds" / path)
    source = resolve(str(tmp_path / "birds"))
    assert dict(zip(source.names, source.labels, strict=True)) == {
        "a.png": "birds",
        "Robin/b.png": "Robin",
        "more/2024/Robin/c.png": "Robin",
        "more/2024/Wren/d.png": "Wren",
    }


def test_images_come_in_natural_order_whatever_the_case_of_their_extension(birds_folder: Path) -> None:
    names = [Path(name).stem for name in resolve(str(birds_folder)).names]
    assert names == [f"({index})" for count in (12, 10, 8) for index in range(1, count + 1)]


def test_hidden_files_and_what_macs_leave_behind_are_not_images(
    birds_folder: Path, make_picture: MakePicture
) -> None:
    expected = resolve(str(birds_folder)).names
    for path in (
        "Wren/._(1).png",
        ".thumbnails/(1).png",
        "__MACOSX/Wren/(1).png",
        "notes.txt",
        "Wren/Thumbs.db",
    ):
        (birds_folder / path).parent.mkdir(parents=True, exist_ok=True)
        (birds_folder / path).write_bytes((birds_folder / "Wren/(1).JPG").read_bytes())
    assert resolve(str(birds_folder)).names == expected
    archive = zipped(birds_folder, birds_folder.parent / "birds.zip")
    assert resolve(str(archive)).names == expected


@pytest.mark.parametrize("packed", [False, True])
def test_of_photos_with_and_without_background_those_with_are_read(
    packed: bool, tmp_path: Path, birds_folder: Path
) -> None:
    root = tmp_path / "kaggle"
    for kind in ("withBackground", "withoutBackground"):
        shutil.copytree(birds_folder / "Wren", root / kind / "Wren")
    assert len(resolve(str(root / "withoutBackground")).names) == 8
    data = zipped(birds_folder, tmp_path / "b.zip", "withBackground/") if packed else root
    if packed:
        with zipfile.ZipFile(data, "a") as archive:
            archive.write(birds_folder / "Wren/(2).webp", "withoutBackground/Wren/(2).webp")
    assert {name.split("/")[0] for name in resolve(str(data)).names} == {"withBackground"}


def test_a_folder_and_its_zip_are_the_same_data(birds_folder: Path) -> None:
    folder = resolve(str(birds_folder))
    archive = resolve(str(zipped(birds_folder, birds_folder.parent / "birds.zip")))
    assert isinstance(folder, Folder)
    assert isinstance(archive, Archive)
    assert archive.identity == folder.identity
    assert archive.labels == folder.labels
    np.testing.assert_array_equal(pictures(archive), pictures(folder))


def test_a_zip_is_read_without_writing_anything_even_where_its_names_point_outside(
    tmp_path: Path, birds_folder: Path
) -> None:
    path = zipped(birds_folder, tmp_path / "evil.zip")
    photo = birds_folder / "Wren/(1).JPG"
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(photo, "../../outside.jpg")
        archive.writestr("/absolute/away.jpg", photo.read_bytes())
    before = sorted(tmp_path.rglob("*"))
    source = resolve(str(path))
    assert all(isinstance(picture, np.ndarray) for picture in pictures(source))
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/absolute").exists()


def test_a_zip_written_with_backslashes_has_its_classes(tmp_path: Path, birds_folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        archive.write(birds_folder / "Wren/(1).JPG", "birds\\Wren\\(1).JPG")
    source = resolve(str(tmp_path / "windows.zip"))
    assert (source.names, source.labels) == (["birds/Wren/(1).JPG"], ["Wren"])
    assert isinstance(pictures(source)[0], np.ndarray)


def test_a_damaged_member_of_a_zip_is_named_and_the_others_are_read(
    tmp_path: Path, birds_folder: Path
) -> None:
    path = zipped(birds_folder, tmp_path / "birds.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("Wren/(1).JPG")
    content[member.header_offset + 300] ^= 255
    path.write_bytes(content)
    source = resolve(str(path))
    bad = {
        name: why for name, why in zip(source.names, pictures(source), strict=True) if isinstance(why, str)
    }
    assert list(bad) == ["Wren/(1).JPG"]
    assert "CRC" in bad["Wren/(1).JPG"]


def test_an_encrypted_zip_is_refused(tmp_path: Path, birds_folder: Path) -> None:
    path = zipped(birds_folder, tmp_path / "secret.zip")
    content = path.read_bytes()
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(header)
        while at >= 0:
            content = content[: at + offset] + b"\x01" + content[at + offset + 1 :]
            at = content.find(header, at + 1)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"secret\.zip is encrypted .* unpack it with its password"):
        resolve(str(path))


@pytest.mark.parametrize("keep", [0, 100, 0.5, -30])
def test_a_damaged_zip_is_refused(keep: float, tmp_path: Path, birds_folder: Path) -> None:
    path = zipped(birds_folder, tmp_path / "birds.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep == 0.5 else int(keep)])
    with pytest.raises(DataError, match=r"birds\.zip is damaged or no zip archive"):
        resolve(str(path))


def test_a_member_of_a_zip_that_is_larger_than_it_says_is_not_unpacked_beyond_that(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Wren/1.jpg", bytes(2**26))
        archive.infolist()[0].file_size = 1000
    tracemalloc.start()
    (reason,) = pictures(resolve(str(path)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(reason, str)
    assert reason.startswith("cannot be unpacked")
    assert most < 2**22


@pytest.mark.parametrize(
    ("sizes", "message"), [([2**30], "unpacked in memory"), ([2**27] * 3, "decompression")]
)
def test_a_zip_that_would_fill_the_memory_is_refused(sizes: list[int], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, size in enumerate(sizes):
            archive.writestr(f"Wren/{number}.jpg", b"tiny")
            archive.infolist()[number].file_size = size
    with pytest.raises(DataError, match=rf"bomb\.zip .*{message}"):
        resolve(str(path))


def test_a_file_that_cannot_be_read_is_reported_and_the_rest_goes_on(birds_folder: Path) -> None:
    (birds_folder / "Wren/(0).jpg").symlink_to("nowhere.jpg")
    source = resolve(str(birds_folder))
    reasons = [picture for picture in pictures(source) if isinstance(picture, str)]
    assert reasons == ["cannot be read: No such file or directory"]


def test_linked_folders_are_followed_and_a_circle_ends(tmp_path: Path, birds_folder: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/Wren").symlink_to(birds_folder / "Wren")
    (birds_folder / "Wren/circle").symlink_to(tmp_path / "links")
    assert len(resolve(str(tmp_path / "links")).names) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no Unicode")
def test_a_name_that_is_no_unicode_is_shown_readably_and_read(birds_folder: Path) -> None:
    (birds_folder / "Wren/(1).JPG").rename(birds_folder / os.fsdecode(b"Wren/\xff.jpg"))
    source = resolve(str(birds_folder))
    assert "Wren/\\xff.jpg" in source.names
    assert all(isinstance(picture, np.ndarray) for picture in pictures(source))


def test_content_and_names_make_the_identity_but_not_times_and_places(
    tmp_path: Path, birds_folder: Path
) -> None:
    original = resolve(str(birds_folder)).identity
    os.utime(birds_folder / "Wren/(1).JPG", (0, 0))
    moved = birds_folder.rename(tmp_path / "elsewhere")
    assert resolve(str(moved)).identity == original
    content = bytearray((moved / "Wren/(1).JPG").read_bytes())
    content[-10] ^= 1
    (moved / "Wren/(1).JPG").write_bytes(content)
    changed = resolve(str(moved)).identity
    assert changed != original
    (moved / "Wren/(1).JPG").rename(moved / "Wren/(0).JPG")
    assert resolve(str(moved)).identity not in (original, changed)


def test_what_does_not_exist_is_refused_with_what_may_be_given() -> None:
    for data in ("no/such/folder", ""):
        with pytest.raises(DataError, match=r"no such file or folder.*\.zip.*kaggle:OWNER/NAME"):
            resolve(data)


def test_an_empty_folder_or_zip_is_refused(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    (tmp_path / "empty").mkdir()
    for name in ("empty", "empty.zip"):
        with pytest.raises(DataError, match=rf"{name} is empty"):
            resolve(str(tmp_path / name))


def test_a_folder_without_images_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "README"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"no image among its 3 files \(2 \.csv, 1 no extension\).*\.jpg"):
        resolve(str(tmp_path))


def test_a_single_image_or_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wren.JPG").touch()
    (tmp_path / "birds.rar").touch()
    with pytest.raises(DataError, match="a single image: give the folder"):
        resolve(str(tmp_path / "wren.JPG"))
    with pytest.raises(DataError, match=r"neither a folder nor a \.zip"):
        resolve(str(tmp_path / "birds.rar"))


@pytest.mark.parametrize("handle", ["", "birds", "a/b/c", "a/b c", "../x"])
def test_a_kaggle_name_of_the_wrong_form_is_refused_with_an_example(handle: str) -> None:
    with pytest.raises(DataError, match="kaggle:davemahony/20-uk-garden-birds"):
        resolve(f"kaggle:{handle}")


@pytest.mark.skipif(importlib.util.find_spec("kagglehub") is not None, reason="kagglehub is installed")
def test_without_kagglehub_the_command_that_installs_it_is_named() -> None:
    with pytest.raises(DataError, match=r"pip install 'colorization-search\[kaggle\]'"):
        resolve("kaggle:davemahony/20-uk-garden-birds")


def test_a_kaggle_data_set_is_the_folder_that_kagglehub_fetches(
    birds_folder: Path, make_picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_picture(99).save(birds_folder / "lonely.png")
    kagglehub = types.ModuleType("kagglehub")
    kagglehub.dataset_download = {"owner/garden": str(birds_folder)}.__getitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    source = resolve("kaggle:owner/garden")
    assert source.title == "kaggle:owner/garden"
    assert source.labels[source.names.index("lonely.png")] == "garden"
    with pytest.raises(DataError, match=r"Kaggle does not hand it out \(KeyError.*\.zip in a browser"):
        resolve("kaggle:owner/other")


def test_drawn_birds_do_not_depend_on_who_draws_them() -> None:
    birds = DrawnBirds()
    rows = [3, 4, 77]
    together = list(birds.pictures(rows, 32, seed=5))
    alone = [next(birds.pictures([row], 32, seed=5)) for row in rows]
    np.testing.assert_array_equal(together, alone)
    assert not np.array_equal(together[0], together[1])
    assert not np.array_equal(together[0], next(birds.pictures(rows, 32, seed=6)))
