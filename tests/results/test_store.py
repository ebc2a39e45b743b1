import os
import random
import re
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from results.store import (
    METRICS,
    SCHEMA_VERSION,
    TEST_METRICS,
    StudyError,
    StudyFolder,
    StudyWriter,
    find_studies,
    open_study,
    read_config,
    read_epochs,
    read_resamples,
    read_trials,
)


def keys(table: pa.Table) -> list[tuple[int, int]]:
    return list(zip(table["trial"].to_pylist(), table["epoch"].to_pylist(), strict=True))


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]


def test_what_was_recorded_is_read_back(writer):
    metrics = {metric: 0.5 + place for place, metric in enumerate(METRICS)}
    tested = {metric: 1.5 + place for place, metric in enumerate(TEST_METRICS)}
    now = datetime(2025, 6, 3, 9, 14, 22, 250_000, tzinfo=UTC)
    epoch = {"trial": 3, "epoch": 2, "train_loss": 0.25, **metrics, "epoch_seconds": 4.0, "timestamp": now}
    epoch |= {
        "gpu_seconds": 1.0,
        "node": "birdhouse",
        "device": "NVIDIA L4",
        "trainable_encoder_parameters": 1_234,
    }
    trial = {"trial": 3, "state": "COMPLETE", "reference": "λ 80", "epochs": 2, **metrics, "params.width": 64}
    trial |= {"role": "confirmation", "confirms": 1, "seed": 2**32 - 1, **tested}
    trial |= {
        "gpu_seconds": 2.0,
        "node": "birdhouse",
        "device": "NVIDIA L4",
        "trainable_encoder_parameters": 1_234,
    }
    writer.record_epoch(epoch)
    writer.record_trial(trial)

    (read_epoch,) = read_epochs(writer.folder.path).to_pylist()
    (read_trial,) = read_trials(str(writer.folder.path)).to_pylist()

    assert {name: value for name, value in read_epoch.items() if value is not None} == epoch
    assert {name: value for name, value in read_trial.items() if value is not None} == trial


def test_resamples_come_by_trial_and_resample_and_a_trials_new_ones_replace_the_old(writer):
    writer.record_resamples(7, {"test_swd": [3.0, 3.5], "test_delta_e": [9.0, 9.5]})
    writer.record_resamples(2, {"test_swd": [1.0, 1.5], "test_delta_e": [7.0, 7.5]})
    writer.record_resamples(7, {"test_swd": np.array([4.0, 4.5]), "test_delta_e": [8.0, 8.5]})
    table = read_resamples(writer.folder.path)
    assert table.select(["trial", "resample", "test_swd", "test_delta_e"]).to_pylist() == [
        {"trial": 2, "resample": 0, "test_swd": 1.0, "test_delta_e": 7.0},
        {"trial": 2, "resample": 1, "test_swd": 1.5, "test_delta_e": 7.5},
        {"trial": 7, "resample": 0, "test_swd": 4.0, "test_delta_e": 8.0},
        {"trial": 7, "resample": 1, "test_swd": 4.5, "test_delta_e": 8.5},
    ]
    assert table["test_kid"].null_count == 4


def test_an_epoch_recorded_again_replaces_the_first(writer):
    writer.record_epoch({"trial": 0, "epoch": 1, "val_swd": 5.0})
    writer.record_epoch({"trial": 0, "epoch": 1, "val_swd": 4.0})
    assert read_epochs(writer.folder)["val_swd"].to_pylist() == [4.0]


def test_epochs_come_in_order_of_trial_and_epoch_whatever_order_they_were_recorded_in(writer):
    wanted = [(trial, epoch) for trial in (2, 9, 10, 10_001) for epoch in (1, 2, 11)]
    for trial, epoch in random.Random(0).sample(wanted, len(wanted)):
        writer.record_epoch({"trial": trial, "epoch": epoch})
    assert keys(read_epochs(writer.folder)) == wanted


def test_compacting_leaves_one_file_with_every_epoch(writer):
    for epoch in (1, 2):
        writer.record_epoch({"trial": 0, "epoch": epoch, "val_swd": 5.0 - epoch})
    before = read_epochs(writer.folder)
    writer.compact()
    assert [file.name for file in writer.folder.epochs.iterdir()] == ["all.parquet"]
    assert read_epochs(writer.folder).equals(before)
    writer.compact()
    assert read_epochs(writer.folder).equals(before)


