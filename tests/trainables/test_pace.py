import pytest

from trainables.pace import SHARE, SMALL, Pace


class Clock:
    """Seconds that only pass when they are told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def train(epochs, epoch, size, writing, resumed_after=0):
    """After which epochs a state was written that takes `writing` seconds, and the clock at the end."""
    clock = Clock()
    pace = Pace(clock)
    written = []
    for done in range(1, epochs + 1):
        clock.now += epoch
        if pace.is_due(size):
            with pace.writing(size):
                clock.now += writing
            written.append(done)
        if done == resumed_after:
            pace.restart()
    return written, clock.now


def test_a_small_state_is_written_after_each_epoch():
    assert train(4, epoch=0.01, size=SMALL, writing=1.0)[0] == [1, 2, 3, 4]


@pytest.mark.parametrize("writing", [0.5, 4.0, 20.0])
def test_a_large_state_costs_a_small_share_of_the_time_and_is_written_as_often_as_that_allows(writing):
    written, seconds = train(20_000, epoch=0.5, size=700 * 10**6, writing=writing)
    share = len(written) * writing / seconds
    assert 0.9 * SHARE < share <= SHARE


def test_epochs_that_take_long_beside_the_writing_are_all_followed_by_it():
    assert train(3, epoch=400.0, size=700 * 10**6, writing=4.0)[0] == [1, 2, 3]


def test_a_trial_that_begins_owes_nothing_to_the_one_before():
    assert train(4, epoch=100.0, size=700 * 10**6, writing=4.0)[0] == [2, 4]
    assert train(4, epoch=100.0, size=700 * 10**6, writing=4.0, resumed_after=1)[0] == [3]
