"""A study that ran to its end: what it recorded, what it shows, and what becomes of it."""

import json
import math
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import optuna
import pytest
from PIL import Image

from results.ranking import finalists, rank
from results.store import (
    TEST_METRICS,
    StudyFolder,
    read_config,
    read_epochs,
    read_resamples,
    read_trials,
)
from search.baselines import BaselineTask
from search.journal import Journal
from trainables.best import best_epoch
from trainables.data.nearby import SharedFile, digest
from trainables.hardware import device_name, processor_flags, suitable_precisions

PAIR = ("val_delta_e", "val_swd")
SAME_NETWORKS = [
    f"--set={name}"
    for name in (
        "depth=5",
        "unfrozen_layers=20",
        "normalisation=batch",
        "upsampling=transposed",
        "head=rgb",
        "warm_up_epochs=0",
        "ema_decay=0",
    )
]
"""Those of the reference points: what takes the time otherwise is building others."""


@pytest.fixture(scope="module")
def finished_study(run_search, storage):
    """A Pix2Pix study that ran to its end, and what it printed.

    Six trials of at most three epochs beside two reference points, these and the finalists confirmed on one seed.
    """
    size = (
        "--trials",
        "6",
        "--epochs",
        "3",
        "--precision",
        "auto",
        "--encoder-weights",
        "none",
        *SAME_NETWORKS,
    )
    beside = ("--references", "lambda-100", "mobilenetv2", "--confirm", "1")
    run = run_search("pix2pix", "--name", "finished", *size, *beside)
    assert run.returncode == 0, run.stdout + run.stderr
    return storage / "finished", run.stdout


@pytest.fixture
def trials(finished_study):
    """The rows of the study's trials, by number."""
    return {row["trial"]: row for row in read_trials(finished_study[0]).to_pylist()}


def numbers(trials, role):
    return [number for number, row in trials.items() if row["role"] == role]


def test_a_study_accounts_for_every_trial_and_epoch(finished_study, trials, accounted_for):
    path, _ = finished_study
    rows = accounted_for(path, trials=len(trials), epochs=3)
    searched = {rows[number]["state"] for number in numbers(trials, "search")}
    assert searched == {"COMPLETE", "PRUNED"}
    beside = {
        rows[number]["state"] for role in ("reference", "confirmation") for number in numbers(trials, role)
    }
    assert beside == {"COMPLETE"}


def test_a_trials_row_shows_its_best_epoch(finished_study):
    path, _ = finished_study
    epochs = read_epochs(path).to_pylist()
    for row in read_trials(path).to_pylist():
        own = [epoch for epoch in epochs if epoch["trial"] == row["trial"]]
        best = own[best_epoch([(epoch["val_delta_e"], epoch["val_swd"]) for epoch in own])]
        assert row["best_epoch"] == best["epoch"]
        assert row["val_delta_e"] == best["val_delta_e"]
        assert row["gpu_seconds"] == 0
        assert {epoch["device"] for epoch in own} == {row["device"]} == {device_name()}
        assert row["seconds"] == pytest.approx(sum(epoch["epoch_seconds"] for epoch in own))
        assert all(math.isfinite(row[metric]) for metric in ("val_swd", "val_psnr", "val_ssim", "val_l1"))


def test_the_original_experiments_run_first_and_beside_the_trials_that_were_asked_for(trials):
    assert numbers(trials, "reference") == [0, 1]
    assert [trials[number]["reference"] for number in (0, 1)] == [
        "Pix2Pix λ 100",
        "Pix2Pix + MobileNetV2, 20 unfrozen",
    ]
    assert numbers(trials, "search") == [2, 3, 4, 5, 6, 7]
    assert {trials[number]["reference"] for number in numbers(trials, "search")} == {None}


def test_finalists_and_reference_points_are_trained_once_more_on_a_fresh_seed(finished_study, trials):
    chosen = finalists(read_trials(finished_study[0]), PAIR, 3)
    again = numbers(trials, "confirmation")
    assert {trials[number]["confirms"] for number in again} == {0, 1, *(entry.trial for entry in chosen)}
    assert len(again) == 2 + len(chosen)
    for number, row in trials.items():
        assert row["seed"] == (1 if number in again else 0)
        if number not in again:
            assert row["confirms"] is None
            continue
        first = trials[row["confirms"]]
        same = [name for name in row if name.startswith("params.") or name == "reference"]
        assert [row[name] for name in same] == [first[name] for name in same]
        assert row["val_swd"] != first["val_swd"]


