"""What a trial will come to: told by its own values, by what else it reported, by others' ends, by other studies."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.forecast import Forecast, Trainings
from spaces import Parameter

SPACE = {
    "lambda": Parameter(FloatDistribution(1.0, 100.0, log=True)),
    "encoder": Parameter(CategoricalDistribution(("unet", "mobilenetv2"))),
    "depth": Parameter(IntDistribution(3, 5), when=("encoder", "unet")),
    "width": Parameter(IntDistribution(16, 16)),
}
METRICS = ("swd", "delta_e", "loss", "kid")
EPOCHS = 12


def params(value=10.0, encoder="unet"):
    return {"lambda": value, "encoder": encoder, "width": 16} | ({"depth": 4} if encoder == "unet" else {})


def trainings(curves, *, epochs=EPOCHS, given=None):
    """Trials 0, 1, ... with rows by epoch."""
    found = Trainings(SPACE, METRICS, 2, epochs)
    for trial, curve in enumerate(curves):
        found.begin(trial, given[trial] if given else params())
        for epoch, row in enumerate(curve, 1):
            found.enter(trial, epoch, row)
    return found


def curve(end, loss=1.0, *, source=None, scale=1.0, epochs=EPOCHS):
    """Early values are noise about 5; the last half is at the end, and so is the other objective's, doubled."""
    noise = np.zeros(epochs) if source is None else source.normal(size=epochs)
    swd = [5 + noise[at] if at < epochs // 2 else end for at in range(epochs)]
    return [(scale * value, 2 * scale * value, loss, np.nan) for value in swd]


def ordered(forecast, trials, epoch):
    return sorted(trials, key=lambda trial: forecast.expected([trial], epoch)[0][0])


def test_a_trial_is_worth_its_own_last_values_while_there_is_nothing_to_learn_from():
    forecast = Forecast(trainings([[(4.0, 1.0, 1.0, 0.0)] * 3 + [(2.0, 3.0, 1.0, 0.0)]] * 2))
    assert forecast.expected([0], 4)[0] == pytest.approx((2.0, 3.0))


def test_a_complete_training_is_worth_its_last_quarter():
    rows = [(9.0, 9.0, 1.0, 0.0)] * 9 + [(2.0, 4.0, 1.0, 0.0)] * 3
    forecast = Forecast(trainings([rows, rows[:2], *[curve(float(at)) for at in range(1, 9)]]))
    assert forecast.expected([0], EPOCHS)[0] == pytest.approx((2.0, 4.0))


def test_what_tells_the_end_is_learned_from_trials_that_are_further():
    source = np.random.default_rng(0)
    ends = np.linspace(1, 9, 24)
    done = [curve(end, loss=end, source=source) for end in ends]
    young = [curve(end, loss=end, source=source)[:3] for end in (8.0, 2.0, 5.0, 3.0)]
    own = trainings([*done, *young])
    assert ordered(Forecast(own), range(24, 28), 3) == [25, 27, 26, 24]
    for trial, end in zip(range(24, 28), (8.0, 2.0, 5.0, 3.0), strict=True):
        assert Forecast(own).expected([trial], 3)[0] == pytest.approx((end, 2 * end), rel=0.35)


@pytest.mark.parametrize("name", ["lambda", "encoder"])
def test_parameters_tell_too(name):
    source = np.random.default_rng(1)
    values = {"lambda": [1.0, 3.0, 10.0, 30.0, 100.0], "encoder": ["unet", "mobilenetv2"]}[name] * 6
    given = [params(**{"value" if name == "lambda" else name: value}) for value in values]
    ends = [1.0 + 2 * sorted(set(values)).index(value) for value in values]
    curves = [curve(end, source=source) for end in ends]
    low, high = len(values), len(values) + 1
    extremes = [given[int(np.argmax(ends))], given[int(np.argmin(ends))]]
    own = trainings([*curves, *[curve(5.0, source=source)[:2]] * 2], given=[*given, *extremes])
    assert ordered(Forecast(own), (low, high), 2) == [high, low]


def test_trials_that_are_stopped_between_teach_what_they_showed():
    source = np.random.default_rng(2)
    partial = [curve(end, loss=end, source=source)[:9] for end in np.linspace(1, 9, 24)]
    own = trainings(
        [*partial, curve(8.0, loss=8.0, source=source)[:2], curve(2.0, loss=2.0, source=source)[:2]]
    )
    assert ordered(Forecast(own), (24, 25), 2) == [25, 24]


def test_other_studies_teach_differences_and_never_levels():
    source = np.random.default_rng(3)
    young = [curve(end, loss=end, source=source)[:2] for end in (8.0, 2.0)]
    # Of other data: a hundred times as high, and twice as long.
    recorded = trainings(
        [curve(end, loss=end, source=source, scale=100.0, epochs=24) for end in np.linspace(1, 9, 40)],
        epochs=24,
    )
    forecast = Forecast(trainings(young), [recorded])
    assert ordered(forecast, (0, 1), 2) == [1, 0]
    assert all(0.2 < forecast.expected([trial], 2)[0][0] < 20 for trial in (0, 1))


@pytest.mark.parametrize("epochs", [2, 3, 40])
def test_other_studies_may_be_of_any_length(epochs):
    recorded = trainings([curve(end, epochs=epochs) for end in (1.0, 5.0, 9.0)], epochs=epochs)
    own = trainings([curve(5.0)[:11]] * 2)
    for epoch in range(1, EPOCHS):
        assert np.isfinite(Forecast(own, [recorded]).expected([0], epoch)).all()


def test_a_metric_or_parameter_that_only_the_other_study_has_is_passed_over():
    recorded = Trainings({**SPACE, "other": SPACE["lambda"]}, ("swd", "delta_e", "psnr"), 2, EPOCHS)
    for trial, end in enumerate(np.linspace(1, 9, 20)):
        recorded.begin(trial, {**params(1 + end), "other": 5.0})
        for epoch, row in enumerate(curve(end), 1):
            recorded.enter(trial, epoch, (*row[:2], end))
    own = trainings([curve(5.0)[:2]] * 2, given=[params(9.0), params(2.0)])
    assert ordered(Forecast(own, [recorded]), (0, 1), 2) == [1, 0]


def test_an_epoch_that_is_entered_again_changes_the_forecast():
    own = trainings([[(4.0, 1.0, 1.0, 0.0)] * 2])
    forecast = Forecast(own)
    assert forecast.expected([0], 2)[0] == pytest.approx((4.0, 1.0))
    own.enter(0, 2, (1.0, 2.0, 1.0, 0.0))
    assert forecast.expected([0], 2)[0] == pytest.approx((1.0, 2.0))


def test_the_order_in_which_trials_are_entered_does_not_matter():
    source = np.random.default_rng(4)
    curves = [curve(end, loss=end, source=source) for end in range(1, 9)]
    forward, backward = (Trainings(SPACE, METRICS, 2, EPOCHS) for _ in range(2))
    for epoch in range(1, EPOCHS + 1):
        for trial in range(8):
            forward.begin(trial, params())
            forward.enter(trial, epoch, curves[trial][epoch - 1])
    for trial in reversed(range(8)):
        backward.begin(trial, params())
        for epoch in range(1, EPOCHS + 1):
            backward.enter(trial, epoch, curves[trial][epoch - 1])
    for trial in range(8):
        assert Forecast(forward).expected([trial], 4)[0] == pytest.approx(
            Forecast(backward).expected([trial], 4)[0]
        )


def test_a_training_that_fails_early_or_values_below_zero_do_no_harm():
    own = trainings([curve(float(at)) for at in range(-4, 5)] + [[(5.0, 5.0, 1.0, np.nan)], curve(3.0)[:3]])
    values = Forecast(own).expected([10], 3)[0]
    assert np.isfinite(values).all()
