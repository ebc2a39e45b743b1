"""Optuna behind Tune's interface: what is proposed, and what the journal says of each trial's end."""

import math

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from search.journal import Journal
from search.outcome import epochs_of
from search.points import Point, point_of
from search.proposals import Proposals
from search.searcher import OptunaSearcher
from spaces import narrow, reference_points, space_of

SPACE = space_of("pix2pix", 64, ("unet", "mobilenetv2"))
PAIR = ("val_delta_e", "val_swd")
POINTS = [Point(one.name, one.params, one.name) for one in reference_points("pix2pix", SPACE)]


def make_searcher(
    path, *, objectives=("val_swd",), trials=10, epochs=3, seed=0, kind="tpe", space=SPACE, **options
):
    journal = Journal(path, "birds", objectives)
    proposals = Proposals(kind, space, objectives=len(objectives), epochs=epochs, seed=seed, startup=6)
    proposals.load(journal.trials())
    options = {"may_start": lambda: 1, "points": (), **options}
    return OptunaSearcher(
        proposals,
        journal,
        objectives=objectives,
        epochs=epochs,
        trials=trials,
        configure=lambda number, point: {"number": number, "lambda": point.params["lambda"]},
        **options,
    ), journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "optuna.journal"


def result(epoch, values, objectives=("val_swd",)):
    values = values if isinstance(values, tuple) else (values,)
    return {"epoch": epoch, **dict(zip(objectives, values, strict=True))}


def run_trial(searcher, tune_id, values, objectives=("val_swd",), **end):
    configuration = searcher.suggest(tune_id)
    for epoch, value in enumerate(values[:-1], 1):
        searcher.on_trial_result(tune_id, result(epoch, value, objectives))
    searcher.on_trial_complete(tune_id, result(len(values), values[-1], objectives), **end)
    return configuration


def test_a_finished_trial_is_complete_with_all_its_epochs_and_worth_its_best(path):
    searcher, journal = make_searcher(path)
    run_trial(searcher, "a", [2.0, 1.0, 3.0])
    (trial,) = journal.trials()
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 1.0)
    assert epochs_of(trial) == {1: (2.0,), 2: (1.0,), 3: (3.0,)}


def test_a_stopped_trial_is_pruned_and_its_last_epoch_counts(path):
    searcher, journal = make_searcher(path)
    run_trial(searcher, "a", [3.0, 2.0])
    assert journal.trials()[0].state == TrialState.PRUNED
    assert epochs_of(journal.trials()[0]) == {1: (3.0,), 2: (2.0,)}


def test_a_trial_that_ends_while_it_is_paused_is_pruned_with_what_it_reported(path):
    searcher, journal = make_searcher(path)
    searcher.suggest("a")
    searcher.on_trial_result("a", result(1, 3.0))
    searcher.on_trial_complete("a")
    assert journal.trials()[0].state == TrialState.PRUNED
    assert searcher.running == 0


def test_with_several_objectives_every_epoch_is_kept_and_a_finished_trial_is_worth_the_one_that_counts(path):
    searcher, journal = make_searcher(path, objectives=PAIR)
    run_trial(searcher, "a", [(3.0, 3.0), (1.0, 2.0), (2.0, 1.0)], PAIR)
    run_trial(searcher, "b", [(3.0, 3.0), (1.0, 2.0), (2.0, 2.0)], PAIR)
    run_trial(searcher, "c", [(3.0, 3.0)], PAIR)
    assert [trial.state.name for trial in journal.trials()] == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert [trial.values for trial in journal.trials()] == [[2.0, 1.0], [1.0, 2.0], None]
    assert epochs_of(journal.trials()[1]) == {1: (3.0, 3.0), 2: (1.0, 2.0), 3: (2.0, 2.0)}


def test_a_failed_trial_is_told_as_failed_with_the_reason(path):
    searcher, journal = make_searcher(path)
    searcher.suggest("a")
    searcher.explain(0, "its process died")
    searcher.on_trial_complete("a", None, error=True)
    searcher.suggest("b")
    searcher.on_trial_complete("b", result(1, math.nan))
    first, second = journal.trials()
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.FAIL)
    assert first.user_attrs["reason"] == "its process died"
    assert "not finite: val_swd nan" in second.user_attrs["reason"]