def test_the_test_split_was_read_for_what_is_compared_and_for_nothing_else(finished_study, trials):
    folder = StudyFolder(finished_study[0])
    table = read_trials(folder)
    front = {entry.trial for entry in rank(table, PAIR) if entry.level == 0}
    compared = front | {entry.trial for entry in finalists(table, PAIR, 3)}
    compared |= {*numbers(trials, "reference"), *numbers(trials, "confirmation")}
    assert set(trials) - compared
    for number, row in trials.items():
        told = {metric: row[metric] for metric in TEST_METRICS}
        if number in compared:
            # Without weights of an encoder there is no kernel inception distance.
            assert told.pop("test_kid") is None
            assert all(math.isfinite(value) for value in told.values())
            assert row["test_delta_e"] != row["val_delta_e"]
        else:
            assert set(told.values()) == {None}
        assert folder.test_strip(number).exists() == (number in compared)
    journal = Journal(folder.journal, "finished", PAIR)
    assert journal.measured() == {
        number: {metric: trials[number][metric] for metric in TEST_METRICS if metric != "test_kid"}
        for number in sorted(compared)
    }


def test_each_trial_that_was_measured_was_on_the_same_resamples_too(finished_study, trials):
    resamples = read_resamples(finished_study[0]).to_pylist()
    measured = [number for number, row in trials.items() if row["test_swd"] is not None]
    own = {number: [row for row in resamples if row["trial"] == number] for number in measured}
    assert sum(map(len, own.values())) == len(resamples)
    places = {tuple(row["resample"] for row in rows) for rows in own.values()}
    assert len(places) == 1
    (drawn,) = places
    assert drawn == tuple(range(len(drawn)))
    assert len(drawn) > 100
    for number, rows in own.items():
        for metric in ("test_delta_e", "test_swd"):
            values = [row[metric] for row in rows]
            assert min(values) < trials[number][metric] < max(values)
        assert {row["test_psnr"] for row in rows} == {None}


def test_surviving_trials_keep_weights_and_all_have_strips(finished_study):
    folder = StudyFolder(finished_study[0])
    for row in read_trials(folder).to_pylist():
        kept = folder.best_weights(row["trial"]).exists()
        assert kept == folder.last_state(row["trial"]).exists() == (row["state"] == "COMPLETE")
        assert not folder.previous_state(row["trial"]).exists()
        strips = sorted(folder.samples(row["trial"]).glob("epoch-*.png"))
        assert strips[0].name == "epoch-001.png"
        with Image.open(strips[-1]) as strip:
            assert strip.size[0] > strip.size[1] > 3 * 32


def test_every_best_trade_off_and_every_reference_point_has_its_weights(finished_study, trials):
    folder = StudyFolder(finished_study[0])
    front = [entry.trial for entry in rank(read_trials(folder), PAIR) if entry.level == 0]
    for number in {*front, *numbers(trials, "reference"), *numbers(trials, "confirmation")}:
        assert folder.best_weights(number).stat().st_size > 100_000


def test_a_frozen_encoder_trains_as_much_of_itself_as_was_unfrozen(finished_study):
    rows = read_trials(finished_study[0]).to_pylist()
    counts = {row["reference"]: row["trainable_encoder_parameters"] for row in rows}
    assert counts["Pix2Pix λ 100"] is None
    assert counts["Pix2Pix + MobileNetV2, 20 unfrozen"] > 100_000


def test_the_record_names_data_versions_and_baselines(finished_study):
    record = json.loads(StudyFolder(finished_study[0]).config.read_text())
    assert record["data"]["counts"] == {"train": 80, "validation": 20, "test": 20}
    assert record["versions"]["ray"]
    assert record["baselines"]["gray"]["val_swd"] > record["baselines"]["mean chroma"]["val_swd"] > 0
    assert record["config"]["trials"] == 6
    assert record["config"]["references"] == ["lambda-100", "mobilenetv2"]
    assert (record["config"]["confirm"], record["encoder"]["sha256"]) == (1, None)


