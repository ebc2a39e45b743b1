import pytest

from results.effort import DeviceEffort, by_device, course, savings
from results.store import StudyWriter, read_config, read_epochs, read_trials

BOTH = ("val_delta_e", "val_swd")


def test_the_hypervolume_grows_as_trials_come_to_their_end_and_time_counts_from_the_first_epochs_beginning(
    study,
):
    came = course(read_trials(study), read_epochs(study), read_config(study)["baselines"], BOTH)
    # Epoch n of trial t of the study ends 2 (4 t + n) seconds after it began; five trials have all four.
    assert came.seconds.tolist() == [8, 16, 24, 32, 40]
    # Another photo's colours are further off than gray, but no worse as a palette.
    edge = 11.6 * 2**0.5
    assert came.reference.tolist() == [edge, 5.7]
    # Trial 0 is at (9.5, 3), trial 1 at (7, 2.5), trial 2 at (8, 2).
    assert came.hypervolumes[:3].tolist() == pytest.approx(
        [(edge - 9.5) * 2.7, (edge - 7.0) * 3.2, (edge - 7.0) * 3.2 + (edge - 8.0) * 0.5]
    )
    # Of each of the front, from the lowest up, the strip between it and the next.
    front = (edge - 8.0) * 0.5 + (edge - 7.0) * 0.25 + (edge - 6.2) * 0.75 + (edge - 5.9) * (5.7 - 3.5)
    assert came.hypervolumes[-1] == pytest.approx(front)
    assert came.share == pytest.approx(front / (edge * 5.7))


@pytest.mark.parametrize(
    "counts_not",
    [
        {"state": "PRUNED"},
        {"state": "RUNNING"},
        {"state": "FAIL"},
        {"state": "COMPLETE", "role": "confirmation", "confirms": 0},
    ],
)
def test_a_hypervolume_is_that_of_what_is_ranked_however_good_the_rest(study, counts_not):
    def reached():
        return course(read_trials(study), read_epochs(study), read_config(study)["baselines"], BOTH)

    before, values = reached(), {"val_delta_e": 0.1, "val_swd": 0.1}
    writer = StudyWriter(study.path)
    writer.record_trial({"trial": 9, "epochs": 1, "best_epoch": 1, **counts_not, **values})
    writer.record_epoch({"trial": 9, "epoch": 1, "epoch_seconds": 1.0, **values})
    after = reached()
    assert after.seconds.tolist() == before.seconds.tolist()
    assert after.hypervolumes.tolist() == before.hypervolumes.tolist()


def test_without_gray_the_worst_trial_is_the_reference_and_without_trials_there_is_nothing(writer):
    trials, epochs = read_trials(writer.folder), read_epochs(writer.folder)
    assert course(trials, epochs, {}, BOTH).share is None
    for trial, (delta_e, swd) in enumerate([(1, 4), (2, 2)]):
        values = {"val_delta_e": delta_e, "val_swd": swd}
        writer.record_trial({"trial": trial, "state": "COMPLETE", **values})
        writer.record_epoch({"trial": trial, "epoch": 1, "epoch_seconds": 1.0, **values})
    writer.record_trial({"trial": 2, "state": "FAIL", "val_delta_e": 9, "val_swd": 9})
    writer.record_epoch({"trial": 2, "epoch": 1, "val_delta_e": 9, "val_swd": 9, "epoch_seconds": 1.0})
    came = course(read_trials(writer.folder), read_epochs(writer.folder), {}, BOTH)
    assert came.reference.tolist() == [2, 4]
    assert came.hypervolumes.tolist() == [0, 0]


def test_epochs_are_summed_up_by_device_the_one_with_most_first(writer):
    assert by_device(read_epochs(writer.folder)) == []
    # Trial 1 began on one device and went on on the other.
    for trial, epoch, device, seconds in [
        (0, 1, "Tesla T4", 30.0),
        (1, 1, "Tesla T4", 20.0),
        (1, 2, "NVIDIA L4", 9.0),
        (2, 1, "NVIDIA L4", 10.0),
        (2, 2, "NVIDIA L4", 40.0),
        (3, 1, None, None),
    ]:
        speed = None if seconds is None else 600 / seconds
        row = {"trial": trial, "epoch": epoch, "epoch_seconds": seconds, "images_per_second": speed}
        writer.record_epoch({**row, "device": device})
    l4, t4, unknown = by_device(read_epochs(writer.folder))
    assert l4 == DeviceEffort("NVIDIA L4", trials=2, epochs=3, epoch_seconds=10.0, images_per_second=60.0)
    assert t4 == DeviceEffort("Tesla T4", trials=2, epochs=2, epoch_seconds=25.0, images_per_second=25.0)
    assert (unknown.device, unknown.epochs) == (None, 1)


def test_a_stopped_trials_missing_epochs_are_what_was_saved(writer):
    for trial, (state, epochs, seconds, gpu_seconds) in enumerate(
        [
            ("COMPLETE", 8, 80.0, 40.0),
            ("PRUNED", 2, 10.0, 5.0),  # six more of 5 s
            ("PRUNED", 4, 40.0, 20.0),  # four more of 10 s
            ("FAIL", 1, 5.0, 2.0),
            ("PRUNED", 0, None, None),
        ]
    ):
        row = {
            "trial": trial,
            "state": state,
            "epochs": epochs,
            "seconds": seconds,
            "gpu_seconds": gpu_seconds,
        }
        writer.record_trial(row)
    saved = savings(read_trials(writer.folder), epochs=8)
    assert (saved.epochs, saved.full_epochs) == (15, 40)
    assert (saved.seconds, saved.saved_seconds, saved.saved_gpu_seconds) == (135.0, 70.0, 35.0)
    assert saved.share == pytest.approx(70 / 205)