def test_a_trial_that_was_taken_back_is_handed_out_again_before_others_and_has_not_failed(path):
    searcher, journal = make_searcher(path, trials=1)
    first = searcher.suggest("a")
    searcher.on_trial_result("a", result(1, 2.0))
    searcher.take_back("a")
    searcher.on_trial_complete("a", None, error=True)
    assert (searcher.running, searcher.is_exhausted) == (0, False)
    assert searcher.suggest("b") == first
    for epoch in (1, 2):
        searcher.on_trial_result("b", result(epoch, 2.0))
    searcher.on_trial_complete("b", result(3, 1.0))
    (trial,) = journal.trials()
    assert trial.state == TrialState.COMPLETE
    assert epochs_of(trial) == {1: (2.0,), 2: (2.0,), 3: (1.0,)}


def test_a_trial_that_does_not_report_the_objective_fails(path):
    searcher, journal = make_searcher(path)
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"epoch": 1, "val_delta_e": 12.0})
    assert journal.trials()[0].state == TrialState.FAIL


def test_the_budget_ends_the_search_and_failed_trials_count(path):
    searcher, _ = make_searcher(path, trials=3)
    run_trial(searcher, "a", [1.0])
    searcher.suggest("b")
    searcher.on_trial_complete("b", None, error=True)
    run_trial(searcher, "c", [1.0, 1.0, 1.0])
    assert searcher.suggest("d") == Searcher.FINISHED
    assert searcher.is_exhausted


def test_without_a_free_slot_nothing_is_proposed_and_without_means_nothing_any_more(path):
    slots, means = [1], [True]
    searcher, journal = make_searcher(path, may_start=lambda: slots[0], affordable=lambda role: means[0])
    assert isinstance(searcher.suggest("a"), dict)
    slots[0] = 0
    assert searcher.suggest("b") is None
    slots[0], means[0] = 1, False
    assert searcher.suggest("b") is None
    searcher.on_trial_complete("a", result(1, 1.0))
    assert searcher.suggest("b") == Searcher.FINISHED
    assert len(journal.trials()) == 1


def test_a_trial_is_told_its_number_its_role_its_parameters_and_what_else_there_is(path):
    searcher, _ = make_searcher(path, points=POINTS[2:3])
    first, second = searcher.suggest("a"), searcher.suggest("b")
    assert first == {
        "number": 0,
        "role": "reference",
        "params": dict(POINTS[2].params),
        "point": POINTS[2].plain(),
        "trial": {"number": 0, "lambda": 80.0},
    }
    assert (second["number"], second["role"]) == (1, "search")
    assert Point(**second["point"]) == Point("", second["params"])


def test_reference_points_come_first_then_what_was_enqueued_and_all_of_it_once(path):
    points = [*POINTS, Point("enqueued 1", {"lambda": 33.0})]
    searcher, _ = make_searcher(path, points=points, trials=3)
    suggested = [searcher.suggest(str(number)) for number in range(2)]
    again, _ = make_searcher(path, points=points, trials=3)
    suggested += [again.suggest(str(number)) for number in range(5)]
    assert [one["point"]["reference"] for one in suggested[:4]] == [point.reference for point in POINTS]
    assert [one["params"] for one in suggested[:4]] == [dict(point.params) for point in POINTS]
    assert [one["role"] for one in suggested] == ["reference"] * 4 + ["search"] * 3
    assert suggested[4]["params"]["lambda"] == 33.0
    assert again.suggest("7") is None
    assert again.all_begun


def test_what_was_enqueued_counts_among_the_trials(path):
    points = [Point(f"enqueued {number}", {"lambda": 30.0 + number}) for number in range(3)]
    searcher, _ = make_searcher(path, points=points, trials=2)
    assert [searcher.suggest(name)["params"]["lambda"] for name in "ab"] == [30.0, 31.0]
    assert searcher.suggest("c") is None


