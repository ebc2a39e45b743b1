"""Studies from the command line to the last file, in real processes, with real faults."""

import contextlib
import json
import math
import os
import re
import signal
import subprocess

import h5py
import optuna
import psutil
import pytest
from PIL import Image

from results.store import StudyFolder, read_epochs, read_trials
from spaces import reference_points, space_of
from trainables.best import best_epoch
from trainables.hardware import device_name, processor_flags, suitable_precisions

SAME_NETWORKS = ("--set", "batch_norm=false", "--set", "depth=2", "--set", "head=rgb")
SIZE = ("--trials", "4", "--epochs", "3", *SAME_NETWORKS)


def test_a_study_accounts_for_every_trial_and_epoch(finished_study, accounted_for):
    path, _ = finished_study
    rows = accounted_for(path, trials=6, epochs=3)
    assert "COMPLETE" in {row["state"] for row in rows.values()}
    assert "PRUNED" in {row["state"] for row in rows.values()}


def test_a_trials_row_shows_its_best_epoch(finished_study):
    path, _ = finished_study
    epochs = read_epochs(path).to_pylist()
    for row in read_trials(path).to_pylist():
        own = [epoch for epoch in epochs if epoch["trial"] == row["trial"]]
        best = own[best_epoch([(epoch["val_delta_e"], epoch["val_swd"]) for epoch in own])]
        assert row["best_epoch"] == best["epoch"]
        assert row["val_delta_e"] == best["val_delta_e"]
        assert row["gpu_seconds"] == 0
        assert {epoch["device"] for epoch in own} == {row["device"]} == {device_name(0)}
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


def test_a_study_stopped_by_ctrl_c_goes_on_and_loses_nothing(
    start_search, run_search, storage, wait_for, accounted_for, damage
):
    name = "stopped"
    folder = StudyFolder(storage / name)
    # Nothing is stopped early, so the trial with the damaged state is sure to go on.
    process = start_search(
        "cnn",
        "--name",
        name,
        *SIZE,
        "--encoder-weights",
        "none",
        "--scheduler",
        "none",
        start_new_session=True,
    )
    wait_for(lambda: folder.epochs.is_dir() and len(list(folder.epochs.glob("*.parquet"))) >= 2, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert f"--resume {name}" in out
    before = read_epochs(folder).to_pylist()
    assert before
    running = [row["trial"] for row in read_trials(folder).to_pylist() if row["state"] == "RUNNING"]
    damaged = next(state for state in map(folder.last_state, running) if state.exists())
    damage(damaged)

    resumed = run_search("--resume", name)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert f"{damaged} is damaged" in resumed.stdout
    accounted_for(folder.path, trials=4, epochs=3)
    after = {(row["trial"], row["epoch"]): row for row in read_epochs(folder).to_pylist()}
    for row in before:
        assert after[row["trial"], row["epoch"]]["val_swd"] == row["val_swd"]


def trials_of(process):
    """The numbers of the processes that a study's trials run in."""
    found = set()
    for child in psutil.Process(process.pid).children(recursive=True):
        # Some of Ray's idle processes end in between.
        with contextlib.suppress(psutil.NoSuchProcess):
            if " ".join(child.cmdline()).startswith("ray::Trial"):
                found.add(child.pid)
    return found


@pytest.mark.slow
def test_a_trial_goes_on_when_its_process_is_killed_and_is_set_aside_when_that_happens_three_times_in_a_row(
    start_search, storage, wait_for, accounted_for
):
    folder = StudyFolder(storage / "killed-trial")
    process = start_search(
        "cnn", "--name", folder.path.name, *SIZE, "--encoder-weights", "none", "--concurrency", "1"
    )

    def kill_next():
        wait_for(lambda: trials_of(process) - killed, process)
        for pid in trials_of(process) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)

    killed = set()
    for _ in range(3):
        kill_next()
    wait_for(lambda: folder.epoch(1, 1).exists(), process)
    kill_next()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    rows = accounted_for(folder.path, trials=4, epochs=3)
    assert [number for number, row in rows.items() if row["state"] == "FAIL"] == [0]
    assert "lost 3 workers in a row" in rows[0]["reason"]
    assert rows[0]["reason"] in out
    assert "it goes on from its last epoch" in out


