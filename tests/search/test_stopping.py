"""Early stopping: who goes on at a rung, who waits, who is promoted."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.stopping import Decision, make_stopper

GO_ON, STOP, PAUSE = Decision
KINDS = ("none", "asha", "asha-promote")


def make(kind, *, epochs=27, eta=3, grace=1):
    return make_stopper(kind, epochs=epochs, eta=eta, grace=grace)


def decisions(stopper, values, epoch=1):
    """Report a value each of trials 0, 1, ... at one epoch."""
    return [
        stopper.report(trial, epoch, value if isinstance(value, tuple) else (value,))
        for trial, value in enumerate(values)
    ]


class Study:
    """A study on a few workers that all finish their epochs in random order."""

    def __init__(self, stopper, trials, curve, *, epochs=27, workers=3, seed=0):
        self.stopper, self.trials, self.curve, self.epochs = stopper, trials, curve, epochs
        self.workers, self.source = workers, random.Random(seed)
        self.record, self.done, self.started = [], Counter(), 0
        self.running, self.failed = set(), set()
        self.log = []

    @property
    def is_settled(self):
        """Whether no running trial is between its rung and the next epoch, where only the live policy knows of it."""
        return not any(self.done[trial] in self.stopper.rungs for trial in self.running)

    def step(self):
        """One worker finishes an epoch; false at the study's end."""
        while len(self.running) < self.workers:
            promoted = self.stopper.promote(last=self.started == self.trials)
            self.log.append(promoted)
            if promoted is not None:
                assert promoted not in self.running
                self.running.add(promoted)
            elif self.started < self.trials:
                self.running.add(self.started)
                self.started += 1
            else:
                break
        if not self.running:
            return False
        trial = self.source.choice(sorted(self.running))
        self.done[trial] += 1
        epoch = self.done[trial]
        values = self.curve(trial, epoch)
        self.record.append((trial, epoch, values))
        decision = self.stopper.report(trial, epoch, values)
        self.log.append((trial, epoch, decision))
        if decision is not GO_ON or epoch == self.epochs:
            self.running.remove(trial)
        return True

    def run(self):
        while self.step():
            pass
        return self


def noisy(objectives, seed=0, noise=0.4):
    """Curves that fall from epoch to epoch, with noise; the same whenever they are asked for."""

    def curve(trial, epoch):
        level = random.Random(f"{seed} {trial}")
        source = random.Random(f"{seed} {trial} {epoch}")
        return tuple(level.random() + 1 / epoch + noise * source.random() for _ in range(objectives))

    return curve


# What holds for every kind


def test_rungs_are_multiples_of_the_grace_below_the_last_epoch():
    assert make("asha", epochs=27).rungs == (1, 3, 9)
    assert make("asha-promote", epochs=28, grace=2).rungs == (2, 6, 18)
    assert make("asha", epochs=9, eta=2, grace=2).rungs == (2, 4, 8)
    assert make("asha-promote", epochs=3, grace=3).rungs == ()
    assert make("none").rungs == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [(math.nan, 1.0), (1.0, math.inf), (-math.inf, 1.0)])
def test_a_value_that_is_not_finite_stops_a_trial_at_any_epoch(kind, values):
    stopper = make(kind)
    assert stopper.report(0, 1, values) is STOP
    assert stopper.report(1, 2, values) is STOP
    assert stopper.promote(last=True) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_a_policy_rebuilt_from_the_record_decides_as_the_live_one(kind, objectives):
    for seed in range(4):
        curve = noisy(objectives, seed)
        study = Study(make(kind), 60, curve, seed=seed)
        for _ in range(30 + 40 * seed):
            study.step()
        while not study.is_settled and study.step():
            pass
        live, rebuilt = study.stopper, make(kind)
        for entry in study.record:
            rebuilt.record(*entry)
        twin = Study(rebuilt, 60, curve, seed=seed)
        for name in ("record", "done", "started", "running"):
            value = getattr(study, name)
            setattr(twin, name, value if isinstance(value, int) else value.copy())
        twin.source.setstate(study.source.getstate())
        assert [live.is_paused(trial) for trial in range(60)] == [
            rebuilt.is_paused(trial) for trial in range(60)
        ]
        before = len(study.log)
        assert study.run().log[before:] == twin.run().log
        assert study.done == twin.done


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_at_or_below_a_passed_rung_never_stops_a_trial(kind):
    stopper = make(kind, epochs=9)
    for trial in range(30):
        stopper.record(trial, 1, (float(trial),))
    stopper.record(100, 2, (0.0,))
    assert stopper.report(100, 1, (1000.0,)) is GO_ON
    assert not stopper.is_paused(100)
    stopper.record(101, 1, (1000.0,))
    stopper.record(101, 3, (1000.0,))
    stopper.record(101, 4, (1000.0,))
    assert stopper.report(101, 3, (2000.0,)) is GO_ON
    assert stopper.report(101, 1, (2000.0,)) is GO_ON