def test_reference_points_do_not_count_among_the_trials_also_after_a_resume(path):
    searcher, _ = make_searcher(path, points=POINTS[:2], trials=2)
    for number in range(3):
        run_trial(searcher, str(number), [1.0])
    assert not searcher.is_exhausted
    again, journal = make_searcher(path, points=POINTS[:2], trials=2)
    assert not again.is_exhausted
    run_trial(again, "3", [1.0])
    assert again.is_exhausted
    assert again.suggest("4") == Searcher.FINISHED
    roles = [point_of(trial).role for trial in journal.trials()]
    assert roles == ["reference", "reference", "search", "search"]


def test_a_reference_point_that_a_study_did_not_come_to_begins_although_all_its_trials_have(path):
    searcher, _ = make_searcher(path, trials=1)
    run_trial(searcher, "a", [1.0])
    again, _ = make_searcher(path, points=POINTS[:1], trials=1)
    assert again.suggest("b")["role"] == "reference"
    assert again.is_exhausted


def test_the_sampler_learns_from_reference_points():
    # They alone say that lambda near 500 is good; at random, on the log scale from 10 to 1000, half would lie above
    # 100 (20 draws, 14 or more at p < 0.06).
    def above(references):
        proposals = Proposals("tpe", SPACE, objectives=1, epochs=3, seed=0, startup=6)
        searcher = OptunaSearcher(
            proposals,
            None,
            objectives=("val_swd",),
            epochs=3,
            trials=100,
            may_start=lambda: 1,
            points=references,
        )
        for number, point in enumerate(references):
            distance = abs(math.log(point.params["lambda"] / 500))
            run_trial(searcher, str(number), [distance] * 3)
        later = [run_trial(searcher, f"later {number}", [9.0]) for number in range(20)]
        return sum(one["params"]["lambda"] > 100 for one in later)

    lambdas = [10 * 10 ** (at / 20) for at in range(40)]
    references = [
        Point(f"reference {value}", {**POINTS[0].params, "lambda": value}, f"reference {value}")
        for value in lambdas
    ]
    assert above(references) >= 14


def test_what_a_point_leaves_open_is_drawn(path):
    searcher, _ = make_searcher(path, points=[Point("mine", {"encoder": "unet", "lambda": 50.0})])
    configuration = searcher.suggest("a")
    assert configuration["params"]["lambda"] == 50.0
    assert configuration["role"] == "search"
    assert {"depth", "dropout", "head"} < set(configuration["params"])


def curves(number, objectives):
    epochs = 1 + number % 3
    return [tuple(float((number * prime) % 7) for prime in (3, 5)[: len(objectives)]) for _ in range(epochs)]


SMALL = narrow(narrow(narrow(SPACE, "encoder", "unet"), "normalisation", "batch"), "width", "16")
for _name, _value in (
    ("dropout", "0.5"),
    ("upsampling", "resize"),
    ("generator_learning_rate", "2e-4"),
    ("discriminator_learning_rate", "2e-4"),
    ("learning_rate_decay", "true"),
    ("warm_up_epochs", "0"),
):
    SMALL = narrow(SMALL, _name, _value)


@pytest.mark.parametrize(
    ("kind", "objectives"),
    [
        ("tpe", ("val_swd",)),
        ("tpe", PAIR),
        ("gp", ("val_swd",)),
        ("random", PAIR),
        ("cmaes", ("val_swd",)),
        ("nsga2", PAIR),
        ("grid", PAIR),
    ],
)
def test_the_same_seed_gives_the_same_trials_in_one_go_or_resumed(tmp_path, kind, objectives):
    if kind == "gp":
        pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[samplers]'")
    space = SMALL if kind == "grid" else SPACE

    def points(name, seed, restarts):
        found, searcher = [], None
        for number in range(16):
            if searcher is None or number in restarts:
                searcher, _ = make_searcher(
                    tmp_path / name, objectives=objectives, trials=16, seed=seed, kind=kind, space=space
                )
            found.append(run_trial(searcher, str(number), curves(number, objectives), objectives)["params"])
        return found

    first = points("one", 7, ())
    assert points("two", 7, (3, 9)) == first
    if kind != "grid":
        assert points("three", 8, ()) != first


