"""Odd things at the door of a search: each is refused in one line that names it, before anything is written."""

import os
import subprocess
import sys

import pytest

from results.store import StudyFolder, StudyWriter
from search.run import main

LONG = "a" * 300


def open_to_all(*paths):
    """Let every user read these files and folders, pytest's own among them."""
    for path in paths:
        readable = 0o055 if path.is_dir() else 0o044
        if path.stat().st_mode & readable != readable:
            path.chmod(path.stat().st_mode | readable)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to type relative paths in, with odd things in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "dangling").symlink_to("/nowhere/at/all")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name, content in {
        "half": '[{"depth": 4.5}]',
        "yes": '[{"batch_norm": 1}]',
        "number": '[{"depth": true}]',
        "twice": '[{"depth": 4, "depth": 3}]',
        "nan": '[{"dropout": NaN}]',
        "nested": '[{"dropout": {"a": 0.1}}]',
        "list": "[[0.1]]",
    }.items():
        (tmp_path / f"{name}.json").write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "phrase"),
    [
        ("--data=", "--data is '', but must not be empty"),
        ("--storage=", "--storage is '', but must not be empty"),
        ("--enqueue=", "--enqueue is '', but must not be empty"),
        (("--data", ""), "--data is '', but must not be empty"),
        (("--set", "dropout="), "dropout is , but must be between"),
        (f"--data {LONG}", "which cannot be looked up (File name too long)"),
        (f"--storage {LONG}", "which cannot be looked up (File name too long)"),
        (f"--enqueue {LONG}", "which cannot be looked up (File name too long)"),
        (f"--warm-start {LONG}", "which cannot be looked up (File name too long)"),
        (f"--encoder-weights {LONG}", "which cannot be looked up (File name too long)"),
        ("--data ~nobody-of-that-name/birds", "there is no user of that name"),
        ("--storage dangling", "a link to /nowhere/at/all, where nothing is"),
        ("--data dangling", "a link to /nowhere/at/all, where nothing is"),
        ("--enqueue pipe.json", "pipe.json, which cannot be read as JSON: it is no file"),
        ("--enqueue /dev/zero", "/dev/zero, which cannot be read as JSON: it is no file"),
        ("--encoder-weights pipe.json", "must be auto, imagenet, none or a file of weights"),
        ("--enqueue deep.json", "deep.json, which cannot be read as JSON"),
        ("--enqueue half.json", "entry 1: depth is 4.5, but must be between 2 and 5"),
        ("--enqueue yes.json", "entry 1: batch_norm is 1, but must be one of True, False"),
        ("--enqueue number.json", "entry 1: depth is True, but must be between 2 and 5"),
        ("--enqueue twice.json", "entry 1: depth is given more than once"),
        ("--enqueue nan.json", "entry 1: dropout is nan, but must be between"),
        ("--enqueue nested.json", "entry 1: dropout is [("),
        ("--enqueue list.json", "must hold a JSON list of parameters"),
        ("--set dropout=0.1 --set dropout=0.2", "dropout is set more than once"),
        ("--set dropout=0.3..0.1", "dropout is 0.3..0.1, but must be between"),
        ("--image-size 65536", "--image-size is 65536, but must be 2048 or less"),
        ("--batch-size 50000", "--batch-size is 50000, but there are 1000 images"),
        ("--batch-size 1000000", "--batch-size is 1000000, but must be 65536 or fewer"),
        ("--epochs 10000000", "--epochs is 10000000, but must be 100000 or fewer"),
        ("--trials 9999999999", "--trials is 9999999999, but must be 1000000 or fewer"),
        ("--gpus-per-trial 1e-300", "--gpus-per-trial is 1e-300, but must be 0, a fraction such as 0.25"),
        ("--objective val_kid --encoder-weights none", "val_kid needs the features of a trained MobileNetV2"),
        ("--time-budget 1h2h", "--time-budget is '1h2h'"),
        ("--time-budget 1e999h", "--time-budget is '1e999h'"),
    ],
    ids=lambda value: (" ".join(value) if isinstance(value, tuple) else value).replace(LONG, "aaa…"),
)
def test_what_is_odd_is_refused_in_one_line_and_nothing_is_written(place, capsys, typed, phrase):
    arguments = typed.split() if isinstance(typed, str) else typed
    before = sorted(place.rglob("*"))
    status = _status(["cnn", "--dry-run", "--storage", "studies", *arguments])
    told = capsys.readouterr()
    # A setting that is refused as it is read comes in a box, whose lines are broken.
    assert phrase in " ".join(told.err.replace("│", " ").split()).replace("[( '", "[('")
    assert (status, told.out) == (2, "")
    assert sorted(place.rglob("*")) == before