# asha


def test_the_first_trial_at_a_rung_goes_on():
    assert decisions(make("asha"), [99.0]) == [GO_ON]


@pytest.mark.parametrize("kind", ["none", "asha", "asha-promote"])
def test_epochs_that_are_no_rung_decide_nothing(kind):
    assert decisions(make(kind), range(20), epoch=2) == [GO_ON] * 20


def test_without_stopping_every_rung_lets_all_go_on():
    assert decisions(make("none"), range(20)) == [GO_ON] * 20


def test_a_trial_in_the_best_third_goes_on_and_another_stops():
    stopper = make("asha")
    for trial in range(5):
        stopper.record(trial, 1, (float(trial),))
    assert stopper.report(5, 1, (2.5,)) is STOP
    assert stopper.report(6, 1, (1.5,)) is GO_ON


def test_ties_go_on_together():
    assert decisions(make("asha"), [1.0] * 9) == [GO_ON] * 9
    assert decisions(make("asha"), [(1.0, 2.0)] * 9) == [GO_ON] * 9


def test_a_value_that_is_not_finite_does_not_count():
    stopper = make("asha")
    for trial in range(9):
        stopper.report(trial, 1, (-math.inf,))
    assert stopper.report(9, 1, (5.0,)) is GO_ON


def test_reporting_an_epoch_again_replaces_its_value():
    stopper = make("asha")
    for value in (3.0, 2.0, 1.0):
        for _ in range(10):
            stopper.record(0, 1, (value,))
    assert stopper.report(1, 1, (2.0,)) is STOP
    stopper.record(0, 1, (9.0,))
    assert stopper.report(1, 1, (2.0,)) is GO_ON


def test_a_failed_trial_goes_on_being_compared():
    stopper = make("asha")
    stopper.record(0, 1, (1.0,))
    stopper.forget(0)
    assert stopper.report(1, 1, (2.0,)) is STOP


def test_about_one_trial_in_three_goes_on():
    # Of 300 values in random order a third goes on, and some more while a rung is young: 100 + O(log 300).
    source = random.Random(1)
    going = decisions(make("asha"), [source.random() for _ in range(300)]).count(GO_ON)
    assert 90 <= going <= 130


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6).map(float)), max_size=40),
    st.integers(2, 4),
)
def test_one_objective_is_judged_by_rank(reports, eta):
    stopper = make("asha", eta=eta)
    held = {}
    for trial, value in reports:
        held[trial] = value
        better = sum(other < value for other in held.values())
        expected = GO_ON if better < math.ceil(len(held) / eta) else STOP
        assert stopper.report(trial, 1, (value,)) is expected


# Several objectives


def test_a_lower_pareto_level_goes_on():
    #   4 | c . . .      a, b and c are not dominated; d is, by b; e is, by a and by d.
    #   3 | . b . .
    #   2 | . . d .
    # Five came, so two go on: e and d are behind three.
    front = [(1.0, 4.0), (2.0, 3.0), (4.0, 1.0)]
    stopper = make("asha")
    decisions(stopper, front)
    assert stopper.report(3, 1, (4.5, 1.5)) is STOP
    assert stopper.report(4, 1, (5.0, 5.0)) is STOP
    assert stopper.report(5, 1, (0.5, 0.5)) is GO_ON


def test_the_places_in_the_level_at_the_cut_are_spread_over_it():
    # All six are on one line, so one level, and two go on: the lowest in the first objective and what is farthest
    # from it.
    line = [(float(x), float(-x)) for x in (0, 1, 2, 3, 5, 4)]
    for probe, expected in (
        ((0.0, 0.0), GO_ON),
        ((5.0, -5.0), GO_ON),
        ((2.0, -2.0), STOP),
        ((4.0, -4.0), STOP),
    ):
        stopper = make("asha")
        for trial, values in enumerate(line):
            if values != probe:
                stopper.record(trial, 1, values)
        assert stopper.report(line.index(probe), 1, probe) is expected


def test_objectives_of_any_scale_count_alike():
    # Unscaled, (500, 0.9) would be the farthest from (0, 1000).
    stopper = make("asha", eta=2)
    for trial, values in enumerate([(0.0, 0.003), (1000.0, 0.0), (500.0, 0.0029)]):
        stopper.record(trial, 1, values)
    assert stopper.report(3, 1, (400.0, 0.00295)) is STOP
    assert stopper.report(1, 1, (1000.0, 0.0)) is GO_ON


