"""What is said at the end of a study."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from results.store import StudyWriter
from search.config import StudyConfig
from search.report import print_end

BASELINES = {"gray": {"val_delta_e": 10.0, "val_swd": 5.0}}
TRIALS = [
    ("COMPLETE", "Pix2Pix λ 100", 8, 6.0, 3.0),
    ("COMPLETE", None, 8, 5.0, 2.0),
    ("COMPLETE", None, 8, 8.0, 1.0),
    ("PRUNED", None, 2, 9.0, 4.0),
]


@pytest.fixture
def said(tmp_path):
    """Print the end of a study of four trials of 8 epochs at 10 s, minimising `objectives`, as lines."""

    def end(
        objectives=("val_delta_e", "val_swd"),
        gpu_seconds=0.0,
        used_up=None,
        devices=("Tesla T4",),
        **settings,
    ):
        writer = StudyWriter(tmp_path / "birds")
        writer.write_config({"objectives": objectives})
        for trial, (state, reference, epochs, delta_e, swd) in enumerate(TRIALS):
            values = {"val_delta_e": delta_e, "val_swd": swd}
            speed = {
                "epoch_seconds": 10.0,
                "images_per_second": 123.4,
                "device": devices[trial % len(devices)],
            }
            writer.record_epoch({"trial": trial, "epoch": epochs, **speed, **values})
            row = {
                "trial": trial,
                "state": state,
                "reference": reference,
                "epochs": epochs,
                "best_epoch": epochs,
            }
            seconds = {"seconds": 10.0 * epochs, "gpu_seconds": gpu_seconds * epochs}
            writer.record_trial({**row, **seconds, **values})
        plan = SimpleNamespace(
            epochs=8,
            config=SimpleNamespace(
                **{
                    **vars(StudyConfig()),
                    "time_budget": None,
                    "gpu_hours": None,
                    "storage": StudyConfig().storage.absolute(),
                    "objective": objectives,
                    **settings,
                }
            ),
        )
        finish = SimpleNamespace(interrupted=used_up is not None, used_up=used_up, seconds=140.0)
        console = Console(file=io.StringIO(), width=100)
        print_end(console, SimpleNamespace(folder=writer.folder, baselines=BASELINES, plan=plan, end=finish))
        return console.file.getvalue().splitlines()

    return end


def test_the_table_has_every_objective_and_marks_the_front_and_its_knee(said):
    rows = [line.split() for line in said()]
    assert rows[1][:2] == ["val_delta_e", "val_swd"]
    # Over the range of all, 5..9 and 1..4, the sums of trials 1 and 2 are 1/3 and 3/4.
    assert rows[2][:6] == ["1", "trial", "1", "5.000", "2.000", "knee"]
    assert rows[3][:6] == ["2", "trial", "2", "8.000", "1.000", "front"]
    assert "front" not in rows[4]
    assert rows[6][:3] == ["baseline:", "gray", "10.000"]


def test_the_end_tells_the_verdict_the_hypervolume_and_what_stopping_saved(said):
    lines = said()
    assert "Trial 1, the knee of 2 best trade-offs, dominates the only reference point." in lines
    # From gray's 5 and the square root of 2 times its 10: 9.14 x 3 of trial 1, and 6.14 x 1 more of trial 2; a
    # perfect model's is 14.14 x 5.
    assert "Hypervolume 33.6, 47% of a perfect model's (measured from val_delta_e 14.1, val_swd 5)." in lines
    assert (
        "4 trials in 2 min 20 s: 26 of 32 epochs;"
        " stopping the weak ones saved about 1 min 0 s of training (19%)." in lines
    )


def test_gpu_hours_are_told_where_there_are_gpus(said):
    assert any("of training and 0.5 GPU-hours (19%)" in line for line in said(gpu_seconds=300.0))


def test_how_fast_each_device_was_is_told_where_there_are_several(said):
    assert not any("Tesla T4" in line for line in said())
    lines = said(devices=("Tesla T4", "NVIDIA L4"))
    for device in ("Tesla T4", "NVIDIA L4"):
        told = f"on {device}: 2 epochs of 2 trials, 10 s an epoch, 123 images/s a trial (medians)"
        assert told in lines


def test_with_one_objective_baselines_stand_among_the_trials_and_nothing_is_a_front(said):
    text = "\n".join(said(objectives=("val_swd",)))
    assert "Trial 2 beats the only reference point." in text
    assert "front" not in text
    assert "Hypervolume" not in text
    assert text.index("trial 3") < text.index("baseline: gray")


def test_a_budget_that_is_used_up_is_named_with_how_to_go_on(said):
    lines = said(used_up="the budget of GPU-hours", name="birds", gpu_hours=1.5, time_budget="90m")
    assert "The budget of GPU-hours is used up; everything so far is kept." in lines
    assert "  python -m search.run --resume birds --time-budget 180m --gpu-hours 3" in lines
