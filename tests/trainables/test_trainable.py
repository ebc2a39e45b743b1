"""A trial as Ray runs it, in processes of its own: what it reports, leaves, and goes on from."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import pytest

from trainables.best import best_epoch
from trainables.checkpoint import load
from trainables.data.nearby import SharedFile, digest
from trainables.data.pack import build_pack

SCRIPT = """
import json, sys, traceback
from trainables.trainable import Trial
trial = None
for line in sys.stdin:
    steps, config = json.loads(line)
    try:
        if trial is None:
            trial = Trial({"trial": config})
        elif config is not None:
            trial.reset({"trial": config})
        results = [trial.train() for _ in range(steps)]
    except Exception:
        print(json.dumps(traceback.format_exc()), flush=True)
        continue
    kept = ("val_", "train_", "epoch", "done", "notice")
    told = [{name: value for name, value in result.items() if name.startswith(kept)} for result in results]
    print(json.dumps(told), flush=True)
trial.stop()
"""


class Worker:
    """A process that trains one trial after another, as Ray has it do; without a configuration it goes on."""

    def __init__(self, first=""):
        self.process = subprocess.Popen(
            [sys.executable, "-c", first + SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def train(self, steps, config):
        """What so many epochs report."""
        answer = self.ask(steps, config)
        assert isinstance(answer, list), answer
        return answer

    def fail(self, steps, config):
        """The traceback of the error that so many epochs end with."""
        answer = self.ask(steps, config)
        assert isinstance(answer, str)
        return answer

    def ask(self, steps, config):
        self.process.stdin.write(json.dumps([steps, config]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.process.communicate()[1]
        return json.loads(answer)

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self):
        """Close the process as Ray does, which lets it write what it is writing."""
        self.process.communicate()


@pytest.fixture
def new_worker():
    """Start a worker, which runs some code first."""
    started = []

    def start(first=""):
        started.append(Worker(first))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture(scope="module")
def worker():
    """A worker that may have trained before."""
    worker = Worker()
    yield worker
    worker.kill()


@pytest.fixture(scope="module")
def pack(few_birds, tmp_path_factory):
    return build_pack(str(few_birds), 32, seed=0, cache=tmp_path_factory.mktemp("packs")).path


def shared(file):
    """The file as one that lies on this machine."""
    return asdict(SharedFile(str(file), digest(file), os.uname().nodename))


def settings(folder, pack, model="cnn", **params):
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "number": 0,
        "model": model,
        "params": {"depth": 3, "width": 8, **params},
        "pack": shared(pack),
        "epochs": 3,
        "batch_size": 16,
        "seed": 0,
        "objectives": ["val_delta_e", "val_swd"],
        "encoder_weights": None,
        "precision": "float32",
        "xla": True,
        "perceptual_weights": None,
        "threads": 1,
        "gpu_share": 0.0,
        "gpu_beside_mb": 0.0,
        "deterministic": False,
        "last": str(folder / "last.safetensors"),
        "previous": str(folder / "previous.safetensors"),
        "best": str(folder / "best.safetensors"),
        "samples": str(folder / "samples"),
        "rungs": [],
        "owner": str(folder / "owner"),
    }


@pytest.fixture(scope="module")
def whole(worker, pack, tmp_path_factory):
    """What a trial reports that nothing interrupts."""
    return worker.train(3, settings(tmp_path_factory.mktemp("whole"), pack))


def curve(results):
    """What must repeat to the bit: everything but the times."""
    own = ("epoch_seconds", "notice")
    return [{name: value for name, value in result.items() if name not in own} for result in results]


def test_a_trial_killed_and_started_again_reports_its_last_epoch_once_more_and_goes_on_bitwise(
    pack, tmp_path, whole, new_worker
):
    worker = new_worker()
    first = worker.train(2, settings(tmp_path / "cut", pack))
    worker.kill()
    second = new_worker().train(2, settings(tmp_path / "cut", pack))
    assert [result["epoch"] for result in second] == [2, 3]
    assert curve([*first, second[1]]) == curve(whole)
    assert curve(second[:1]) == curve(first[1:])
    assert [result["done"] for result in whole] == [False, False, True]


def test_the_best_epochs_weights_are_kept_and_strips_are_made_at_rungs_and_the_end(pack, tmp_path, worker):
    results = worker.train(3, settings(tmp_path, pack))
    best = results[best_epoch([(result["val_delta_e"], result["val_swd"]) for result in results])]
    assert load(tmp_path / "best.safetensors")[1]["epoch"] == best["epoch"]
    strips = {int(path.stem.removeprefix("epoch-")) for path in (tmp_path / "samples").iterdir()}
    assert {1, 3, best["epoch"]} <= strips


LARGE = "from trainables import pace; pace.SMALL, pace.SHARE = 0, 1e-9\n"
"""Takes every state for a large one, and lets the time alone give no occasion to write it."""


def test_a_large_state_is_written_at_rungs_and_the_end_and_what_came_between_is_trained_again(
    pack, tmp_path, whole, new_worker
):
    config = settings(tmp_path, pack) | {"rungs": [2]}

    def train(steps):
        worker = new_worker(LARGE)
        results = worker.train(steps, config)
        worker.end()
        return results

    first = train(1)
    assert not list(tmp_path.glob("*.safetensors"))
    again = train(2)
    assert curve(again) == curve(whole[:2])
    assert curve(first) == curve(again[:1])
    best = best_epoch([(result["val_delta_e"], result["val_swd"]) for result in again])
    assert load(tmp_path / "best.safetensors")[1]["epoch"] == best + 1
    assert curve(train(2)) == curve(whole[1:])
    assert load(tmp_path / "last.safetensors")[1]["epoch"] == 3


SLOW_DISK = """
import time
from trainables import checkpoint
save = checkpoint.save
checkpoint.save = lambda *content: (time.sleep(2), save(*content))
"""
FULL_DISK = """
import errno
from trainables import checkpoint
def save(path, *content):
    raise OSError(errno.ENOSPC, "No space left", str(path))