# asha-promote


def test_a_trial_pauses_until_it_is_among_the_best_third():
    stopper = make("asha-promote")
    assert decisions(stopper, [3.0, 2.0]) == [PAUSE, PAUSE]
    assert stopper.promote(last=False) is None
    assert stopper.report(2, 1, (4.0,)) is PAUSE
    assert [stopper.is_paused(trial) for trial in range(4)] == [True, True, True, False]
    assert stopper.promote(last=False) == 1
    assert stopper.promote(last=False) is None
    assert not stopper.is_paused(1)


def test_a_trial_that_would_be_promoted_at_once_does_not_pause():
    stopper = make("asha-promote")
    assert decisions(stopper, [3.0, 2.0, 1.0]) == [PAUSE, PAUSE, GO_ON]
    assert stopper.promote(last=False) is None


def test_a_promoted_trial_that_reports_its_rung_again_goes_on():
    stopper = make("asha-promote")
    decisions(stopper, [1.0, 2.0, 3.0])
    assert stopper.promote(last=False) == 0
    assert stopper.report(0, 1, (1.0,)) is GO_ON
    assert stopper.promote(last=False) is None


def test_a_promoted_trial_does_not_wait_again_when_its_value_at_the_rung_changes():
    stopper = make("asha-promote")
    decisions(stopper, [1.0, 2.0, 3.0])
    assert stopper.promote(last=False) == 0
    assert stopper.report(0, 1, (9.0,)) is GO_ON
    assert not stopper.is_paused(0)
    # It is ranked by the new value.
    assert stopper.promote(last=False) == 1


def test_the_highest_rung_is_looked_at_first():
    stopper = make("asha-promote")
    for trial in range(9):
        stopper.record(trial, 1, (float(trial),))
    for trial in range(3):
        stopper.record(trial, 3, (float(-trial),))
    for trial in range(9, 12):
        stopper.record(trial, 1, (float(trial),))
    assert [stopper.promote(last=False) for _ in range(3)] == [2, 3, None]


def test_what_ties_gets_no_more_places_than_there_are():
    stopper = make("asha-promote")
    assert decisions(stopper, [1.0] * 9) == [PAUSE, PAUSE, PAUSE] + [PAUSE] * 6
    assert [stopper.promote(last=False) for _ in range(4)] == [0, 1, 2, None]
    assert stopper.promote(last=True) is None
    stopper.record(9, 1, (1.0,))
    assert stopper.promote(last=False) is None
    assert stopper.promote(last=True) == 3


def test_when_no_new_trials_come_a_third_is_rounded_up():
    stopper = make("asha-promote")
    decisions(stopper, [2.0, 1.0])
    assert stopper.promote(last=True) == 1
    assert stopper.promote(last=True) is None


def test_the_place_of_a_failed_trial_goes_to_the_next_best():
    stopper = make("asha-promote")
    decisions(stopper, [1.0, 2.0, 3.0])
    assert stopper.promote(last=False) == 0
    assert stopper.report(0, 2, (math.nan,)) is STOP
    assert stopper.promote(last=False) == 1
    stopper.forget(1)
    stopper.forget(2)
    # All three still count as trials that came: with three more, two are promoted.
    assert [stopper.report(trial, 1, (float(trial),)) for trial in (3, 4, 5)] == [GO_ON, PAUSE, PAUSE]
    assert [stopper.promote(last=False) for _ in range(2)] == [4, None]


def test_a_forgotten_trial_is_never_promoted():
    stopper = make("asha-promote")
    stopper.forget(0)
    assert decisions(stopper, [1.0, 2.0]) == [STOP, PAUSE]
    stopper.forget(1)
    assert stopper.promote(last=True) is None
    assert not stopper.is_paused(1)


def test_the_place_of_a_trial_that_ended_while_it_was_paused_stays_taken():
    stopper = make("asha-promote")
    for trial in range(6):
        stopper.record(trial, 1, (float(trial),))
    stopper.record(0, 2, (0.0,))
    stopper.record(0, 3, (0.0,))
    for trial in (0, 1):
        stopper.retire(trial)
        assert not stopper.is_paused(trial)
    assert stopper.promote(last=True) is None


def test_a_replay_knows_who_was_promoted_by_the_epochs_after_a_rung():
    stopper = make("asha-promote")
    for trial in range(6):
        stopper.record(trial, 1, (float(trial),))
    stopper.record(0, 2, (0.0,))
    assert not stopper.is_paused(0)
    assert stopper.promote(last=False) == 1
    assert stopper.promote(last=False) is None
    # Out of order: the epoch after the rung was there first.
    stopper.record(6, 2, (0.0,))
    stopper.record(6, 1, (-1.0,))
    assert not stopper.is_paused(6)


