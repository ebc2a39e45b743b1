"""What is shown while a study runs, in a terminal and in plain lines."""

import io
import math

import pytest
from rich.console import Console

from search.live import Lines, Screen, describe, duration, sparkline
from search.progress import Progress

PARAMS = {
    "encoder": "unet",
    "lambda": 83.123,
    "learning_rate_decay": True,
    "generator_learning_rate": 0.00021,
}


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


def train(progress, number, *values, first=1):
    """Enter a trial's epochs, given as one value or as the arguments of `epoch`."""
    progress.begin(number, None, {})
    for position, value in enumerate(values, first):
        progress.epoch(number, epoch(position, *(value if isinstance(value, tuple) else (value,))))


def shown(display):
    console = Console(width=140, file=io.StringIO())
    console.print(display.render())
    return console.file.getvalue()


def test_the_screen_shows_running_trials_leaders_speed_and_failures(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, "Pix2Pix λ 100", PARAMS)
    screen.started(1, None, PARAMS)
    screen.reported(0, epoch(1, 3.5))
    screen.reported(1, epoch(1, 2.5))
    screen.noticed(0, "last.safetensors is damaged")
    screen.ended(1, "FAIL", "val_swd is nan after epoch 2")
    text = shown(screen)
    assert "1 of 4 trials, 1 failed" in text
    assert "trial 0 · Pix2Pix λ 100" in text
    assert "1/8" in text
    assert "50 images/s" in text
    assert "lambda=83.1" in text
    assert text.index("2.500") < text.rindex("3.500")
    assert "trial 1 failed: val_swd is nan after epoch 2" in text
    assert "trial 0: last.safetensors is damaged" in text


def test_after_ctrl_c_the_screen_says_that_it_stops(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    assert "Ctrl-C stops" in shown(screen)
    screen.stopping()
    assert "Stopping" in shown(screen)


def test_a_narrow_terminal_keeps_the_numbers(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, "Pix2Pix λ 100", {f"parameter_{number}": 0.123 for number in range(12)})
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
        screen.started(number, None, PARAMS)
    assert "and 48 more" in shown(screen)


def test_plain_lines_tell_each_thing_once(progress):
    console = Console(file=io.StringIO(), width=200)
    lines = Lines(console, progress)
    lines.started(0, "Pix2Pix λ 100", PARAMS)
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
        progress.begin(number, None, {})
        progress.end(number, "FAIL")
    assert progress.seconds_left == 0


def test_leaders_are_the_best_epochs_of_each_trial_best_first(progress):
    for number, values in enumerate([[3.0, 2.0, 4.0], [1.5], [math.nan]]):
        train(progress, number, *values)
    assert [(leader.number, leader.values, leader.epoch) for leader in progress.leaders(5)] == [
        (1, (1.5,), 1),
        (0, (2.0,), 2),
    ]
    train(progress, 3, 1.0)
    assert [leader.number for leader in progress.leaders(2)] == [3, 1]


def test_with_two_objectives_the_front_leads_and_in_it_the_knee(trade_offs):
    train(trade_offs, 0, (1.0, 10.0))
    train(trade_offs, 1, (9.0, 2.0))
    train(trade_offs, 2, (3.0, 4.0))
    train(trade_offs, 3, (4.0, 5.0))  # dominated by trial 2
    leaders = trade_offs.leaders(5)
    assert [leader.number for leader in leaders] == [2, 0, 1, 3]
    assert [leader.in_front for leader in leaders] == [True, True, True, False]
    assert leaders[0].values == (4.0, 3.0)


def test_a_trials_best_epoch_is_the_latest_that_no_earlier_one_dominates(trade_offs):
    train(trade_offs, 0, (5.0, 5.0), (4.0, 6.0), (6.0, 7.0))
    (leader,) = trade_offs.leaders(5)
    assert (leader.epoch, leader.values) == (2, (6.0, 4.0))


def test_what_was_recorded_before_a_resume_leads_too(progress):
    progress.consider(0, "Pix2Pix λ 100", epoch(1, 2.0))
    progress.consider(0, "Pix2Pix λ 100", epoch(2, None))
    train(progress, 0, 3.0, first=3)
    (leader,) = progress.leaders(5)
    assert (leader.reference, leader.epoch, leader.values) == ("Pix2Pix λ 100", 1, (2.0,))
    assert progress.trials_ended == 0


def test_a_trial_that_goes_on_after_a_pause_keeps_its_course(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, None, PARAMS)
    screen.reported(0, epoch(1, 3.0))
    screen.reported(0, epoch(2, 1.0))
    screen.paused(0)
    text = shown(screen)
    assert "0 of 4 trials, 1 waiting at a rung" in text
    assert "2/8" not in text
    screen.started(0, None, PARAMS)
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
    progress.begin(1, None, {})
    # A trial that goes on beyond the usual has at least one epoch to go.
    assert progress.seconds_left == pytest.approx(50.0)


def test_where_the_length_of_a_study_is_known_it_tells_the_time_left(clock):
    progress = Progress(trials=4, epochs=8, slots=2, objectives=["val_swd"], expected=12.0, clock=clock)
    progress.consider(0, None, epoch(1, 2.0))  # from before a resume
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


def test_the_screen_shows_every_objective_and_marks_the_front(trade_offs):
    screen = Screen(Console(file=io.StringIO()), "birds", trade_offs)
    for number, values in enumerate([(1.0, 10.0), (9.0, 2.0), (3.0, 4.0), (9.5, 9.5)]):
        screen.started(number, None, {})
        screen.reported(number, epoch(1, *values))
    lines = shown(screen).splitlines()
    running = next(line for line in lines if line.startswith("running"))
    assert running.index("val_delta_e") < running.index("val_swd")
    ranking = [line.split() for line in lines[lines.index("") :] if line.startswith("trial")][-4:]
    assert ranking[0] == ["trial", "2", "1", "4.000", "3.000", "knee", "of", "the", "front"]
    assert ranking[1] == ["trial", "1", "1", "2.000", "9.000", "front"]
    assert ranking[3] == ["trial", "3", "1", "9.500", "9.500"]


def test_with_one_objective_there_is_no_front_to_mark(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", progress)
    screen.started(0, None, {})
    screen.reported(0, epoch(1, 2.0))
    assert "front" not in shown(screen)


def test_plain_lines_tell_every_objective_and_who_waits(trade_offs):
    console = Console(file=io.StringIO(), width=200)
    lines = Lines(console, trade_offs)
    lines.started(0, None, {})
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
