import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from results.colorize import Written, colorize, main, side_by_side, weights_of
from results.store import StudyError, StudyWriter
from trainables.colorizer import Colorizer
from trainables.data.pack import Pack
from trainables.loop import Training, make_loop
from trainables.metrics import METRICS
from trainables.params import CnnParams


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A small autoencoder, exported after an epoch on single colours."""
    colours = np.random.default_rng(0).integers(0, 256, (32, 1, 1, 3), np.uint8)
    pack = Pack(
        path=Path("memory.arrow"),
        fingerprint="0",
        source="single colours",
        seed=0,
        images=np.broadcast_to(colours, (32, 32, 32, 3)).copy(),
        labels=np.zeros(32, np.int64),
        classes=("colour",),
        names=tuple(map(str, range(32))),
        split=np.repeat(np.array([0, 1, 2], np.int8), [16, 8, 8]),
    )
    params = CnnParams(width=4, depth=2)
    loop = make_loop(Training(params, batch_size=16, seed=0, epochs=1), pack)
    loop.train_epoch()
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    loop.export(path)
    return path


@pytest.fixture(scope="module")
def colorizer(weights) -> Colorizer:
    return Colorizer.load(weights)


@pytest.fixture
def trained(study, weights):
    """The study, trials 3 and 0 with weights (of the two 3 is better)."""
    for trial in (0, 3):
        study.checkpoint(trial).mkdir(parents=True)
        study.best_weights(trial).write_bytes(weights.read_bytes())
    return study


def photo(path: Path, height: int = 41, width: int = 67) -> Path:
    """A photo that is dark on the left, bright on the right, and orange."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = np.linspace(0, 1, width)[None, :, None] * np.array([255, 150, 60])
    Image.fromarray(np.broadcast_to(shade, (height, width, 3)).astype(np.uint8)).save(path)
    return path


def opened(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return file.copy()


def written(colorizer, images, out) -> list[Written]:
    results = list(colorize(colorizer, images, out))
    assert all(isinstance(result, Written) for result in results), results
    return results


def test_a_photo_of_odd_size_is_coloured_at_its_own_size(colorizer, tmp_path):
    (result,) = written(colorizer, [photo(tmp_path / "robin.png")], tmp_path / "out")
    assert result.colored == tmp_path / "out" / "robin-colored.png"
    assert opened(result.colored).size == (67, 41)
    gray = np.asarray(opened(tmp_path / "robin.png").convert("L")).astype(int)
    assert np.abs(np.asarray(opened(result.colored).convert("L")) - gray).max() <= 2


def test_the_original_stands_beside_only_where_it_had_colour(colorizer, tmp_path):
    orange = photo(tmp_path / "orange.png", 300, 200)
    gray, gray_as_rgb = tmp_path / "gray.png", tmp_path / "gray_as_rgb.jpg"
    opened(orange).convert("L").save(gray)
    opened(orange).convert("L").convert("RGB").save(gray_as_rgb)
    results = written(colorizer, [orange, gray, gray_as_rgb], tmp_path / "out")
    widths = [opened(result.side_by_side).width for result in results]
    assert widths[0] > 3 * 200
    assert 2 * 200 < widths[1] == widths[2] < 3 * 200


def test_a_photo_lying_on_its_side_is_turned_upright(colorizer, tmp_path):
    path = photo(tmp_path / "side.jpg", 40, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    opened(path).save(path, exif=exif, quality=95)
    (result,) = written(colorizer, [path], tmp_path / "out")
    picture = np.asarray(opened(result.colored).convert("L")).astype(int)
    assert picture.shape == (60, 40)
    assert picture[-5:].mean() > picture[:5].mean() + 50  # dark left has become dark top


def test_other_kinds_of_pictures_are_read_too(colorizer, tmp_path):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "sixteen.png")
    Image.new("RGBA", (33, 40), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    opened(photo(tmp_path / "orange.png")).quantize(8).save(tmp_path / "palette.gif")
    results = written(
        colorizer, [tmp_path / name for name in ("sixteen.png", "clear.png", "palette.gif")], tmp_path / "out"
    )
    sixteen, clear, palette = (np.asarray(opened(result.colored).convert("L")) for result in results)
    assert sixteen.min() < 5
    assert 120 < np.median(sixteen) < 136
    assert clear.min() > 250  # what is transparent is white
    assert palette.shape == (41, 67)


def test_photos_of_one_name_do_not_overwrite_one_another_nor_what_was_there(colorizer, tmp_path):
    out = tmp_path / "out"
    images = [photo(tmp_path / "a" / "robin.png", 40, 40), photo(tmp_path / "b" / "robin.jpg", 50, 50)]
    results = written(colorizer, images, out) + written(colorizer, images[:1], out)
    names = [result.colored.name for result in results]
    assert names == ["robin-colored.png", "robin-2-colored.png", "robin-3-colored.png"]
    assert [opened(result.colored).height for result in results] == [40, 50, 40]
    assert len(list(out.iterdir())) == 6


def test_what_is_no_picture_is_named_and_the_others_are_coloured(colorizer, tmp_path):
    good = photo(tmp_path / "good.png")
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(good.read_bytes()[:80])
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    images = [tmp_path / "absent.jpg", truncated, good, text, tmp_path]
    absent, cut, worked, wrong, folder = colorize(colorizer, images, tmp_path / "out")
    assert (
        str(absent) == f"{images[0]} was skipped: it cannot be read as a picture (No such file or directory)."
    )
    assert str(truncated) in str(cut)
    assert isinstance(worked, Written)
    assert str(text) in str(wrong)
    assert isinstance(folder, StudyError)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "good-colored.png",
        "good-side-by-side.png",
    ]


@pytest.mark.parametrize("kind", ["pipe", "float.tif", "drawing.eps", "damaged.jpg", "sixteen.pgm"])
def test_what_no_pack_would_take_is_skipped_and_never_run_or_waited_for(colorizer, tmp_path, kind):
    odd = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "float.tif":
        Image.fromarray(np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)).save(odd)
    elif kind == "drawing.eps":
        odd.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n")
    elif kind == "damaged.jpg":
        odd.write_bytes(photo(tmp_path / "whole.jpg").read_bytes()[:300])
    else:
        odd.write_bytes(b"P5 4 4 65535\n" + bytes(32))
    skipped, done = colorize(colorizer, [odd, photo(tmp_path / "robin.png")], tmp_path / "out")
    assert str(skipped).startswith(f"{odd} was skipped: it cannot be read as a picture (")
    assert isinstance(done, Written)


