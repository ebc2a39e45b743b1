"""What is shown while a study runs, in a terminal and in plain lines."""

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from search.live import Lines, Screen, describe, duration, sparkline
from search.points import Point, confirmation
from search.progress import Progress
from trainables.best import best_epoch

PARAMS = {
    "encoder": "unet",
    "lambda": 83.123,
    "learning_rate_decay": True,
    "generator_learning_rate": 0.00021,
}
PROPOSED = Point("", PARAMS)
REFERENCE = Point("Pix2Pix λ 100", PARAMS, "Pix2Pix λ 100")


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(clock):
    return Progress(trials=4, epochs=8, slots=2, objectives=["val_swd"], clock=clock)


@pytest.fixture
def trade_offs(clock):
    return Progress(trials=6, epochs=8, slots=2, objectives=["val_delta_e", "val_swd"], clock=clock)


def epoch(number, value, delta_e=None):
    return {"epoch": number, "val_swd": value, "val_delta_e": delta_e, "images_per_second": 50.0}


def train(progress, number, *values, first=1, point=PROPOSED):
    """Enter a trial's epochs, given as one value or as the arguments of `epoch`."""
    progress.begin(number, point)
    for position, value in enumerate(values, first):
        progress.epoch(number, epoch(position, *(value if isinstance(value, tuple) else (value,))))


def complete(progress, number, value, point=PROPOSED):
    """Enter a trial that was trained to its end, every epoch with the same values."""
    train(progress, number, value, value, point=point)
    progress.end(number, "COMPLETE")


def shown(display):
    console = Console(width=140, file=io.StringIO())
    console.print(display.render())
    return console.file.getvalue()


def test_the_screen_shows_running_trials_speed_and_failures(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, REFERENCE)
    screen.started(1, PROPOSED)
    screen.reported(0, epoch(1, 3.5))
    screen.reported(1, epoch(1, 2.5))
    screen.noticed(0, "last.safetensors is damaged")
    screen.ended(1, "FAIL", "val_swd is nan after epoch 2")
    text = shown(screen)
    assert "trained to the end" not in text
    assert "1 of 4 trials, 1 failed" in text
    assert "trial 0 · Pix2Pix λ 100" in text
    assert "1/8" in text
    assert "50 images/s" in text
    assert "lambda=83.1" in text
    assert "3.500" in text
    assert "2.500" not in text
    assert "trial 1 failed: val_swd is nan after epoch 2" in text
    assert "trial 0: last.safetensors is damaged" in text