def test_the_baselines_were_measured_on_the_test_split_too(finished_study):
    baselines = read_config(StudyFolder(finished_study[0]))["baselines"]
    assert baselines["gray"]["test_swd"] > baselines["mean chroma"]["test_swd"] > 0
    assert baselines["gray"]["test_swd"] != baselines["gray"]["val_swd"]


def test_its_baselines_are_there_for_the_next_study_of_the_same_pictures(finished_study):
    record = read_config(StudyFolder(finished_study[0]))
    pack = Path(record["data"]["pack"])
    # There is no Ray in this process to take them on.
    task = BaselineTask(SharedFile(str(pack), digest(pack), ""), record["config"]["seed"], None)
    assert task.get(wait=False) == {
        name: {metric: value for metric, value in scores.items() if metric.startswith("val_")}
        for name, scores in record["baselines"].items()
    }


def test_the_precision_is_measured_said_and_recorded(finished_study):
    path, out = finished_study
    precision = json.loads(StudyFolder(path).config.read_text())["precision"]
    suitable = suitable_precisions((), processor_flags())
    assert precision["name"] in suitable
    assert set(precision["images_per_second"]) == (set(suitable) if len(suitable) > 1 else set())
    assert f"computes in {precision['name']}" in out


def test_the_end_shows_ranking_baselines_files_and_commands_that_exist(finished_study):
    path, out = finished_study
    for words in ("baseline: gray", "baseline: mean chroma", "Pix2Pix λ 100", "stopped early", "val_delta_e"):
        assert words in out
    assert "Test split, 20 photos" in out
    assert (
        "is the best of the search. Whether it beats the reference points is not confirmed: one seed" in out
    )
    assert "python -m search.run --resume finished" in out
    assert "--confirm 2" in out
    for file in re.findall(rf"{re.escape(str(path))}/\S+\b", out):
        assert StudyFolder(path).path.joinpath(file.rstrip(",")).exists(), file
    assert "python -m results.colorize" in out
    assert "python -m search.dashboard" in out
    assert not (path / ".tune").exists()
    assert (path / "gallery.html").stat().st_size > 10_000


def test_a_name_that_is_taken_is_refused_with_how_to_resume(finished_study, run_search):
    run = run_search("pix2pix", "--name", "finished")
    assert run.returncode == 2
    assert "--name finished is taken" in run.stderr
    assert "--resume finished" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cnn",), "--model is cnn now, but pix2pix in the study finished"),
        (("--set", "dropout=0.1"), "ema_decay=0 width=16 in the study finished: leave it out"),
        (("--data", "other birds"), "--data is other birds now, but"),
        (
            ("--objective", "val_swd"),
            "--objective is val_swd now, but val_delta_e val_swd in the study finished",
        ),
        # A default counts as given, too.
        (("--encoder-weights", "auto"), "--encoder-weights is auto now, but none in the study finished"),
        (
            ("--references", "all"),
            "--references is all now, but lambda-100 mobilenetv2 in the study finished",
        ),
        (("--trials", "5"), "--trials is 5, but in the study finished 6 trials have begun: take 6 or more"),
        (("--epochs", "2"), "--epochs is 2, but in the study finished 3 epochs have been trained"),
    ],
)
def test_resuming_as_another_study_is_refused_by_what_differs(finished_study, run_search, arguments, message):
    before = StudyFolder(finished_study[0]).config.read_bytes()
    run = run_search("--resume", "finished", *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert StudyFolder(finished_study[0]).config.read_bytes() == before


def test_a_study_on_a_storage_that_is_only_to_be_read_is_not_resumed(finished_study, run_search, tmp_path):
    path, _ = finished_study
    seen = tmp_path / "read-only"
    seen.mkdir()
    for options in (["--bind", path.parent, seen], ["-o", "remount,bind,ro", seen]):
        if subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
            pytest.skip("needs the right to mount a folder (root)")
    try:
        run = run_search("--resume", "finished", "--trials", 8, "--storage", seen)
    finally:
        subprocess.run(["umount", "--lazy", seen], check=True)
    assert run.returncode == 2
    assert f"--storage is {seen}, but {seen / 'finished'} is no folder that you may write to" in run.stderr
    assert "Traceback" not in run.stderr


def test_resuming_a_finished_study_only_tells_its_result_again(finished_study, run_search):
    path, out = finished_study
    before = [read(path) for read in (read_epochs, read_trials, read_resamples)]
    strip = StudyFolder(path).test_strip(0).stat().st_mtime_ns
    run = run_search("--resume", "finished")
    assert run.returncode == 0, run.stdout + run.stderr
    # From the verdict's tables to the verdict, the same.
    told = out[out.index("Test split, ") : out.index("Hypervolume ")]
    assert told in run.stdout
    assert [read(path) for read in (read_epochs, read_trials, read_resamples)] == before
    assert StudyFolder(path).test_strip(0).stat().st_mtime_ns == strip


def test_the_journal_is_what_optuna_itself_reads(finished_study):
    path, _ = finished_study
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(StudyFolder(path).journal))
    )
    study = optuna.load_study(study_name="finished", storage=storage)
    complete = [row for row in read_trials(path).to_pylist() if row["state"] == "COMPLETE"]
    assert study.metric_names == ["val_delta_e", "val_swd"]
    assert sorted(trial.values for trial in study.trials if trial.values) == sorted(
        [row["val_delta_e"], row["val_swd"]] for row in complete
    )