def test_a_long_name_is_cut_and_the_next_photo_is_coloured(colorizer, tmp_path):
    names = [tmp_path / f"{'ü' * 120}.png", tmp_path / "robin.png"]
    first, second = written(colorizer, [photo(name) for name in names], tmp_path / "out")
    assert first.colored.name == f"{'ü' * 100}-colored.png"
    assert second.colored.name == "robin-colored.png"


def test_a_folder_that_cannot_be_written_ends_it(colorizer, tmp_path):
    blocked = photo(tmp_path / "robin.png")
    with pytest.raises(StudyError, match=r"robin\.png/out cannot be written .*: name another --out"):
        list(colorize(colorizer, [blocked], blocked / "out"))


def test_captions_and_pictures_fit_on_the_sheet_whatever_the_shape():
    for height, width in ((1, 1), (3, 2000), (2000, 3), (300, 200)):
        panel = np.full((height, width, 3), 200, np.uint8)
        sheet = np.asarray(side_by_side({"gray": panel, "coloured": panel}))
        assert max(sheet.shape) < 2 * 1024 + 200
        border = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]])
        assert (border == 255).all()


def test_the_best_trial_with_weights_is_taken_unless_one_is_named(trained):
    assert weights_of(trained, None) == trained.best_weights(3)
    assert weights_of(trained, 0) == trained.best_weights(0)


def with_weights(study, *trials):
    for trial in trials:
        study.checkpoint(trial).mkdir(parents=True, exist_ok=True)
        study.best_weights(trial).write_bytes(b"weights")
    return study


def confirm(study, trial, number, swd):
    """Enter a training of a trial on a fresh seed; all that is known of it is validation."""
    row = {"trial": number, "state": "COMPLETE", "role": "confirmation", "confirms": trial, "epochs": 4}
    StudyWriter(study.path).record_trial({**row, "val_swd": swd})


def test_what_was_confirmed_is_taken_rather_than_what_was_lucky_once(make_study):
    study = with_weights(make_study(objectives=("val_swd",)), 2, 3)
    assert weights_of(study, None) == study.best_weights(2)
    confirm(study, 2, 9, swd=3.5)
    confirm(study, 3, 10, swd=2.8)
    assert weights_of(study, None) == study.best_weights(3)
    # A winner whose weights were deleted gives way to the first that has some.
    study.best_weights(3).unlink()
    assert weights_of(study, None) == study.best_weights(2)