checkpoint.save = save
"""


def test_a_large_state_is_of_its_epoch_though_it_is_written_while_the_next_one_trains(
    pack, tmp_path, whole, new_worker
):
    config = settings(tmp_path, pack) | {"rungs": [1]}
    worker = new_worker(LARGE + SLOW_DISK)
    assert curve(worker.train(2, config)) == curve(whole[:2])
    worker.end()
    assert load(tmp_path / "last.safetensors")[1]["epoch"] == 1
    assert curve(new_worker().train(3, config)) == curve(whole)


def test_a_large_state_of_a_paused_trial_is_there_when_the_next_trial_has_begun(
    pack, tmp_path, whole, new_worker
):
    paused, other = settings(tmp_path / "paused", pack), settings(tmp_path / "other", pack, width=16)
    worker = new_worker(LARGE + SLOW_DISK)
    worker.train(1, paused | {"rungs": [1]})
    worker.train(0, other)
    assert load(tmp_path / "paused" / "last.safetensors")[1]["epoch"] == 1
    assert curve(worker.train(3, paused)) == curve(whole)


def test_a_trial_that_is_stopped_while_its_large_state_is_written_leaves_none(pack, tmp_path, new_worker):
    config = settings(tmp_path / "stopped", pack) | {"rungs": [1]}
    worker = new_worker(LARGE + SLOW_DISK)
    worker.train(1, config)
    (tmp_path / "stopped" / "owner").unlink()
    shutil.rmtree(tmp_path / "stopped")
    worker.end()
    assert not (tmp_path / "stopped").exists()


def test_a_full_disk_fails_the_trial_that_waits_for_its_state_and_is_told_of_one_that_is_paused(
    pack, tmp_path, new_worker
):
    worker = new_worker(LARGE + FULL_DISK)
    worker.train(1, settings(tmp_path / "paused", pack) | {"rungs": [1], "number": 7})
    (after,) = worker.train(1, settings(tmp_path / "other", pack))
    assert "state of trial 7 was not written" in after["notice"]
    assert "No space left" in after["notice"]
    assert "No space left" in worker.fail(2, None)


def test_a_finished_trial_goes_on_when_the_study_has_become_longer(pack, tmp_path, whole, worker):
    worker.train(2, settings(tmp_path, pack) | {"epochs": 2})
    longer = worker.train(2, settings(tmp_path, pack))
    assert [(result["epoch"], result["done"]) for result in longer] == [(2, False), (3, True)]
    assert longer[1]["val_swd"] == whole[2]["val_swd"]


def test_a_trial_that_goes_on_in_another_process_writes_no_more_in_the_first(
    pack, tmp_path, worker, new_worker
):
    config = settings(tmp_path, pack)
    first = new_worker()
    first.train(1, config)
    worker.train(2, config)
    before = {file: file.read_bytes() for file in tmp_path.glob("*.safetensors")}
    assert "the trial goes on in another process" in first.fail(1, None)
    assert {file: file.read_bytes() for file in tmp_path.glob("*.safetensors")} == before


def test_a_reused_process_trains_the_next_trial_as_a_new_one_would(pack, tmp_path, worker, whole, new_worker):
    alone = new_worker().train(1, settings(tmp_path / "new", pack, width=16))
    reused = worker.train(1, settings(tmp_path / "reused", pack, width=16))
    assert curve(reused) == curve(alone)


def test_a_process_that_has_built_its_share_takes_trials_of_its_networks_and_refuses_others(
    pack, tmp_path, new_worker
):
    worker = new_worker("from trainables import trainable; trainable.MOST_BUILT = 2\n")
    for width in (8, 16):
        worker.train(0, settings(tmp_path / str(width), pack, width=width))
    worker.train(0, settings(tmp_path / "again", pack, width=16))
    assert "WornOutError: its process had built 2 networks" in worker.fail(
        0, settings(tmp_path / "other", pack, width=8)
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_processes_of_two_threads_give_the_same_curve_of_a_gan(pack, tmp_path, precision, new_worker):
    first, second = (
        new_worker().train(
            2, settings(tmp_path / name, pack, "pix2pix") | {"precision": precision, "threads": 2}
        )
        for name in ("first", "second")
    )
    assert curve(first) == curve(second)


def test_a_damaged_state_is_named_and_the_one_before_taken_up(pack, tmp_path, whole, damage, worker):
    worker.train(2, settings(tmp_path / "cut", pack))
    damage(tmp_path / "cut" / "last.safetensors")
    again = worker.train(3, settings(tmp_path / "cut", pack))
    assert [result["epoch"] for result in again] == [1, 2, 3]
    assert curve(again) == curve(whole)
    assert "last.safetensors is damaged" in again[0]["notice"]
    assert "goes on after epoch 1" in again[0]["notice"]
    assert again[1]["notice"] is None


def test_without_a_whole_state_the_trial_begins_again_and_comes_to_the_same(pack, tmp_path, damage, worker):
    first = worker.train(2, settings(tmp_path, pack))
    for name in ("last", "previous"):
        damage(tmp_path / f"{name}.safetensors")
    again = worker.train(2, settings(tmp_path, pack))
    assert curve(again) == curve(first)
    assert "goes on after epoch 0" in again[0]["notice"]


def test_a_process_killed_while_it_saves_goes_on_from_the_state_before(pack, tmp_path, whole, worker):
    worker.train(2, settings(tmp_path / "cut", pack))
    (tmp_path / "cut" / "last.safetensors").unlink()
    again = worker.train(3, settings(tmp_path / "cut", pack))
    assert [result["epoch"] for result in again] == [1, 2, 3]
    assert curve(again) == curve(whole)
    assert again[0]["notice"] is None


OUT_OF_MEMORY = """
import json, sys
import tensorflow as tf
from trainables.loop import Loop
from trainables.trainable import Trial