@pytest.fixture
def address(finished_study, served):
    with served(finished_study[0]) as at:
        yield at


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def test_the_study_is_served_with_all_its_trials(address, trials):
    assert "<title>" in get(f"{address}/dashboard/studies/0")
    study = json.loads(get(f"{address}/api/studies/0"))
    assert len(study["trials"]) == len(trials)
    assert study["name"] == "finished"


def test_the_gallery_is_served_too(address):
    page = get(f"{address}/gallery")
    assert "Pix2Pix λ 100" in page
    assert "data:image" in page


def test_learning_curves_of_several_objectives_are_served(address):
    page = get(f"{address}/curves")
    assert "<h1>finished</h1>" in page
    assert page.count('<g id="axes_') == 2


def test_a_table_that_cannot_be_read_is_named_in_place_of_a_page(finished_study, served, tmp_path):
    copy = shutil.copytree(finished_study[0], tmp_path / "finished")
    with served(copy) as at:
        (copy / "trials.parquet").write_bytes(b"no table")
        with pytest.raises(urllib.error.HTTPError) as answer:
            get(f"{at}/curves")
    with answer.value as told:
        assert told.code == 500
        assert "trials.parquet" in told.read().decode()


def test_the_record_cannot_be_changed(address, trials):
    request = urllib.request.Request(f"{address}/api/studies/0", method="DELETE")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=20)
    with refusal.value as answer:
        assert answer.code == 405
    assert len(json.loads(get(f"{address}/api/studies/0"))["trials"]) == len(trials)


def dashboard(*arguments):
    command = [sys.executable, "-m", "search.dashboard", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_port_that_is_taken_is_refused(finished_study):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = dashboard(finished_study[0], "--port", port)
    assert run.returncode == 2
    assert f"--port is {port}" in run.stderr


def test_a_damaged_journal_is_not_shown_and_stays_as_it_is(finished_study, tmp_path):
    copy = shutil.copytree(finished_study[0], tmp_path / "finished")
    journal = copy / "optuna.journal"
    damaged = journal.read_bytes().replace(b"op_code", b"op_kode", 5)
    journal.write_bytes(damaged)
    run = dashboard(copy)
    assert run.returncode == 2
    assert f"{journal} is damaged" in run.stderr
    assert "--resume finished mends it" in run.stderr
    assert "Traceback" not in run.stderr
    assert journal.read_bytes() == damaged


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    run = dashboard(tmp_path)
    assert run.returncode == 2
    assert str(tmp_path) in run.stderr
    assert "Traceback" not in run.stderr


def test_the_notebook_analyses_a_study_that_was_really_run(run_notebook, finished_study):
    path, _ = finished_study
    shown = run_notebook(path)
    assert "| finished | pix2pix |" in shown
    assert shown.count("[picture]") == 9


def test_the_best_model_of_a_study_that_was_really_run_colours_a_photo(finished_study, few_birds, tmp_path):
    path, _ = finished_study
    photo = few_birds / "Robin" / "0.png"
    command = [sys.executable, "-m", "results.colorize", str(path), str(photo), "--out", str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert sorted(printed) == sorted(str(file) for file in tmp_path.iterdir())
    with Image.open(photo) as original, Image.open(tmp_path / "0-colored.png") as colored:
        assert colored.size == original.size