def test_in_place_of_a_reference_point_that_an_older_version_stopped_its_confirmation_is_taken(make_study):
    study = with_weights(make_study(objectives=("val_swd",)), 2, 9, 10)
    stopped = {
        "trial": 0,
        "state": "PRUNED",
        "reference": "pix2pix as published",
        "epochs": 1,
        "val_swd": 9.0,
    }
    StudyWriter(study.path).record_trial(stopped)
    confirm(study, 2, 9, swd=2.5)
    confirm(study, 0, 10, swd=1.0)
    assert weights_of(study, None) == study.best_weights(10)


def test_while_no_trial_has_come_to_its_end_the_longest_trained_is_taken(writer):
    for trial, (state, epochs) in enumerate([("RUNNING", 1), ("RUNNING", 3), ("RUNNING", 2), ("PRUNED", 4)]):
        values = {"val_delta_e": 1.0 + trial, "val_swd": 1.0 + trial}
        writer.record_trial({"trial": trial, "state": state, "epochs": epochs, **values})
    study = with_weights(writer.folder, 0, 1, 2)
    assert weights_of(study, None) == study.best_weights(1)


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (5, "trial 5 was stopped early, so its weights were not kept: take one of 3, 0 (best first)."),
        (7, "trial 7 left no weights: take one of 3, 0 (best first)."),
        (8, "trial 8 has no weights yet: take one of 3, 0 (best first)."),
    ],
)
def test_a_trial_without_weights_is_refused_with_those_that_have_some(trained, trial, said):
    with pytest.raises(StudyError) as error:
        weights_of(trained, trial)
    assert str(error.value) == said


def test_a_trial_that_does_not_exist_and_a_study_without_weights_are_refused(study):
    with pytest.raises(StudyError, match=r"trial 99 is not in .*: no trial of the study has any\."):
        weights_of(study, 99)
    with pytest.raises(StudyError, match="has no trial with weights yet"):
        weights_of(study, None)


def test_the_command_prints_paths_and_of_what_it_skipped_alone(trained, tmp_path):
    good, out = photo(tmp_path / "good.png"), tmp_path / "out"
    command = ["-m", "results.colorize", trained.path, tmp_path / "absent.png", good, "--out", out]
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(out / "good-colored.png"), str(out / "good-side-by-side.png")]
    assert done.stderr.splitlines() == [
        f"{tmp_path / 'absent.png'} was skipped: it cannot be read as a picture (No such file or directory)."
    ]


def test_the_command_takes_folders_and_names_that_are_no_text(trained, tmp_path):
    folder = tmp_path / "photos"
    photo(folder / "deep" / "wren.jpg")
    photo(folder / "robin.jpg").rename(os.fsdecode(os.fsencode(folder) + b"/r\xf6tel.jpg"))
    (folder / "notes.txt").write_text("no photo")
    run = subprocess.run(
        [sys.executable, "-m", "results.colorize", trained.path, folder, "--out", tmp_path / "out"],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
    )
    assert run.returncode == 0, run.stderr
    assert [Path(os.fsdecode(line)).name for line in run.stdout.splitlines()] == [
        "wren-colored.png",
        "wren-side-by-side.png",
        os.fsdecode(b"r\xf6tel-colored.png"),
        os.fsdecode(b"r\xf6tel-side-by-side.png"),
    ]


def test_the_command_fails_where_no_photo_could_be_coloured(trained, tmp_path, capsys):
    assert main(str(trained.path), (tmp_path / "absent.png",), out=tmp_path / "out") == 2
    assert main(str(trained.path), (), out=tmp_path / "out") == 2
    assert main(str(tmp_path / "no study"), (tmp_path / "absent.png",), out=tmp_path / "out") == 2
    trained.best_weights(3).write_bytes(b"damaged")
    capsys.readouterr()
    assert main(str(trained.path), (photo(tmp_path / "good.png"),), out=tmp_path / "out") == 2
    assert str(trained.best_weights(3)) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_needs_no_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')")
    done = subprocess.run(
        [sys.executable, "-m", "results.colorize", "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--trial" in done.stdout


def test_the_store_and_the_evaluator_name_the_same_metrics():
    from results import store

    assert store.METRICS == METRICS