def full_gpu(*_):
    raise tf.errors.InternalError(None, None, "Dst tensor is not initialized.")

# More than any machine has: TensorFlow's own allocator refuses it. Its convolutions on a CPU do not get to refuse.
full = lambda *_: tf.zeros([2**50], tf.uint8)
setattr(Loop, sys.argv[2], full if sys.argv[3] == "full" else full_gpu)
Trial({"trial": json.loads(sys.argv[1])}).train()
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", [("train_epoch", "full"), ("evaluate", "full_gpu"), ("_many", "full")])
def test_out_of_memory_anywhere_is_told_with_the_batch_size_and_the_remedy(pack, tmp_path, where):
    config = json.dumps(settings(tmp_path, pack))
    process = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, config, *where],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert process.returncode == 1
    assert "out of memory with batches of 16 pictures: take a smaller --batch-size" in process.stderr


def test_deterministic_kernels_train_the_same_again(pack, tmp_path, new_worker):
    told = [
        new_worker().train(2, settings(tmp_path / name, pack) | {"deterministic": True})
        for name in ("a", "b")
    ]
    assert curve(told[0]) == curve(told[1])


@pytest.mark.slow
def test_a_trial_takes_its_perceptual_loss_from_the_weights_it_is_given(
    pack, tmp_path, vgg16_weights, worker
):
    config = settings(tmp_path, pack, "pix2pix", perceptual_weight=10.0)
    (result,) = worker.train(1, config | {"perceptual_weights": shared(vgg16_weights)})
    parts = result["train_adversarial_loss"] + 100 * result["train_l1_loss"]
    assert result["train_generator_loss"] > parts + 1


def test_training_that_diverges_fails_with_the_epoch_and_the_loss(pack, tmp_path, worker):
    error = worker.fail(3, settings(tmp_path, pack, learning_rate=1e30))
    assert "epoch 1" in error
    assert "diverged" in error
