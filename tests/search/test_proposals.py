"""What a sampler is told of a study, and how much of it."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from search.journal import Journal
from search.points import Point, confirmation, point_of
from search.proposals import Proposals
from spaces import Parameter, complete, distributions_of, space_of

SPACE = space_of("pix2pix", 64, ("unet", "mobilenetv2"))
POINT = complete({"encoder": "unet", "lambda": 100.0, "depth": 4}, SPACE)


@pytest.mark.parametrize("fate", ["stopped", "paused", "silent"])
def test_a_proposal_costs_the_same_when_there_are_very_many_trials(fate):
    # Seen through how many trials the sampler is told of.
    proposals = Proposals("tpe", SPACE, objectives=1, epochs=3, seed=0, startup=6)
    for number in range(1200):
        proposals.propose(number, POINT)
        if fate != "silent":
            proposals.report(number, 1, (float(number % 10),))
        if fate == "stopped":
            proposals.end(number, TrialState.PRUNED)
    assert proposals.size <= 500


def test_a_trial_of_very_many_is_shown_to_the_sampler_again_once_it_ends():
    proposals = Proposals("tpe", SPACE, objectives=1, epochs=3, seed=0, startup=6)
    for number in range(600):
        proposals.propose(number, POINT)
        proposals.report(number, 1, (float(number),))
    before = proposals.size
    # Neither among the best nor among the newest, until now.
    proposals.report(100, 2, (0.5,))
    assert proposals.end(100, TrialState.PRUNED) == (0.5,)
    assert proposals.size == before + 1


@pytest.mark.parametrize("objectives", [1, 2])
def test_what_cannot_be_trained_is_shunned(objectives):
    # The best that can be trained lies beside what cannot: without being told, TPE would try nothing else.
    proposals = Proposals("tpe", LINE, objectives=objectives, epochs=1, seed=0, startup=6)
    failed = []
    for number in range(60):
        x = proposals.propose(number).params["x"]
        failed.append(x > 0.5)
        if failed[-1]:
            proposals.end(number, TrialState.FAIL)
        else:
            proposals.report(number, 1, (1.0 - x,) * objectives)
            proposals.end(number, TrialState.COMPLETE)
    assert sum(failed[30:]) < 18


def test_what_exists_under_a_condition_is_learned_with_what_always_does():
    # On one of two lines of a square each: apart from each other, no parameter tells anything.
    share = FloatDistribution(0.0, 1.0)
    space = {
        "x": Parameter(share),
        "line": Parameter(CategoricalDistribution(("rises", "falls"))),
        "up": Parameter(share, when=("line", "rises")),
        "down": Parameter(share, when=("line", "falls")),
    }
    near = 0
    for seed in range(3):
        proposals = Proposals("tpe", space, objectives=1, epochs=1, seed=seed, startup=10)
        for number in range(80):
            params = proposals.propose(number).params
            assert len(params) == 3
            y = params["up"] if params["line"] == "rises" else 1 - params["down"]
            near += number >= 40 and abs(params["x"] - y) < 0.1
            proposals.report(number, 1, (abs(params["x"] - y),))
            proposals.end(number, TrialState.COMPLETE)
    # One in five by chance.
    assert near > 3 * 24


LINE = {"x": Parameter(FloatDistribution(0.0, 1.0))}
FOLLOWED = {"x": 0.99}
STEEP = (90.0, 40.0, 0.0)
"""A curve that would have all who were stopped early come to far more, were it to count."""
CONFIRMATIONS = range(12, 20)
"""More than there are trials that went on, so that they would be the median."""


def make_proposals(kind):
    return Proposals(kind, LINE, objectives=1, epochs=3, seed=0, startup=6)


def curve_of(number):
    """Of a trial of the search: every third goes to the end and is the best, the others are stopped at once."""
    return [9.0, 5.0 + number % 4, 2.0 + number % 3] if number % 3 == 0 else [9.0 + number % 5]


@pytest.mark.parametrize("kind", ["tpe", "gp", "cmaes", "nsga2", "random"])
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
def test_what_is_proposed_does_not_depend_on_confirmations_in_the_journal(tmp_path, kind, ended):
    if kind == "gp":
        pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[samplers]'")
    journal = Journal(tmp_path / "optuna.journal", "line", ("loss",))
    searching = make_proposals(kind)
    for number in range(12):
        known = searching.propose(number)
        journal.begin(known.params, known.distributions, {}, known.system_attrs)
        curve = curve_of(number)
        for epoch, value in enumerate(curve, 1):
            searching.report(number, epoch, (value,))
            journal.report(number, epoch, (value,))
        state = TrialState.COMPLETE if len(curve) == 3 else TrialState.PRUNED
        journal.end(number, state, searching.end(number, state))
    for seed in CONFIRMATIONS:
        again = confirmation(0, None, seed, FOLLOWED)
        number = journal.begin(FOLLOWED, distributions_of(LINE, FOLLOWED), again.attributes, {})
        for epoch, value in enumerate(STEEP, 1):
            journal.report(number, epoch, (value,))
        if ended:
            journal.end(number, TrialState.COMPLETE, (0.0,))

    proposed = []
    for trials in (journal.trials(), journal.trials()[:12]):
        proposals = make_proposals(kind)
        proposals.load(trials)
        proposed.append(proposals.propose(99).params)
    assert proposed[0] == proposed[1] == searching.propose(99).params


@pytest.mark.parametrize("kind", ["tpe", "cmaes"])
def test_what_is_proposed_does_not_depend_on_confirmations_that_run(kind):
    proposed = []
    for followed in (True, False):
        proposals = make_proposals(kind)
        for number in range(12):
            proposals.propose(number)
            for epoch, value in enumerate(curve_of(number), 1):
                proposals.report(number, epoch, (value,))
            proposals.end(number, TrialState.COMPLETE if number % 3 == 0 else TrialState.PRUNED)
        for number in CONFIRMATIONS if followed else ():
            assert proposals.follow(number, FOLLOWED).params == FOLLOWED
            for epoch, value in enumerate(STEEP, 1):
                proposals.report(number, epoch, (value,))
            assert proposals.epochs(number) == {epoch: (value,) for epoch, value in enumerate(STEEP, 1)}
            proposals.end(number, TrialState.COMPLETE)
        proposed.append(proposals.propose(99).params)
    assert proposed[0] == proposed[1]


def test_a_confirmation_that_goes_on_has_its_epochs_and_a_reference_point_is_known_to_the_sampler(tmp_path):
    journal = Journal(tmp_path / "optuna.journal", "line", ("loss",))
    for point in (Point("known", FOLLOWED, "known"), confirmation(0, "known", 1, FOLLOWED)):
        number = journal.begin(FOLLOWED, distributions_of(LINE, FOLLOWED), point.attributes, {})
        journal.report(number, 1, (2.0,))
    proposals = make_proposals("tpe")
    proposals.load(journal.trials())
    assert [point_of(trial).role for trial in journal.trials()] == ["reference", "confirmation"]
    assert proposals.size == 1
    assert [proposals.epochs(number) for number in (0, 1)] == [{1: (2.0,)}, {1: (2.0,)}]