def test_an_epoch_recorded_after_compaction_wins_over_the_compacted_one(writer):
    for epoch in (1, 2):
        writer.record_epoch({"trial": 0, "epoch": epoch, "val_swd": 5.0})
    writer.compact()
    writer.record_epoch({"trial": 0, "epoch": 2, "val_swd": 4.0})
    assert read_epochs(writer.folder)["val_swd"].to_pylist() == [5.0, 4.0]
    writer.compact()
    assert read_epochs(writer.folder)["val_swd"].to_pylist() == [5.0, 4.0]


def test_a_crash_between_merging_and_deleting_leaves_no_epoch_twice(writer):
    for epoch in (1, 2):
        writer.record_epoch({"trial": 0, "epoch": epoch})
    part = writer.folder.epoch(0, 2)
    content = part.read_bytes()
    writer.compact()
    part.write_bytes(content)
    assert keys(read_epochs(writer.folder)) == [(0, 1), (0, 2)]


def test_recording_a_trial_again_replaces_its_row(writer):
    writer.record_trial({"trial": 1, "state": "RUNNING", "reason": "none yet"})
    writer.record_trial({"trial": 0, "state": "RUNNING"})
    writer.record_trial({"trial": 1, "state": "PRUNED"})
    table = read_trials(writer.folder)
    assert table.select(["trial", "state", "reason"]).to_pylist() == [
        {"trial": 0, "state": "RUNNING", "reason": None},
        {"trial": 1, "state": "PRUNED", "reason": None},
    ]


def test_a_new_writer_continues_the_study_that_is_there(writer):
    writer.record_trial({"trial": 0, "state": "COMPLETE", "params.width": 32})
    StudyWriter(writer.folder.path).record_trial({"trial": 1, "state": "RUNNING", "params.depth": 5})
    rows = read_trials(writer.folder).select(["trial", "params.width", "params.depth"]).to_pylist()
    assert rows == [
        {"trial": 0, "params.width": 32, "params.depth": None},
        {"trial": 1, "params.width": None, "params.depth": 5},
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"trial": 0, "state": "DONE"},
            "state is 'DONE', but must be one of RUNNING, COMPLETE, PRUNED, FAIL",
        ),
        ({"trial": 0}, "state"),
        ({"trial": 0, "state": "FAIL", "val_fid": 1.0}, "val_fid"),
        ({"trial": 0, "state": "FAIL", "val_swd": "low"}, "does not fit"),
        ({"trial": 0, "state": "FAIL", "params.p": [1]}, "params.p is [1], but a parameter is"),
        (
            {"trial": 0, "state": "FAIL", "params.p": 2**70},
            "params.p is 1180591620717411303424, but an integer",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_changes_nothing(writer, row, said):
    writer.record_trial({"trial": 0, "state": "RUNNING"})
    with pytest.raises(StudyError, match=re.escape(said)):
        writer.record_trial(row)
    writer.record_trial({"trial": 1, "state": "RUNNING"})
    assert read_trials(writer.folder)["state"].to_pylist() == ["RUNNING", "RUNNING"]


def test_a_number_is_no_timestamp(writer):
    with pytest.raises(StudyError, match="trial 0: timestamp is 1795514041, but must be a datetime"):
        writer.record_epoch({"trial": 0, "epoch": 1, "timestamp": 1_795_514_041})
    assert read_epochs(writer.folder).num_rows == 0


def test_the_configuration_is_read_back_with_its_schema_version(writer):
    writer.write_config({"name": "garden", "fitted": ["width 64 to 32"], "λ": 100.0})
    assert read_config(writer.folder.path) == {
        "schema_version": SCHEMA_VERSION,
        "name": "garden",
        "fitted": ["width 64 to 32"],
        "λ": 100.0,
    }


def test_a_missing_folder_is_refused_with_the_studies_beside_it(writer):
    with pytest.raises(StudyError, match=r"gardn does not exist: the studies in .* are garden\."):
        open_study(writer.folder.path.with_name("gardn"))


def test_a_folder_that_is_no_study_is_refused_with_the_studies_inside(writer):
    with pytest.raises(StudyError, match=r"no study.*the studies in .* are garden\."):
        read_trials(writer.folder.path.parent)
    empty = writer.folder.path.parent / "empty"
    empty.mkdir()
    with pytest.raises(StudyError, match=r"no study.*search\.run"):
        open_study(empty)


def test_the_newest_study_is_found_first(tmp_path):
    for age, name in enumerate(("new", "middle", "old")):
        writer = StudyWriter(tmp_path / name)
        writer.write_config({"name": name})
        os.utime(writer.folder.config, (1_700_000_000 - age, 1_700_000_000 - age))
    (tmp_path / "not a study").mkdir()
    assert [study.path.name for study in find_studies(tmp_path)] == ["new", "middle", "old"]
    assert find_studies(tmp_path / "absent") == []


def test_a_damaged_table_is_named_with_what_to_do(writer):
    writer.record_epoch({"trial": 0, "epoch": 1})
    file = writer.folder.epoch(0, 1)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StudyError, match=r"0000-0001\.parquet is damaged .* delete it"):
        read_epochs(writer.folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no JSON object"),
        ('{"schema_version": 4, "baselines": {"gray": 3}}', "$.baselines.gray: 3 is not of type 'object'"),
        ('{"schema_version": 4, "data": {"counts": [20]}}', "$.data.counts: [20] is not of type 'object'"),
        ('{"schema_version": 4, "objectives": ["loss"]}', "$.objectives[0]: 'loss' is not one of"),
    ],
)
def test_settings_of_another_kind_are_refused_with_their_place(writer, text, said):
    writer.folder.config.write_text(text)
    with pytest.raises(StudyError, match=re.escape(said)):
        read_config(writer.folder)


