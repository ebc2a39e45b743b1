"""Studies from the command line to the last file, in real processes, with real faults."""

import json
import os
import signal
import subprocess

import h5py
import pytest

from results.store import StudyFolder, read_epochs, read_trials

pytestmark = pytest.mark.slow

SAME_NETWORKS = ("--set", "batch_norm=false", "--set", "depth=2", "--set", "head=rgb")
SIZE = ("--trials", "4", "--epochs", "3", *SAME_NETWORKS)


def test_a_study_stopped_by_ctrl_c_goes_on_and_loses_nothing(
    start_search, run_search, storage, wait_for, accounted_for, damage
):
    name = "stopped"
    folder = StudyFolder(storage / name)
    # Nothing is stopped early, so the trial with the damaged state is sure to go on.
    options = ("--scheduler", "none", "--encoder-weights", "none", "--concurrency", "1", *SAME_NETWORKS)
    size = ("--trials", "2", "--epochs", "20")
    process = start_search("cnn", "--name", name, *size, *options, start_new_session=True)
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
    accounted_for(folder.path, trials=2, epochs=20)
    after = {(row["trial"], row["epoch"]): row for row in read_epochs(folder).to_pylist()}
    for row in before:
        assert after[row["trial"], row["epoch"]]["val_swd"] == row["val_swd"]


def test_a_trial_goes_on_when_its_process_is_killed_and_is_set_aside_when_that_happens_three_times_in_a_row(
    start_search, storage, wait_for, accounted_for, trials_of
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


def test_a_study_with_a_perceptual_loss_sticks_to_its_weights(run_search, storage, vgg16_weights, tmp_path):
    weights = tmp_path / "vgg.weights.h5"
    weights.write_bytes(vgg16_weights.read_bytes())
    sizes = ("--trials", "1", "--epochs", "1", "--encoder-weights", "none", "--set", "perceptual_weight=100")
    sizes += ("--set", "warm_up_epochs=0", "--set", "encoder=unet")
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


def test_a_time_budget_ends_a_study_which_goes_on_with_a_larger_one(run_search, storage, accounted_for):
    size = ("--trials", "2000", "--epochs", "3", "--encoder-weights", "none", *SAME_NETWORKS)
    run = run_search("cnn", "--name", "budget", *size, "--time-budget", "25s")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The time budget is used up" in run.stdout
    begun = read_trials(storage / "budget").num_rows
    assert 0 < begun < 2000
    more = run_search("--resume", "budget", "--time-budget", "1h", "--trials", str(begun + 2))
    assert more.returncode == 0, more.stdout + more.stderr
    accounted_for(storage / "budget", trials=begun + 2, epochs=3)


def test_a_study_learns_from_an_earlier_one_and_tries_what_is_enqueued_first(
    write_table, run_search, storage, tmp_path
):
    earlier = write_table([({"dropout": 0.05 * at}, "COMPLETE", [5, 4, 3, 2 + at]) for at in range(6)])
    points = tmp_path / "points.json"
    points.write_text(json.dumps([{"dropout": 0.33}]))
    options = ("--warm-start", earlier, "--enqueue", points, "--encoder-weights", "none", *SAME_NETWORKS)
    size = ("--trials", "2", "--epochs", "1", "--references", "all")
    run = run_search("cnn", "--name", "warm", *size, *options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"learns from 6 trials of {earlier}" in run.stdout
    rows = read_trials(storage / "warm").to_pylist()
    # Two of the three reference points have these networks, and come before it.
    assert [row["role"] for row in rows] == ["reference", "reference", "search", "search"]
    assert rows[2]["params.dropout"] == 0.33
    points.unlink()
    again = run_search("--resume", "warm")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_running_study_is_not_started_again(start_search, run_search, storage, wait_for):
    folder = StudyFolder(storage / "held")
    process = start_search("cnn", "--name", "held", *SIZE, "--encoder-weights", "none")
    wait_for(folder.lock.exists, process)
    second = run_search("--resume", "held")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert second.returncode == 2
    assert f"the study held is running: process {process.pid} on " in second.stderr