def test_a_grid_is_seen_whole_and_nothing_twice(path):
    # 3 values of lambda, 4 of depth, 2 heads and 3 averages.
    searcher, _ = make_searcher(path, kind="grid", space=SMALL, trials=72)
    seen = {tuple(run_trial(searcher, str(number), [1.0])["params"].values()) for number in range(72)}
    assert len(seen) == 72


def test_a_journal_taken_up_again_gives_its_unfinished_trials_first_and_paused_ones_without_a_slot(path):
    searcher, _ = make_searcher(path, trials=5, may_start=lambda: 3)
    run_trial(searcher, "a", [1.0])
    interrupted, paused = searcher.suggest("b"), searcher.suggest("c")
    searcher.on_trial_result("b", result(1, 2.0))
    searcher.on_trial_result("c", result(1, 4.0))

    _, journal = make_searcher(path, trials=5)
    unfinished = [trial for trial in journal.trials() if trial.state == TrialState.RUNNING]
    slots = [0]
    again, journal = make_searcher(
        path, trials=5, unfinished=unfinished, paused={2}, may_start=lambda: slots[0]
    )
    assert again.suggest("y") == paused
    assert again.suggest("x") is None
    slots[0] = 1
    assert again.suggest("x") == interrupted
    again.on_trial_result("x", result(1, 2.0))
    again.on_trial_result("x", result(2, 1.5))
    again.on_trial_complete("x", result(3, 1.0))
    assert epochs_of(journal.trials()[1]) == {1: (2.0,), 2: (1.5,), 3: (1.0,)}
    assert [again.suggest(name) != Searcher.FINISHED for name in "zw"] == [True, True]
    assert again.is_exhausted
    assert again.suggest("v") is None


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.RUNNING])
@pytest.mark.parametrize("objectives", [("val_swd",), PAIR], ids=["one objective", "two objectives"])
def test_tpe_learns_from_trials_that_were_stopped_or_run_or_wait(path, objectives, state):
    # These alone say that lambda near 500 is good; nine of ten later proposals would lie above 100 by this, while at
    # random, on the log scale from 10 to 1000, half would (20 draws, below 14 at p < 0.06). Optuna by itself would
    # stay away from those that run, and from lambda near 500 most of all.
    searcher, journal = make_searcher(path, objectives=objectives, trials=100)
    tell = searcher.on_trial_complete if state == TrialState.PRUNED else searcher.on_trial_result
    for number in range(40):
        configuration = searcher.suggest(str(number))
        distance = abs(math.log(configuration["params"]["lambda"] / 500))
        values = (distance, 2 * distance)[: len(objectives)]
        tell(str(number), result(1, values, objectives))
    assert {trial.state for trial in journal.trials()} == {state}
    worst = (1.0,) * len(objectives)
    later = [
        run_trial(searcher, f"later {number}", [worst], objectives)["params"]["lambda"]
        for number in range(20)
    ]
    assert sum(value > 100 for value in later) >= 14


@pytest.mark.parametrize(("improves", "near"), [(True, True), (False, False)])
def test_a_stopped_trial_is_worth_what_it_would_have_come_to(path, improves, near):
    # Trials with a high lambda run from 6 to their end, those with a low one are stopped at 5 after the first epoch.
    # Where the others improve by 4, a stopped one would have come to 1, and low lambdas are good. Where they do not
    # improve by more than 2, it would not.
    end = 2.0 if improves else 4.0
    searcher, _ = make_searcher(path, trials=200)
    for number in range(60):
        configuration = searcher.suggest(str(number))
        if configuration["params"]["lambda"] > 100:
            searcher.on_trial_result(str(number), result(1, 6.0))
            searcher.on_trial_result(str(number), result(2, 6.0 if improves else 5.9))
            searcher.on_trial_complete(str(number), result(3, end))
        else:
            searcher.on_trial_complete(str(number), result(1, 5.0 if improves else 7.0))
    later = [searcher.suggest(f"later {number}")["params"]["lambda"] for number in range(20)]
    assert (sum(value < 100 for value in later) >= 13) == near
