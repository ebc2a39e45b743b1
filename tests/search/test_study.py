"""Studies from the command line to the last file, in real processes, with real faults."""

import json
import math
import re
import signal
import subprocess
import time

import h5py
import optuna
import psutil
import pytest
from optuna.trial import TrialState
from PIL import Image

from results.store import StudyFolder, read_epochs, read_trials
from search.searcher import open_journal
from spaces import reference_points, space_of
from trainables.hardware import processor_flags, suitable_precisions

SIZE = ("--trials", "4", "--epochs", "3", "--set", "batch_norm=false")


def wait_for(condition, process, seconds=120):
    """Wait until `condition` holds; a process that ends before that fails the test with what it printed."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            pytest.fail("it ended too early: " + "\n".join(process.communicate()))
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def damage(path):
    """Turn over one byte in the middle, as a failing disk would."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def assert_accounted_for(path, trials, epochs):
    """Every trial ended, every epoch is there once, and table, epochs and journal agree."""
    rows = {row["trial"]: row for row in read_trials(path).to_pylist()}
    assert sorted(rows) == list(range(trials))
    seen = [(row["trial"], row["epoch"]) for row in read_epochs(path).to_pylist()]
    assert len(seen) == len(set(seen))
    journal = open_journal(StudyFolder(path).journal, path.name, "val_swd").trials
    states = {TrialState.COMPLETE: "COMPLETE", TrialState.PRUNED: "PRUNED", TrialState.FAIL: "FAIL"}
    for number, row in rows.items():
        own = [epoch for trial, epoch in seen if trial == number]
        assert own == list(range(1, row["epochs"] + 1))
        assert row["state"] == states[journal[number].state]
        assert sorted(journal[number].intermediate_values) == own
        if row["state"] == "COMPLETE":
            assert row["epochs"] == epochs
        if row["state"] == "PRUNED":
            assert row["epochs"] < epochs
    return rows


def test_a_study_accounts_for_every_trial_and_epoch(finished_study):
    path, _ = finished_study
    rows = assert_accounted_for(path, trials=6, epochs=3)
    assert "COMPLETE" in {row["state"] for row in rows.values()}
    assert "PRUNED" in {row["state"] for row in rows.values()}


def test_a_trials_row_shows_its_best_epoch(finished_study):
    path, _ = finished_study
    epochs = read_epochs(path).to_pylist()
    for row in read_trials(path).to_pylist():
        own = [epoch for epoch in epochs if epoch["trial"] == row["trial"]]
        best = min(own, key=lambda epoch: epoch["val_swd"])
        assert row["best_epoch"] == best["epoch"]
        assert row["val_delta_e"] == best["val_delta_e"]
        assert row["seconds"] == pytest.approx(sum(epoch["epoch_seconds"] for epoch in own))
        assert all(math.isfinite(row[metric]) for metric in ("val_swd", "val_psnr", "val_ssim", "val_l1"))


def test_the_original_experiments_run_first(finished_study):
    path, _ = finished_study
    expected = [
        name for name, _ in reference_points("pix2pix", space_of("pix2pix", 32, ("unet", "mobilenetv2")))
    ]
    assert [row["reference"] for row in read_trials(path).to_pylist()] == [*expected, None, None]


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
    for file in re.findall(rf"{re.escape(str(path))}/\S+\b", out):
        assert StudyFolder(path).path.joinpath(file.rstrip(",")).exists(), file
    assert "python -m results.colorize" in out
    assert "python -m search.dashboard" in out
    assert not (path / ".tune").exists()
    assert (path / "gallery.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="ctrl-c"),
        pytest.param(signal.SIGKILL, id="kill -9", marks=pytest.mark.slow),
    ],
)
def test_a_study_stopped_in_the_middle_goes_on_and_loses_nothing(how, start_search, run_search, storage):
    name = f"stopped-by-{how.name}"
    folder = StudyFolder(storage / name)
    process = start_search("cnn", "--name", name, *SIZE, "--encoder-weights", "none", start_new_session=True)
    wait_for(lambda: folder.epochs.is_dir() and len(list(folder.epochs.glob("*.parquet"))) >= 2, process)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -how), out + err
    if how == signal.SIGINT:
        assert f"--resume {name}" in out
    before = read_epochs(folder).to_pylist()
    assert before
    damaged = None
    if (
        how == signal.SIGINT
    ):  # after a kill the trials' processes live on for a moment, and may save once more
        running = [row["trial"] for row in read_trials(folder).to_pylist() if row["state"] == "RUNNING"]
        states = map(folder.last_state, running)
        damaged = next(state for state in states if state.exists())
        damage(damaged)

    resumed = run_search("--resume", name)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert damaged is None or f"{damaged} is damaged" in resumed.stdout
    assert_accounted_for(folder.path, trials=4, epochs=3)
    after = {(row["trial"], row["epoch"]): row for row in read_epochs(folder).to_pylist()}
    for row in before:
        assert after[row["trial"], row["epoch"]]["val_swd"] == row["val_swd"]


