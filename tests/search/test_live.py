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
    return Progress(trials=4, epochs=8, slots=2, clock=clock)


def epoch(number, value, rate=50.0):
    return {"epoch": number, "val_swd": value, "images_per_second": rate}


def shown(display):
    console = Console(width=140, file=io.StringIO())
    console.print(display.render())
    return console.file.getvalue()


def test_the_screen_shows_running_trials_leaders_speed_and_failures(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", "val_swd", progress)
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
    screen = Screen(Console(file=io.StringIO()), "birds", "val_swd", progress)
    assert "Ctrl-C stops" in shown(screen)
    screen.stopping()
    assert "Stopping" in shown(screen)


def test_a_narrow_terminal_keeps_the_numbers(progress):
    screen = Screen(Console(file=io.StringIO()), "birds", "val_swd", progress)
    screen.started(0, "Pix2Pix λ 100", {f"parameter_{number}": 0.123 for number in range(12)})
    screen.reported(0, epoch(1, 3.5))
    console = Console(width=84, file=io.StringIO())
    console.print(screen.render())
    row = next(line for line in console.file.getvalue().splitlines() if "1/8" in line)
    assert "Pix2Pix λ 100" in row
    assert "3.500" in row


def test_many_running_trials_do_not_fill_the_screen():
    progress = Progress(trials=100, epochs=8, slots=64)
    screen = Screen(Console(file=io.StringIO()), "birds", "val_swd", progress)
    for number in range(64):
        screen.started(number, None, PARAMS)
    assert "and 48 more" in shown(screen)


def test_plain_lines_tell_each_thing_once(progress):
    console = Console(file=io.StringIO(), width=200)
    lines = Lines(console, "val_swd", progress)
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
        progress.begin(number, None, {})
        for value in range(4):
            progress.epoch(number, value + 1, 1.0, 50.0)
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
        progress.begin(number, None, {})
        for position, value in enumerate(values, 1):
            progress.epoch(number, position, value, 50.0)
    assert [(leader.number, leader.value, leader.epoch) for leader in progress.leaders(5)] == [
        (1, 1.5, 1),
        (0, 2.0, 2),
    ]


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
