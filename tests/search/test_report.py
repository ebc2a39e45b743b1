"""What is said before a study and at its end."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from results.store import StudyWriter, read_resamples, read_trials
from results.verdict import judge
from search.config import StudyConfig
from search.machine import Machine
from search.plan import make_plan
from search.points import Point, confirmation
from search.report import print_beginning, print_end, print_plan
from trainables.data.pack import PackReport

PAIR = ("val_delta_e", "val_swd")
BASELINES = {"gray": {"val_delta_e": 10.0, "val_swd": 5.0, "test_delta_e": 11.5, "test_swd": 6.5}}
REFERENCE = "Pix2Pix λ 100"
TRIALS = [
    ("COMPLETE", Point(REFERENCE, {}, REFERENCE), 8, 6.0, 3.0),
    ("COMPLETE", Point("", {}), 8, 5.0, 2.0),
    ("COMPLETE", Point("", {}), 8, 8.0, 1.0),
    ("PRUNED", Point("", {}), 2, 9.0, 4.0),
]
CONFIRMED = [
    ("COMPLETE", confirmation(number, reference, seed, {}), 8, delta_e + 0.01 * seed, swd + 0.01 * seed)
    for seed in (1, 2)
    for number, reference, delta_e, swd in (
        (1, None, 5.0, 2.0),
        (2, None, 8.0, 1.0),
        (0, REFERENCE, 6.0, 3.0),
    )
]
"""The finalists and the reference point on two fresh seeds."""


def write(folder, trials, objectives, *, photos, gpu_seconds, devices):
    """Write a study of these trials, at 10 s an epoch; with photos all are measured on the test split, 1 worse."""
    writer = StudyWriter(folder)
    writer.write_config({"objectives": objectives})
    for trial, (state, point, epochs, delta_e, swd) in enumerate(trials):
        values = {"val_delta_e": delta_e, "val_swd": swd}
        speed = {"epoch_seconds": 10.0, "images_per_second": 123.4, "device": devices[trial % len(devices)]}
        writer.record_epoch({"trial": trial, "epoch": epochs, **speed, **values})
        row = {
            "trial": trial,
            "state": state,
            "role": point.role,
            "reference": point.reference,
            "confirms": point.confirms,
            "epochs": epochs,
            "best_epoch": epochs,
        }
        seconds = {"seconds": 10.0 * epochs, "gpu_seconds": gpu_seconds * epochs}
        measured = {}
        if photos and state == "COMPLETE":
            measured = {name.replace("val_", "test_"): value + 1 for name, value in values.items()}
            spread = np.random.default_rng(0).normal(0, 0.01, 200)
            writer.record_resamples(
                trial,
                {
                    objective.replace("val_", "test_"): values[objective] + 1 + spread
                    for objective in objectives
                },
            )
        writer.record_trial({**row, **seconds, **values, **measured})
    return writer.folder


@pytest.fixture
def said(tmp_path):
    """Print the end of a study of trials of 8 epochs at 10 s, minimising `objectives`, as lines."""

    def end(
        trials=TRIALS,
        objectives=PAIR,
        photos=0,
        gpu_seconds=0.0,
        used_up=None,
        devices=("Tesla T4",),
        **settings,
    ):
        folder = write(
            tmp_path / "birds", trials, objectives, photos=photos, gpu_seconds=gpu_seconds, devices=devices
        )
        plan = SimpleNamespace(
            epochs=8,
            config=SimpleNamespace(
                **{
                    **vars(StudyConfig()),
                    "name": "birds",
                    "time_budget": None,
                    "gpu_hours": None,
                    "storage": StudyConfig().storage.absolute(),
                    "objective": objectives,
                    **settings,
                }
            ),
        )
        finish = SimpleNamespace(status=0, used_up=used_up, seconds=140.0)
        console = Console(file=io.StringIO(), width=100)
        print_end(
            console,
            SimpleNamespace(folder=folder, baselines=BASELINES, plan=plan, end=finish, photos=photos or 100),
        )
        return console.file.getvalue().splitlines()

    return end


def test_the_table_ranks_what_was_trained_to_the_end_and_marks_the_front_and_its_knee(said):
    rows = [line.split() for line in said()]
    assert rows[1][:4] == ["validation", "split", "val_delta_e", "val_swd"]
    # Over the range of all, 5..8 and 1..3, trial 1 is the better trade-off.
    assert rows[2][:6] == ["1", "trial", "1", "5.000", "2.000", "knee"]
    assert rows[3][:6] == ["2", "trial", "2", "8.000", "1.000", "front"]
    assert rows[4][:6] == ["3", "trial", "0", "·", "Pix2Pix", "λ"]
    assert "front" not in rows[4]
    assert rows[5][:3] == ["baseline:", "gray", "10.000"]
    assert rows[6][:4] == ["trial", "3", "9.000", "4.000"]
    assert rows[6][-2:] == ["stopped", "early"]


def test_confirmations_are_not_in_the_ranking(said):
    lines = said([*TRIALS, *CONFIRMED])
    table = lines[1 : lines.index("", 1)]
    assert len(table) == 1 + len(TRIALS) + len(BASELINES)


def test_the_end_tells_the_verdict_the_hypervolume_and_what_stopping_saved(said):
    lines = said()
    assert (
        "Trial 1, the knee of 2 best trade-offs, is the best of the search."
        " Whether it beats the reference points is not confirmed: one seed." in lines
    )
    # From gray's 5 and the square root of 2 times its 10: 9.14 x 3 of trial 1, and 6.14 x 1 more of trial 2; a
    # perfect model's is 14.14 x 5.
    assert "Hypervolume 33.6, 47% of a perfect model's (measured from val_delta_e 14.1, val_swd 5)." in lines
    assert (
        "4 trials in 2 min 20 s: 26 of 32 epochs;"
        " stopping the weak ones saved about 1 min 0 s of training (19%)." in lines
    )


def test_what_is_not_confirmed_is_said_with_the_command_that_does_it(said):
    lines = said()
    place = lines.index("confirm it on 2 fresh seeds:")
    assert lines[place + 1] == "  python -m search.run --resume birds --confirm 2"
    assert not any("Test split" in line for line in lines)


def test_where_there_are_too_few_photos_to_tell_nothing_is_to_be_confirmed(said):
    lines = said(photos=12)
    assert any("12 test photos are too few" in line for line in lines)
    assert not any("confirm it" in line for line in lines)


def test_what_the_test_split_told_is_shown_with_the_baselines_before_anything_is_confirmed(said):
    lines = said(photos=100)
    (place,) = (at for at, line in enumerate(lines) if line == "Test split, 100 photos:")
    rows = [line.split() for line in lines[place + 1 : place + 6]]
    assert rows[0] == ["CIEDE2000", "SWD"]
    assert ["trial", "1", "6.000", "3.000"] in rows
    assert [*REFERENCE.split(), "7.000", "4.000"] in rows
    assert rows[4] == ["baseline:", "gray", "11.500", "6.500"]
    assert not any("Finalist less reference point" in line for line in lines)
    assert "colour photos with trial 1:" in lines


def test_finalists_that_were_confirmed_are_compared_with_every_reference_point(said, tmp_path):
    lines = said([*TRIALS, *CONFIRMED], photos=100)
    place = lines.index("Test split, 100 photos, means over 2 fresh seeds:")
    rows = [line.split() for line in lines[place + 1 : place + 6]]
    # The means over both seeds, not what made a trial a finalist.
    assert ["trial", "1", "6.015", "3.015"] in rows
    assert ["trial", "2", "9.015", "2.015"] in rows
    place = lines.index("Finalist less reference point, with 95 % intervals over seeds and photos:")
    assert lines[place + 1].split() == ["CIEDE2000", "lower", "in", "SWD", "lower", "in"]
    rows = [line.split() for line in lines[place + 2 : place + 6]]
    assert rows[0] == ["trial", "1"]
    assert rows[1][:5] == ["dominates", "Pix2Pix", "λ", "100", "-1.00"]
    assert rows[1][7] == "100%"
    assert rows[2] == ["trial", "2"]
    assert rows[3][:8] == ["is", "a", "trade-off", "with", "Pix2Pix", "λ", "100", "+2.00"]
    folder = tmp_path / "birds"
    assert str(judge(read_trials(folder), read_resamples(folder), PAIR, 100)) in lines
    assert not any("confirm it" in line for line in lines)


def test_the_weights_to_take_are_those_of_the_best_over_the_fresh_seeds(said):
    # By its fresh seeds trial 2 is better in both.
    better = [
        (state, point, epochs, *((4.0, 0.5) if point.confirms == 2 else (delta_e, swd)))
        for state, point, epochs, delta_e, swd in CONFIRMED
    ]
    lines = said([*TRIALS, *better], photos=100)
    assert "colour photos with trial 2:" in lines
    assert any(
        line.startswith("best weights") and line.endswith("trials/0002/checkpoint/best.safetensors")
        for line in lines
    )


def test_what_was_confirmed_is_not_offered_again_although_there_is_no_reference_point(said):
    searched = [trial for trial in [*TRIALS[1:], *CONFIRMED] if trial[1].reference is None]
    renumbered = [
        (
            state,
            point if point.confirms is None else confirmation(point.confirms - 1, None, point.seed, {}),
            *rest,
        )
        for state, point, *rest in searched
    ]
    lines = said(renumbered, photos=100)
    assert any("means over 2 fresh seeds" in line for line in lines)
    assert not any("confirm it" in line for line in lines)


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
    assert "Trial 2 is the best of the search. Whether it beats the reference points is not confirmed" in text
    assert "front" not in text
    assert "Hypervolume" not in text
    gray = text.index("baseline: gray")
    assert text.index("trial 0") < gray < text.index("trial 3")


def test_a_budget_that_is_used_up_is_named_with_how_to_go_on(said):
    lines = said(used_up="the budget of GPU-hours", gpu_hours=1.5, time_budget="1h30m")
    assert "The budget of GPU-hours is used up; everything so far is kept." in lines
    assert "  python -m search.run --resume birds --time-budget 180m --gpu-hours 3" in lines
    # Only a study that has come to its end is confirmed.
    assert not any("confirm it" in line for line in lines)


def make(**settings):
    config = StudyConfig(model="pix2pix", name="birds", **settings)
    return make_plan(config, Machine(cpus=2, gpus=0), ("unet", "mobilenetv2"))


def planned(**settings):
    console = Console(file=io.StringIO(), width=100)
    print_plan(console, make(**settings))
    return console.file.getvalue()


def test_a_plan_tells_what_is_trained_beside_the_search(tmp_path):
    points = tmp_path / "points.json"
    points.write_text('[{"lambda": 50}, {"lambda": 60}]')
    text = planned(trials=7, references=("lambda-100", "lambda-80"), confirm=2, enqueue=points)
    assert "7 trials of 6 epochs" in text
    assert "beside it, to the end, the original project's experiments: Pix2Pix λ 100, Pix2Pix λ 80" in text
    assert "first 2 enqueued ones, before anything is proposed" in text
    assert "then up to 3 finalists and these experiments once more on 2 fresh seeds\n" in text


def test_a_plan_tells_that_a_confirmation_depends_on_the_time_and_of_nothing_that_is_not_trained():
    assert (
        "then up to 3 finalists and these experiments once more on 1 fresh seed, if there is time"
        in planned()
    )
    text = planned(trials=7, references=("none",))
    for words in ("experiments", "enqueued", "once more"):
        assert words not in text
    assert "then up to 2 finalists once more" in planned(
        trials=7, references=("none",), confirm=1, finalists=2
    )


@pytest.mark.parametrize(
    ("references", "said"),
    [
        (("none",), "7 trials of at most 6 epochs, 2 at once"),
        (("lambda-100",), "7 trials of at most 6 epochs beside 1 reference point, 2 at once"),
        (("all",), "7 trials of at most 6 epochs beside 4 reference points, 2 at once"),
    ],
    ids=str,
)
def test_the_beginning_counts_the_reference_points_beside_the_trials(beginning, references, said):
    assert said in beginning(make(trials=7, references=references))


def test_the_beginning_tells_of_near_duplicates_and_of_a_split_that_was_given(beginning):
    plan = make(trials=7)
    assert "show what another shows" not in beginning(plan)
    assert "3 of them show what another shows, and are on its side" in beginning(plan, near_duplicates=3)
    told = beginning(plan, near_duplicates=3, given=("train", "test"))
    assert "3 of them show what another shows\n" in told
    assert "What is to train and to test is as the folders say" in told


@pytest.fixture
def beginning():
    """Print the beginning of a study on 120 photos."""

    def print_it(plan, **more):
        console = Console(file=io.StringIO(), width=100)
        facts = {"skipped": (), "near_duplicates": 0, "given": (), "built": True, "seconds": 1.0, **more}
        counts = {"train": 80, "validation": 20, "test": 20}
        report = PackReport(Path("pack"), "", "birds", counts, classes=20, **facts)
        told = SimpleNamespace(note="", available=True, path=None)
        pretrained = SimpleNamespace(encoder=told, perceptual=told)
        print_beginning(console, plan, report, pretrained, told, None)
        return console.file.getvalue()

    return print_it


def test_what_the_seed_alone_changes_is_said_where_trainings_were_repeated(said):
    told = (
        "Trials closer than 0% in val_delta_e and 1% in val_swd may be equal:"
        " so far apart are trainings whose seeds alone differ."
    )
    assert not any("may be equal" in line for line in said([*TRIALS, *CONFIRMED[:2]]))
    assert told in said([*TRIALS, *CONFIRMED])