@pytest.mark.slow
def test_a_trial_whose_process_is_killed_is_recorded_with_the_reason_and_the_study_goes_on(
    start_search, storage
):
    folder = StudyFolder(storage / "killed-trial")
    process = start_search("cnn", "--name", folder.path.name, *SIZE, "--encoder-weights", "none")
    wait_for(lambda: folder.epochs.is_dir() and list(folder.epochs.glob("*.parquet")), process)
    family = psutil.Process(process.pid).children(recursive=True)
    victim = next(
        child for child in family if "Trial" in child.name() or "Trial" in " ".join(child.cmdline())
    )
    victim.kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    rows = assert_accounted_for(folder.path, trials=4, epochs=3)
    failed = [row for row in rows.values() if row["state"] == "FAIL"]
    assert len(failed) == 1
    assert "process died" in failed[0]["reason"]
    assert failed[0]["reason"] in out


def test_a_name_that_is_taken_is_refused_with_how_to_resume(finished_study, run_search):
    run = run_search("pix2pix", "--name", "finished")
    assert run.returncode == 2
    assert "--name finished is taken" in run.stderr
    assert "--resume finished" in run.stderr


def test_resuming_with_other_settings_is_refused_by_their_names(finished_study, run_search):
    run = run_search("cnn", "--resume", "finished")
    assert run.returncode == 2
    assert "model is cnn now, but pix2pix in the study finished" in run.stderr


def test_resuming_a_finished_study_only_tells_its_result_again(finished_study, run_search):
    path, _ = finished_study
    before = read_epochs(path)
    run = run_search("--resume", "finished")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "baseline: gray" in run.stdout
    assert read_epochs(path) == before


@pytest.mark.slow
def test_a_damaged_photo_is_skipped_and_named_and_a_study_sticks_to_its_data(
    run_search, few_birds, tmp_path, storage
):
    data = tmp_path / "birds"
    subprocess.run(["cp", "-r", str(few_birds), str(data)], check=True)
    photo = data / "Robin" / "0.png"
    photo.write_bytes(photo.read_bytes()[:300])
    run = run_search(
        "cnn",
        "--name",
        "damaged",
        "--data",
        data,
        "--trials",
        "1",
        "--epochs",
        "1",
        "--encoder-weights",
        "none",
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 image could not be used" in run.stdout
    assert "Robin/0.png" in run.stdout

    (data / "Robin" / "1.png").unlink()
    resumed = run_search("--resume", "damaged")
    assert resumed.returncode == 2
    assert "has changed since the study damaged began" in resumed.stderr


@pytest.mark.slow
def test_a_study_with_a_perceptual_loss_sticks_to_its_weights(run_search, storage, vgg16_weights, tmp_path):
    weights = tmp_path / "vgg.weights.h5"
    weights.write_bytes(vgg16_weights.read_bytes())
    sizes = ("--trials", "1", "--epochs", "1", "--encoder-weights", "none", "--set", "perceptual_weight=100")
    run = run_search("pix2pix", "--name", "perceptual", *sizes, "--perceptual-weights", weights)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "perceptual loss on the features of vgg.weights.h5" in run.stdout
    (epoch,) = read_epochs(storage / "perceptual").to_pylist()
    parts = epoch["train_adversarial_loss"] + 100 * epoch["train_l1_loss"]
    assert epoch["train_generator_loss"] > parts + 10
    record = json.loads(StudyFolder(storage / "perceptual").config.read_text())["perceptual"]
    assert (record["spec"], record["path"]) == (str(weights), str(weights))

    other = run_search("--resume", "perceptual", "--perceptual-weights", "imagenet")
    assert other.returncode == 2
    assert f"perceptual_weights is imagenet now, but {weights} in the study perceptual" in other.stderr

    with h5py.File(weights, "r+") as file:
        file["layers/conv2d/vars/0"][0, 0, 0, 0] += 1
    changed = run_search("--resume", "perceptual")
    assert changed.returncode == 2
    assert f"the weights in {weights} have changed since the study perceptual began" in changed.stderr


def test_the_journal_is_what_optuna_itself_reads(finished_study):
    path, _ = finished_study
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(StudyFolder(path).journal))
    )
    study = optuna.load_study(study_name="finished", storage=storage)
    complete = [row for row in read_trials(path).to_pylist() if row["state"] == "COMPLETE"]
    assert study.best_value == min(row["val_swd"] for row in complete)
    assert study.metric_names == ["val_swd"]
