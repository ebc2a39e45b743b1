"""Confirmations in real studies: killed and resumed, begun long after, and blind to what they are judged by."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.ranking import objectives_of, photos_of
from results.schema import RESAMPLES, TEST_METRICS
from results.store import StudyFolder, read_config, read_epochs, read_resamples, read_trials
from results.verdict import judge
from trainables.data.pack import _as_pack, _checksum, _map, _metadata, _write

pytestmark = pytest.mark.slow

SAME_NETWORKS = ("--set", "batch_norm=false", "--set", "depth=2", "--set", "head=rgb")
SIZE = ("--trials", "3", "--epochs", "4", "--encoder-weights", "none", *SAME_NETWORKS)
MEASURED = ("trial", "epoch", "val_delta_e", "val_swd", "train_loss")


def run_through(run, *arguments):
    ended = run(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def verdict_of(folder):
    config = read_config(folder)
    return judge(read_trials(folder), read_resamples(folder), objectives_of(config), photos_of(config))


def curves(folder):
    return read_epochs(folder).select(MEASURED).to_pylist()


@pytest.fixture(scope="module")
def confirmed(run_search, storage):
    """A study with references that was confirmed on two seeds without interruption, and what it printed."""
    out = run_through(
        run_search,
        "cnn",
        "--name",
        "confirmed",
        *SIZE,
        "--references",
        "all",
        "--confirm",
        "2",
        "--concurrency",
        "1",
    )
    return StudyFolder(storage / "confirmed"), out


def test_a_confirmed_study_has_a_verdict_with_intervals(confirmed):
    folder, out = confirmed
    verdict = verdict_of(folder)
    assert verdict.comparisons
    assert verdict.doubt == ""
    assert str(verdict) in out
    for comparison in verdict.comparisons:
        for difference in comparison.differences.values():
            assert difference.low <= difference.value <= difference.high
    assert "Finalists and reference points on photos that nothing was chosen by" in folder.gallery.read_text()


def test_a_study_killed_while_it_confirms_comes_to_the_same_verdict(
    confirmed, start_search, run_search, storage, wait_for
):
    folder = StudyFolder(storage / "killed-confirmation")
    arguments = (*SIZE, "--references", "all", "--confirm", "2", "--concurrency", "1")
    process = start_search("cnn", "--name", folder.path.name, *arguments, start_new_session=True)

    def confirms():
        rows = read_trials(folder).to_pylist() if folder.config.exists() else []
        return any(row["role"] == "confirmation" and row["epochs"] for row in rows)

    wait_for(confirms, process)
    process.kill()
    process.communicate(timeout=60)
    out = run_through(run_search, "--resume", folder.path.name)
    whole, _ = confirmed
    assert curves(folder) == curves(whole)
    assert str(verdict_of(folder)) == str(verdict_of(whole)) in out
    assert verdict_of(folder).comparisons == verdict_of(whole).comparisons


def test_a_poisoned_test_split_changes_nothing_but_its_own_numbers(confirmed, run_search, tmp_path):
    whole, _ = confirmed
    config = read_config(whole)
    storage = tmp_path / "poisoned"
    (storage / ".packs").mkdir(parents=True)
    poison(config["data"]["pack"], storage / ".packs")
    arguments = (*SIZE, "--references", "all", "--confirm", "2", "--concurrency", "1")
    out = run_through(run_search, "cnn", "--name", "confirmed", *arguments, "--storage", storage)
    assert "pack found again" in out
    folder = StudyFolder(storage / "confirmed")
    assert curves(folder) == curves(whole)
    ours, theirs = (read_trials(each).to_pylist() for each in (folder, whole))
    timed = {"seconds", "gpu_seconds", "images_per_second", "node", *TEST_METRICS}
    for own, other in zip(ours, theirs, strict=True):
        assert {name: own[name] for name in own.keys() - timed} == {
            name: other[name] for name in own.keys() - timed
        }
    assert verdict_of(folder).winner == verdict_of(whole).winner
    # Only then does the poison show.
    assert any(own["test_swd"] != other["test_swd"] for own, other in zip(ours, theirs, strict=True))


def poison(pack, folder):
    """Copy a pack with noise in place of its test photos."""
    path = Path(shutil.copy(pack, folder))
    batch = _map(path)
    images = _as_pack(batch, path).images.copy()
    test = np.flatnonzero(_as_pack(batch, path).split == 2)
    images[test] = np.random.default_rng(0).integers(0, 256, images[test].shape, np.uint8)
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), images[0].size),
        *batch.columns[1:],
    ]
    metadata = _metadata(batch)
    metadata.pop("checksum")
    poisoned = pa.record_batch(columns, schema=batch.schema.remove_metadata())
    checksum = _checksum(poisoned, metadata)
    _write(poisoned.replace_schema_metadata(metadata | {"checksum": checksum}), path)


@pytest.fixture(scope="module")
def unconfirmed(run_search, storage):
    """A study that ended without confirmations."""
    out = run_through(run_search, "cnn", "--name", "unconfirmed", *SIZE, "--references", "baseline")
    return StudyFolder(storage / "unconfirmed"), out


def test_what_is_not_confirmed_is_said_with_the_command_that_does_it(unconfirmed):
    folder, out = unconfirmed
    assert "Whether it beats the reference points is not confirmed: one seed." in out
    assert "--resume unconfirmed" in out
    assert "--confirm 2" in out
    assert any(row["test_swd"] is not None for row in read_trials(folder).to_pylist())


def age(folder):
    """Bring a study to what version 3 of the schema wrote: references among the trials asked for, no roles."""
    record = json.loads(folder.config.read_text())
    record["schema_version"] = 3
    for name in ("references", "confirm", "finalists"):
        del record["config"][name]
    record["config"]["trials"] += 1
    folder.config.write_text(json.dumps(record))
    young = {"role", "seed", "confirms", *TEST_METRICS}
    for file in (folder.trials, folder.compacted_epochs):
        table = pq.read_table(file)
        table = table.drop_columns([name for name in table.column_names if name in young])
        pq.write_table(table.replace_schema_metadata({"schema_version": "3"}), file)
    folder.resamples.unlink()
    lines = [line for line in folder.journal.read_text().splitlines(keepends=True) if '"test ' not in line]
    folder.journal.write_text("".join(lines))


def test_a_study_of_an_older_schema_opens_unconfirmed_and_can_be_confirmed(unconfirmed, run_search, tmp_path):
    storage = tmp_path / "old"
    folder = StudyFolder(storage / "unconfirmed")
    shutil.copytree(unconfirmed[0].path, folder.path)
    age(folder)
    assert "not confirmed" in str(verdict_of(folder))
    before = curves(folder)
    out = run_through(run_search, "--resume", "unconfirmed", "--storage", storage, "--confirm", "2")
    assert "measured on 20 photos that nothing was chosen by" in out
    rows = read_trials(folder).to_pylist()
    assert sum(row["role"] == "search" for row in rows) == 3
    assert {row["seed"] for row in rows if row["role"] == "confirmation"} == {1, 2}
    assert [row for row in curves(folder) if row["trial"] < 4] == before
    assert read_resamples(folder).schema.equals(RESAMPLES)


def test_a_study_whose_data_or_weights_changed_is_not_confirmed(unconfirmed, run_search, few_birds, tmp_path):
    folder = StudyFolder(tmp_path / "changed" / "unconfirmed")
    shutil.copytree(unconfirmed[0].path, folder.path)
    record = json.loads(folder.config.read_text())
    for name, value, message in (
        (("data", "fingerprint"), "0" * 64, "has changed since the study unconfirmed began"),
        (("encoder", "sha256"), "0" * 64, "have changed since the study unconfirmed began"),
    ):
        part, key = name
        folder.config.write_text(json.dumps({**record, part: {**record[part], key: value}}))
        refused = run_search("--resume", "unconfirmed", "--storage", folder.path.parent, "--confirm", "1")
        assert refused.returncode == 2
        assert message in refused.stderr
        assert len(refused.stderr.strip().splitlines()) <= 2
    assert read_trials(folder).num_rows == 4