def _status(arguments):
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


def test_windows_is_told_what_to_do(place, capsys, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["cnn", "--dry-run"]) == 2
    assert "run it in WSL" in capsys.readouterr().err


def test_a_damaged_study_to_learn_from_is_found_by_a_dry_run(write_table, capsys, place):
    study = StudyFolder(write_table([({}, "COMPLETE", [3.0, 2.0])], name="earlier"))
    study.trials.write_bytes(study.trials.read_bytes()[:50])
    status = main(["cnn", "--dry-run", "--storage", "studies", "--warm-start", str(study.path)])
    assert status == 2
    assert "--warm-start is" in capsys.readouterr().err


READERS = """
import os, sys
from results.gallery import write_gallery
from results.store import StudyError, open_study, read_epochs, read_trials
from search.curves import open_problem
from search.run import main
assert main(["cnn", "--dry-run"]) == 0
write_gallery(sys.argv[1])
open_problem(sys.argv[1])
os.chmod(sys.argv[2], 0)
os.setuid(65534)
for read in (open_study, read_trials, read_epochs, write_gallery, open_problem):
    try:
        read(sys.argv[1])
    except StudyError as error:
        print("REFUSED", error)
storage, _, name = sys.argv[1].rpartition("/")
print("STATUS", main(["--resume", name, "--storage", storage]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs the right to become another user (root)")
@pytest.mark.parametrize("closed", ["study.json", "trials.parquet", "epochs/all.parquet", "."])
def test_a_study_that_one_may_not_read_is_told_as_such(write_table, tmp_path, closed):
    study = write_table([({"dropout": 0.04 * at}, "COMPLETE", [5, 4, 3, 2 + at]) for at in range(9)])
    StudyWriter(study).compact()
    open_to_all(study, *study.parents, *study.rglob("*"))
    run = subprocess.run(
        [sys.executable, "-c", READERS, study, study / closed], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    said = [line for line in run.stdout.splitlines() if line.startswith("REFUSED")]
    assert said
    assert all("Permission denied" in line and str(study) in line for line in said)
    assert "STATUS 2" in run.stdout
    assert "Traceback" not in run.stderr


AS_ANOTHER_USER = """
import os, sys
from search.run import main
# Whoever becomes another user may not be able to read Python's own modules any more.
assert main(["cnn", "--dry-run"]) == 0
print("---")
os.setuid(65534)
statuses = [main(["cnn", "--dry-run", flag, "closed/birds"]) for flag in sys.argv[1:]]
print("---", statuses)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs the right to become another user (root)")
def test_a_folder_that_one_may_not_enter_is_refused_in_one_line(place):
    (place / "closed").mkdir(mode=0o700)
    (place / "closed" / "birds").mkdir()
    open_to_all(place, *place.parents)
    flags = ["--data", "--storage", "--enqueue", "--warm-start", "--encoder-weights"]
    run = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER_USER, *flags], capture_output=True, text=True, check=False
    )
    assert run.stdout.partition("---")[2].split() == ["---", *str([2] * len(flags)).split()]
    for flag in flags:
        assert f"{flag} is closed/birds, which cannot be looked up (Permission denied)" in run.stderr