def test_after_ctrl_c_the_screen_says_that_it_stops(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    assert "Ctrl-C stops" in shown(screen)
    screen.stopping()
    assert "Stopping" in shown(screen)


def test_a_narrow_terminal_keeps_the_numbers(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, replace(REFERENCE, params={f"parameter_{number}": 0.123 for number in range(12)}))
    screen.reported(0, epoch(1, 3.5))
    console = Console(width=84, file=io.StringIO())
    console.print(screen.render())
    row = next(line for line in console.file.getvalue().splitlines() if "1/8" in line)
    assert "Pix2Pix λ 100" in row
    assert "3.500" in row


def test_many_running_trials_do_not_fill_the_screen():
    progress = Progress(trials=100, epochs=8, slots=64, objectives=["val_swd"])
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    for number in range(64):
        screen.started(number, PROPOSED)
    assert "and 48 more" in shown(screen)


def test_plain_lines_tell_each_thing_once(progress):
    console = Console(file=io.StringIO(), width=200)
    lines = Lines(console, progress)
    lines.started(0, REFERENCE)
    lines.reported(0, epoch(1, 3.5))
    lines.noticed(0, "last.safetensors is damaged")
    lines.ended(0, "PRUNED", None)
    lines.ended(1, "FAIL", "no memory")
    text = console.file.getvalue().splitlines()
    assert len(text) == 5
    assert "generator_lr=0.00021" in text[0]
    assert "epoch 1/8, val_swd 3.500, 50 images/s" in text[1]
    assert text[2] == "trial 0 · Pix2Pix λ 100: last.safetensors is damaged"
    assert text[3] == "trial 0 · Pix2Pix λ 100: stopped early (1 of 4 trials)"
    assert text[4] == "trial 1: failed: no memory (2 of 4 trials)"


def test_the_time_left_follows_the_pace_and_the_usual_length_of_a_trial(progress, clock):
    assert progress.seconds_left is None
    for number in (0, 1):
        train(progress, number, 1.0, 1.0, 1.0, 1.0)
        progress.end(number, "PRUNED")
    clock.now = 80.0
    # Two trials of four epochs took 80 s; two more of the usual four epochs are to come.
    assert progress.seconds_left == pytest.approx(80.0)
    assert progress.done == pytest.approx(0.5)
    for number in (2, 3):
        progress.begin(number, PROPOSED)
        progress.end(number, "FAIL")
    assert progress.seconds_left == 0


def test_leaders_are_trials_that_were_trained_to_their_end_best_first(progress):
    train(progress, 0, 0.5)
    for number, state in ((1, "PRUNED"), (2, "FAIL")):
        train(progress, number, 0.5)
        progress.end(number, state)
    assert progress.leaders(5) == []
    complete(progress, 3, 2.0)
    complete(progress, 4, 1.0)
    assert [(leader.number, leader.values) for leader in progress.leaders(5)] == [(4, (1.0,)), (3, (2.0,))]
    complete(progress, 5, 1.5)
    assert [leader.number for leader in progress.leaders(2)] == [4, 5]


def test_a_trial_that_has_no_finite_values_does_not_lead(progress):
    complete(progress, 0, math.nan)
    complete(progress, 1, 1.0)
    assert [leader.number for leader in progress.leaders(5)] == [1]


def test_reference_points_lead_by_their_names_and_confirmations_do_not_lead(progress):
    complete(progress, 0, 2.0, point=REFERENCE)
    complete(progress, 1, 1.0)
    for number, point in (
        (2, confirmation(1, None, 1, PARAMS)),
        (3, confirmation(0, "Pix2Pix λ 100", 1, PARAMS)),
    ):
        complete(progress, number, 0.5, point=point)
    assert [(leader.number, leader.label) for leader in progress.leaders(5)] == [
        (1, None),
        (0, "Pix2Pix λ 100"),
    ]
    assert progress.trials_ended == 4


def test_with_two_objectives_the_front_leads_and_in_it_the_knee(trade_offs):
    for number, values in enumerate([(1.0, 10.0), (9.0, 2.0), (3.0, 4.0), (4.0, 5.0)]):
        complete(trade_offs, number, values)
    leaders = trade_offs.leaders(5)
    # Trial 3 is dominated by trial 2.
    assert [leader.number for leader in leaders] == [2, 0, 1, 3]
    assert [leader.in_front for leader in leaders] == [True, True, True, False]
    assert leaders[0].values == (4.0, 3.0)


def test_a_trials_epoch_that_counts_is_the_same_while_it_runs_as_in_its_row(trade_offs):
    curve = [(5.0, 5.0), (4.0, 6.0), (6.0, 7.0)]
    train(trade_offs, 0, *curve)
    trade_offs.end(0, "COMPLETE")
    counted = best_epoch([(delta_e, swd) for swd, delta_e in curve])
    (leader,) = trade_offs.leaders(5)
    assert (leader.epoch, leader.values) == (counted + 1, curve[counted][::-1])


def test_what_was_recorded_before_a_resume_leads_too(progress):
    progress.consider(0, REFERENCE, epoch(1, 2.0))
    progress.consider(0, REFERENCE, epoch(2, 2.0))
    assert progress.leaders(5) == []
    assert progress.trials_ended == 0
    progress.end(0, "COMPLETE")
    (leader,) = progress.leaders(5)
    assert (leader.label, leader.values) == ("Pix2Pix λ 100", (2.0,))


def test_a_trial_that_goes_on_after_a_pause_keeps_its_course(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, PROPOSED)
    screen.reported(0, epoch(1, 3.0))
    screen.reported(0, epoch(2, 1.0))
    screen.paused(0)
    text = shown(screen)
    assert "0 of 4 trials, 1 waiting at a rung" in text
    assert "2/8" not in text
    screen.started(0, PROPOSED)
    screen.reported(0, epoch(3, 2.0))
    text = shown(screen)
    assert "waiting" not in text
    assert "█▁▅" in text
    screen.paused(0)
    screen.ended(0, "PRUNED", None)
    assert "1 of 4 trials, 1 stopped early" in shown(screen)
    assert "waiting" not in shown(screen)


def test_trials_that_wait_at_a_rung_leave_nothing_to_do(progress, clock):
    for number in (0, 1):
        train(progress, number, 1.0, 1.0)
        progress.pause(number)
    clock.now = 40.0
    # Two more trials of the usual two epochs, at ten seconds an epoch.
    assert progress.seconds_left == pytest.approx(40.0)
    progress.begin(1, PROPOSED)
    # A trial that goes on beyond the usual has at least one epoch to go.
    assert progress.seconds_left == pytest.approx(50.0)


def test_where_the_length_of_a_study_is_known_it_tells_the_time_left(clock):
    progress = Progress(trials=4, epochs=8, slots=2, objectives=["val_swd"], expected=12.0, clock=clock)
    progress.consider(0, PROPOSED, epoch(1, 2.0))  # from before a resume
    for number in (0, 1):
        train(progress, number, 1.0)
        progress.pause(number)
    clock.now = 20.0
    # Nine of twelve epochs are to come, at ten seconds an epoch.
    assert progress.seconds_left == pytest.approx(90.0)
    train(progress, 1, *range(12), first=2)
    # Each trial that runs or has not begun has an epoch to go, even if more was trained than expected.
    clock.now = 140.0
    assert progress.seconds_left == pytest.approx(30.0)
    for number in range(4):
        progress.end(number, "PRUNED")
    assert progress.seconds_left == 0


def test_once_it_is_known_how_many_trials_there_will_be_the_time_left_follows(clock):
    progress = Progress(trials=6, epochs=8, slots=1, objectives=["val_swd"], expected=40.0, clock=clock)
    train(progress, 0, *[1.0] * 8)
    progress.end(0, "COMPLETE")
    train(progress, 1, *[1.0] * 4)
    clock.now = 120.0
    # 28 of 40 epochs are to come, at ten seconds an epoch.
    assert progress.seconds_left == pytest.approx(280.0)
    progress.expect(4)
    # Of the trial that runs four epochs, and of the two that have not begun eight each.
    assert progress.seconds_left == pytest.approx(200.0)
    assert progress.trials == 4
    progress.expect(2)
    assert progress.seconds_left == pytest.approx(40.0)


def test_the_screen_shows_every_objective_and_marks_the_front(trade_offs):
    screen = Screen(Console(file=io.StringIO()), "birds", trade_offs)
    for number, values in enumerate([(1.0, 10.0), (9.0, 2.0), (3.0, 4.0), (9.5, 9.5)]):
        screen.started(number, PROPOSED)
        screen.reported(number, epoch(1, *values))
        screen.ended(number, "COMPLETE", None)
    screen.started(4, PROPOSED)
    screen.reported(4, epoch(1, 0.5, 0.5))
    lines = shown(screen).splitlines()
    running = next(line for line in lines if line.startswith("running"))
    assert running.index("val_delta_e") < running.index("val_swd")
    heading = next(place for place, line in enumerate(lines) if line.startswith("trained to the end"))
    ranking = [line.split() for line in lines[heading + 1 :] if line.startswith("trial")]
    assert len(ranking) == 4
    assert ranking[0] == ["trial", "2", "1", "4.000", "3.000", "knee", "of", "the", "front"]
    assert ranking[1] == ["trial", "1", "1", "2.000", "9.000", "front"]
    assert ranking[3] == ["trial", "3", "1", "9.500", "9.500"]


def test_with_one_objective_there_is_no_front_to_mark(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, PROPOSED)
    screen.reported(0, epoch(1, 2.0))
    screen.ended(0, "COMPLETE", None)
    text = shown(screen)
    assert "trained to the end" in text
    assert "front" not in text


def test_a_confirmation_is_named_by_what_it_confirms_and_its_seed(progress):
    screen, console = (
        Screen(Console(file=io.StringIO()), "birds", progress),
        Console(file=io.StringIO(), width=200),
    )
    screen.started(7, confirmation(3, None, 1, PARAMS))
    screen.started(8, confirmation(0, "Pix2Pix λ 100", 2, PARAMS))
    text = shown(screen)
    assert "trial 7 · trial 3, seed 1" in text
    assert "trial 8 · Pix2Pix λ 100, seed 2" in text
    lines = Lines(console, progress)
    lines.started(9, confirmation(3, None, 2, PARAMS))
    lines.ended(9, "FAIL", "no memory")
    assert console.file.getvalue().splitlines()[1].startswith("trial 9 · trial 3, seed 2: failed: no memory")


def test_plain_lines_tell_every_objective_and_who_waits(trade_offs):
    console = Console(file=io.StringIO(), width=200)
    lines = Lines(console, trade_offs)
    lines.started(0, PROPOSED)
    lines.reported(0, epoch(2, 3.5, 11.0))
    lines.paused(0)
    text = console.file.getvalue().splitlines()
    assert text[1] == "trial 0: epoch 2/8, val_delta_e 11.000, val_swd 3.500, 50 images/s"
    assert text[2] == "trial 0: waits at a rung (1 waiting)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_durations_read_as_a_person_would_say_them(seconds, text):
    assert duration(seconds) == text


def test_a_sparkline_spans_from_lowest_to_highest():
    assert sparkline([3.0, 1.0, 2.0]) == "█▁▅"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([]) == ""


def test_parameters_are_described_in_few_characters():
    assert describe(PARAMS) == "encoder=unet lambda=83.1 lr_decay=yes generator_lr=0.00021"