def test_a_name_that_is_taken_is_refused_with_how_to_resume(finished_study, run_search):
    run = run_search("pix2pix", "--name", "finished")
    assert run.returncode == 2
    assert "--name finished is taken" in run.stderr
    assert "--resume finished" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cnn",), "--model is cnn now, but pix2pix in the study finished"),
        (("--set", "dropout=0.1"), "--set is width=16 dropout=0.1 now, but width=16 in the study finished"),
        (("--data", "other birds"), "--data is other birds now, but"),
        (
            ("--objective", "val_swd"),
            "--objective is val_swd now, but val_delta_e val_swd in the study finished",
        ),
        # A default counts as given, too.
        (("--encoder-weights", "auto"), "--encoder-weights is auto now, but none in the study finished"),
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
    assert f"--perceptual-weights is imagenet now, but {weights} in the study perceptual" in other.stderr

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
    assert study.metric_names == ["val_delta_e", "val_swd"]
    assert sorted(trial.values for trial in study.trials if trial.values) == sorted(
        [row["val_delta_e"], row["val_swd"]] for row in complete
    )


@pytest.mark.slow
def test_a_finished_study_is_extended_by_trials_and_epochs(run_search, storage, accounted_for):
    size = ("--encoder-weights", "none", "--concurrency", "1", *SAME_NETWORKS)
    run = run_search("cnn", "--name", "extended", "--trials", "3", "--epochs", "2", *size)
    assert run.returncode == 0, run.stdout + run.stderr
    before = read_epochs(storage / "extended").to_pylist()
    more = run_search("--resume", "extended", "--trials", "4", "--epochs", "4")
    assert more.returncode == 0, more.stdout + more.stderr
    rows = accounted_for(storage / "extended", trials=4, epochs=4)
    assert "COMPLETE" in {row["state"] for row in rows.values()}
    after = {(row["trial"], row["epoch"]): row for row in read_epochs(storage / "extended").to_pylist()}
    assert all(after[row["trial"], row["epoch"]] == row for row in before)
    assert max(row["epochs"] for number, row in rows.items() if number < 3) == 4


@pytest.mark.slow
def test_a_time_budget_ends_a_study_which_goes_on_with_a_larger_one(run_search, storage, accounted_for):
    size = ("--trials", "200", "--epochs", "3", "--encoder-weights", "none", *SAME_NETWORKS)
    run = run_search("cnn", "--name", "budget", *size, "--time-budget", "20s")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The time budget is used up" in run.stdout
    begun = read_trials(storage / "budget").num_rows
    assert 0 < begun < 200
    more = run_search("--resume", "budget", "--time-budget", "1h", "--trials", str(begun + 2))
    assert more.returncode == 0, more.stdout + more.stderr
    accounted_for(storage / "budget", trials=begun + 2, epochs=3)


@pytest.mark.slow
def test_a_study_learns_from_an_earlier_one_and_tries_what_is_enqueued_first(
    write_table, run_search, storage, tmp_path
):
    earlier = write_table([({"dropout": 0.05 * at}, "COMPLETE", [5, 4, 3, 2 + at]) for at in range(6)])
    points = tmp_path / "points.json"
    points.write_text(json.dumps([{"dropout": 0.33}]))
    options = ("--warm-start", earlier, "--enqueue", points, "--encoder-weights", "none", *SAME_NETWORKS)
    run = run_search("cnn", "--name", "warm", "--trials", "4", "--epochs", "1", *options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"learns from 6 trials of {earlier}" in run.stdout
    rows = read_trials(storage / "warm").to_pylist()
    # Two of the three reference points have these networks, and come before it.
    assert [row["reference"] is not None for row in rows] == [True, True, False, False]
    assert rows[2]["params.dropout"] == 0.33


@pytest.mark.slow
def test_a_running_study_is_not_started_again(start_search, run_search, storage, wait_for):
    folder = StudyFolder(storage / "held")
    process = start_search("cnn", "--name", "held", *SIZE, "--encoder-weights", "none")
    wait_for(folder.lock.exists, process)
    second = run_search("--resume", "held")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert second.returncode == 2
    assert f"the study held is running: process {process.pid} on " in second.stderr
