"""Whether a study that was begun can be gone on with, and what may be different then."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from results.store import StudyWriter
from search.admission import extended, recorded_config
from search.config import ConfigError, StudyConfig
from search.identity import check_same_files
from search.machine import Machine
from search.plan import make_plan

REFERENCES = ("CNN baseline", "CNN + dropout 0.2")


@pytest.fixture
def record(tmp_path):
    """Write a study of three trials of four epochs beside two reference points, the trials in these states."""

    def write(states, **settings):
        config = StudyConfig(
            **{
                "model": "cnn",
                "name": "birds",
                "storage": tmp_path,
                "trials": 3,
                "epochs": 4,
                "references": ("baseline", "dropout"),
                **settings,
            }
        )
        plan = make_plan(config, Machine(cpus=2, gpus=0), ())
        writer = StudyWriter(tmp_path / "birds")
        writer.write_config({"name": "birds", "model": "cnn", "config": plan.config.to_record()})
        for number, name in enumerate(REFERENCES):
            writer.record_trial(
                {"trial": number, "state": "COMPLETE", "role": "reference", "reference": name}
            )
        for number, state in enumerate(states, len(REFERENCES)):
            writer.record_trial({"trial": number, "state": state, "role": "search"})
        return recorded_config("birds", tmp_path)

    return write


@pytest.mark.parametrize(
    "more", [{"confirm": 2}, {"finalists": 5}, {"confirm": 1, "finalists": 1}, {"trials": 4}], ids=str
)
def test_a_study_goes_on_with_more_trials_and_with_other_confirmations(record, more):
    recorded = record(["COMPLETE", "PRUNED", "PRUNED"])
    assert extended(recorded, replace(recorded, **more)) == replace(recorded, **more)


def test_what_was_enqueued_is_the_studys_own_once_it_began(record, tmp_path):
    points = tmp_path / "points.json"
    points.write_text("[]")
    assert record([], enqueue=points).enqueue == points
    own = tmp_path / "birds" / "enqueued.json"
    own.write_text("[]")
    points.unlink()
    assert recorded_config("birds", tmp_path).enqueue == own


@pytest.mark.parametrize("setting", ["data", "encoder_weights"])
def test_a_study_goes_on_with_files_that_lie_elsewhere_now(record, tmp_path, setting):
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    recorded = record(["RUNNING"], **{setting: old})
    with pytest.raises(
        ConfigError, match=rf"{old} in the study birds, where nothing is now: say with --{setting[:4]}"
    ):
        extended(recorded, recorded)
    (tmp_path / "new").touch()
    moved = replace(recorded, **{setting: new})
    assert extended(recorded, moved) == moved
    with pytest.raises(ConfigError, match=f"is none now, but {old} in the study birds"):
        extended(recorded, replace(recorded, **{setting: "none"}))


def test_the_reference_points_of_a_study_are_those_that_it_began_with(record):
    recorded = record(["COMPLETE"])
    with pytest.raises(
        ConfigError,
        match="--references is baseline now, but baseline dropout in the study birds: leave it out",
    ):
        extended(recorded, replace(recorded, references=("baseline",)))


def test_trials_that_have_begun_are_counted_without_reference_points_and_confirmations(record, tmp_path):
    recorded = record(["COMPLETE", "PRUNED"])
    StudyWriter(tmp_path / "birds").record_trial(
        {"trial": 4, "state": "COMPLETE", "role": "confirmation", "confirms": 2}
    )
    assert extended(recorded, replace(recorded, trials=2)).trials == 2
    with pytest.raises(ConfigError, match="--trials is 1, but in the study birds 2 trials have begun"):
        extended(recorded, replace(recorded, trials=1))


def test_where_no_trial_was_trained_to_its_end_there_is_none_to_confirm(record):
    recorded = record(["PRUNED", "FAIL", "PRUNED"])
    with pytest.raises(
        ConfigError, match=r"--confirm is 2, but no trial of the study birds .* take more --trials"
    ):
        extended(recorded, replace(recorded, confirm=2))
    # Which a study that goes on may come to.
    for more in ({"trials": 4}, {"epochs": 9}):
        assert extended(recorded, replace(recorded, confirm=2, **more)).confirm == 2
    assert extended(recorded, recorded) == recorded


@pytest.mark.parametrize("states", [["PRUNED", "RUNNING", "PRUNED"], ["PRUNED"]], ids=len)
def test_a_study_that_is_not_over_may_yet_have_a_trial_to_confirm(record, states):
    recorded = record(states)
    assert extended(recorded, replace(recorded, confirm=2)).confirm == 2


@pytest.mark.parametrize(
    ("trained", "references", "trials"),
    [(REFERENCES, ("baseline", "dropout"), 4), (REFERENCES[1:], ("dropout",), 5), ((), ("none",), 6)],
    ids=["two", "one", "none"],
)
def test_of_a_study_in_which_reference_points_were_among_the_trials_they_are_no_more(
    tmp_path, trained, references, trials
):
    config = StudyConfig(model="cnn", name="birds", storage=tmp_path, trials=6, epochs=4).to_record()
    for name in ("references", "confirm", "finalists"):
        del config[name]
    writer = StudyWriter(tmp_path / "birds")
    writer.write_config({"name": "birds", "model": "cnn", "config": config})
    for number, name in enumerate(trained):
        writer.record_trial({"trial": number, "state": "COMPLETE", "reference": name})
    writer.record_trial({"trial": len(trained), "state": "COMPLETE"})
    file = writer.folder.config
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 3}))
    recorded = recorded_config("birds", tmp_path)
    assert (recorded.references, recorded.trials) == (references, trials)
    assert (recorded.confirm, recorded.finalists) == (None, 3)


def test_weights_that_are_gone_are_asked_for_and_changed_data_are_named():
    earlier = {
        "name": "mine",
        "data": {"fingerprint": "a"},
        "encoder": {"available": True, "note": "with ImageNet's weights"},
    }
    gone = SimpleNamespace(available=False, note="left out", sha256=None)
    pretrained = SimpleNamespace(encoder=gone, perceptual=SimpleNamespace(sha256=None))
    with pytest.raises(
        ConfigError, match=r"began with this: with ImageNet's weights.*Bring back the weights"
    ):
        check_same_files(earlier, SimpleNamespace(fingerprint="a", source="birds"), pretrained)
    with pytest.raises(ConfigError, match="the data in birds has changed since the study mine began"):
        check_same_files(earlier, SimpleNamespace(fingerprint="b", source="birds"), pretrained)