def test_with_several_objectives_the_promoted_are_spread_over_the_level_at_the_cut():
    stopper = make("asha-promote")
    line = [(float(x), float(-x)) for x in (3, 0, 8, 4, 10, 1)]
    for trial, values in enumerate(line):
        stopper.record(trial, 1, values)
    for trial in range(6, 12):
        stopper.record(trial, 1, (20.0, 20.0))
    # Four places: the lowest in the first objective, the farthest from it, and what is the farthest from both, 4
    # and then 8, which is 2 from 10, as 2 would be from 0 and 4.
    assert [line[stopper.promote(last=False)][0] for _ in range(4)] == [0, 10, 4, 8]
    assert stopper.promote(last=False) is None


def test_with_several_objectives_a_better_level_is_promoted_first():
    stopper = make("asha-promote")
    values = [(3.0, 3.0), (1.0, 1.0), (2.0, 2.0), (4.0, 4.0), (5.0, 5.0), (6.0, 6.0)]
    for trial, value in enumerate(values):
        stopper.record(trial, 1, value)
    assert [stopper.promote(last=False) for _ in range(3)] == [1, 2, None]


@settings(deadline=None)
@given(st.data())
def test_promotion_of_one_objective_is_that_of_the_paper(data):
    # Algorithm 2 of the paper, by sorting: of the best n / eta of a rung the best that was not promoted.
    eta, rungs, epochs = data.draw(st.integers(2, 4)), (1, 2, 4), 7
    stopper = make_stopper("asha-promote", epochs=epochs, eta=2, grace=1)
    if eta != 2:
        stopper = make_stopper("asha-promote", epochs=eta**2 + 1, eta=eta, grace=1)
        rungs, epochs = (1, eta, eta**2), eta**2 + 1
    values = {rung: {} for rung in rungs}
    promoted = {rung: set() for rung in rungs}

    def expected():
        for rung in reversed(rungs):
            # Those that were promoted are before others with the same value.
            order = sorted(
                values[rung], key=lambda trial: (values[rung][trial], trial not in promoted[rung], trial)
            )
            for trial in order[: len(order) // eta]:
                if trial not in promoted[rung]:
                    promoted[rung].add(trial)
                    return trial
        return None

    where, new = Counter(), 0
    for _ in range(data.draw(st.integers(1, 40))):
        trial = stopper.promote(last=False)
        assert trial == expected()
        if trial is None:
            trial, new = new, new + 1
        while True:
            where[trial] += 1
            value = data.draw(st.integers(0, 5).map(float))
            decision = stopper.report(trial, where[trial], (value,))
            if where[trial] not in rungs:
                assert decision is GO_ON
                if where[trial] == epochs:
                    break
                continue
            values[where[trial]][trial] = value
            before = {rung: set(those) for rung, those in promoted.items()}
            assert (decision is GO_ON) == (expected() == trial)
            if decision is PAUSE:
                promoted.update(before)
                break


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("objectives", [1, 2])
def test_a_trial_of_every_study_reaches_the_end(eta, objectives):
    for trials in range(1, 21):
        study = Study(
            make("asha-promote", eta=eta, epochs=20), trials, noisy(objectives, trials), epochs=20
        ).run()
        assert study.started == trials
        assert max(study.done.values()) == 20
        # What is paused at the end is what nothing would promote.
        assert all(count == 20 or count in study.stopper.rungs for count in study.done.values())


def test_a_trial_reaches_the_end_though_the_best_fail():
    def curve(trial, epoch):
        # The better half diverges after the first rung, in its second epoch or later.
        return (math.nan if trial < 5 and epoch > 1 + trial else float(trial),)

    study = Study(make("asha-promote"), 10, curve).run()
    assert {trial for trial, count in study.done.items() if count == 27} >= {5}
    assert all(study.done[trial] < 27 for trial in range(5))


def test_promotion_trains_about_a_third_of_each_rung_on():
    study = Study(make("asha-promote"), 200, noisy(1)).run()
    at = [sum(count > rung for count in study.done.values()) for rung in (1, 3, 9)]
    came = [200, *(sum(count >= rung for count in study.done.values()) for rung in (3, 9))]
    # A third, and those that were promoted before better ones came: at most about as many again as O(sqrt(n)).
    for going, all_of_them in zip(at, came, strict=True):
        assert all_of_them / 3 - 1 <= going <= all_of_them / 3 + 2 * math.sqrt(all_of_them)