def test_a_link_in_the_place_of_a_file_half_written_is_not_followed(writer, tmp_path):
    other = tmp_path / "mine.txt"
    other.write_text("mine")
    (writer.folder.path / ".study.json.tmp").symlink_to(other)
    with pytest.raises(StudyError, match=r"study\.json could not be written"):
        writer.write_config({"name": "another"})
    assert other.read_text() == "mine"
    writer.write_config({"name": "another"})
    assert read_config(writer.folder)["name"] == "another"


def test_a_full_disk_is_reported_and_leaves_what_was_written_before(writer, full_disk):
    writer.record_epoch({"trial": 0, "epoch": 1})
    writer.record_trial({"trial": 0, "state": "RUNNING"})
    writer.record_resamples(0, {"test_swd": [1.0]})
    for record in (
        lambda: writer.record_epoch({"trial": 0, "epoch": 2}),
        lambda: writer.record_trial({"trial": 0, "state": "COMPLETE"}),
        lambda: writer.write_config({"name": "another"}),
        lambda: writer.record_resamples(0, {"test_swd": [2.0]}),
    ):
        with (
            full_disk(),
            pytest.raises(StudyError, match=r"No space left.*garden before is intact; free some space"),
        ):
            record()

    assert keys(read_epochs(writer.folder)) == [(0, 1)]
    assert read_trials(writer.folder)["state"].to_pylist() == ["RUNNING"]
    assert read_config(writer.folder)["name"] == "garden"
    assert read_resamples(writer.folder)["test_swd"].to_pylist() == [1.0]
    writer.record_trial({"trial": 1, "state": "RUNNING"})
    assert read_trials(writer.folder)["state"].to_pylist() == ["COMPLETE", "RUNNING"]


class Clock:
    """Seconds that a test sets; each reading takes `step` of them, and so everything that is timed lasts a step."""

    def __init__(self) -> None:
        self.now = self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_writing_the_trials_takes_a_hundredth_of_the_time_and_what_is_pending_is_not_lost(tmp_path):
    clock = Clock()
    writer = StudyWriter(tmp_path / "garden", clock=clock)
    writer.write_config({})
    written = []
    clock.step = 0.1
    for trial in range(1000):
        writer.record_trial({"trial": trial, "state": "RUNNING"})
        if read_trials(writer.folder).num_rows == trial + 1:
            written.append(clock.now)
    # Two tenths of a second are saved up for a burst: two writes of a tenth each. Then each pays for itself.
    assert written[:2] == pytest.approx([0.3, 0.6])
    assert len(written) - 2 == pytest.approx((clock.now - written[1]) / (0.1 / (1 / 100)), abs=2)
    assert read_trials(writer.folder).num_rows < 1000
    writer.flush()
    assert read_trials(writer.folder).num_rows == 1000


def test_compacting_writes_the_trials_that_are_pending(tmp_path):
    clock = Clock()
    writer = StudyWriter(tmp_path / "garden", clock=clock)
    writer.write_config({})
    clock.step = 30.0
    for trial in range(2):
        writer.record_trial({"trial": trial, "state": "RUNNING"})
    assert read_trials(writer.folder).num_rows == 1
    writer.compact()
    assert read_trials(writer.folder).num_rows == 2


def test_epochs_are_merged_by_themselves_before_their_files_become_many(writer):
    most = 0
    for step in range(500):
        writer.record_epoch({"trial": step, "epoch": 1, "val_swd": float(step)})
        most = max(most, len(list(writer.folder.epochs.iterdir())))
        if step == 300:  # a writer that goes on counts those that are there
            writer = StudyWriter(writer.folder.path)
    assert most <= 202
    assert read_epochs(writer.folder)["val_swd"].to_pylist() == list(range(500))


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="could not be written"):
        StudyWriter(tmp_path / "file" / "garden")


WRITE_FOR_EVER = """
    import itertools, sys
    import results.writer
    from results.store import StudyWriter

    results.writer.PARTS = 6
    writer = StudyWriter(sys.argv[1])
    for step in itertools.count(int(sys.argv[2])):
        trial, epoch = divmod(step, 10)
        writer.record_epoch({"trial": trial, "epoch": epoch + 1, "val_swd": float(step)})
        writer.record_trial({"trial": trial, "state": "RUNNING", "epochs": epoch + 1})
        print(step, flush=True)
"""


def test_nothing_that_was_acknowledged_is_lost_when_the_writer_is_killed(writer):
    generator = random.Random(0)
    last = -1
    for _ in range(3):
        process = subprocess.Popen(
            python(WRITE_FOR_EVER, writer.folder.path, last + 1), stdout=subprocess.PIPE, text=True
        )
        wanted = last + generator.randint(10, 40)
        # Read on after the kill: what the writer had acknowledged by then counts.
        for line in process.stdout:
            last = int(line)
            if last == wanted:
                process.send_signal(signal.SIGKILL)
        process.stdout.close()
        process.wait()

        epochs = read_epochs(writer.folder.path)
        steps = [trial * 10 + epoch - 1 for trial, epoch in keys(epochs)]
        assert len(set(steps)) == len(steps)
        assert set(range(last + 1)) <= set(steps) <= set(range(last + 2))
        assert epochs["val_swd"].to_pylist() == [float(step) for step in steps]
        # The trials may lag behind, but never hold what was not recorded.
        for row in read_trials(writer.folder.path).to_pylist():
            assert row["trial"] * 10 + row["epochs"] - 1 <= last + 1


READ_UNTIL_TOLD = """
    import sys
    from pathlib import Path
    from results.store import read_config, read_epochs, read_trials

    seen = reads = 0
    stop = Path(sys.argv[2])
    is_told = False
    while not is_told:
        is_told = stop.exists()
        epochs = read_epochs(sys.argv[1])
        steps = [10 * t + e - 1 for t, e in zip(epochs["trial"].to_pylist(), epochs["epoch"].to_pylist())]
        assert steps == list(range(len(steps))), steps
        assert len(steps) >= seen, (seen, len(steps))
        assert read_trials(sys.argv[1]).num_rows >= len(steps) // 10
        assert read_config(sys.argv[1])["name"] == "garden"
        seen, reads = len(steps), reads + 1
        if reads == 1:
            print("ready", flush=True)
    print(seen, reads)
"""


def test_a_reader_sees_no_gap_while_files_are_replaced_and_compacted(writer, tmp_path, monkeypatch):
    monkeypatch.setattr("results.writer.PARTS", 3)
    writer = StudyWriter(writer.folder.path, clock=Clock())
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        python(READ_UNTIL_TOLD, writer.folder.path, stop),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout.readline() == "ready\n"
    for step in range(120):
        trial, epoch = divmod(step, 10)
        writer.record_trial({"trial": trial, "state": "RUNNING", "epochs": epoch})
        writer.record_epoch({"trial": trial, "epoch": epoch + 1})
    stop.touch()
    said, errors = reader.communicate()
    assert reader.returncode == 0, errors
    seen, reads = map(int, said.split())
    assert seen > 0
    assert reads > 1


def test_the_folder_names_every_file_of_a_study():
    folder = StudyFolder(Path("studies/garden"))
    assert folder.trial(7) == Path("studies/garden/trials/0007")
    assert folder.best_weights(7) == Path("studies/garden/trials/0007/checkpoint/best.safetensors")
    assert folder.samples(12_345) == Path("studies/garden/trials/12345/samples")
