"""What the tests of whole studies share."""

import time

import pytest
from optuna.trial import TrialState

from results.store import StudyFolder, read_config, read_epochs, read_trials
from search.journal import Journal, epochs_of

STATES = {TrialState.COMPLETE: "COMPLETE", TrialState.PRUNED: "PRUNED", TrialState.FAIL: "FAIL"}


@pytest.fixture(scope="session")
def wait_for():
    """Wait until a condition holds; a process that ends before that fails the test with what it printed."""

    def wait(condition, process, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            if process.poll() is not None:
                pytest.fail("it ended too early: " + "\n".join(process.communicate()))
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def accounted_for():
    """See that every trial ended, every epoch is there once, and tables and journal agree; give the rows."""

    def check(path, trials, epochs):
        rows = {row["trial"]: row for row in read_trials(path).to_pylist()}
        assert sorted(rows) == list(range(trials))
        table = read_epochs(path).to_pylist()
        seen = [(row["trial"], row["epoch"]) for row in table]
        assert len(seen) == len(set(seen))
        objectives = read_config(path)["objectives"]
        journal = Journal(StudyFolder(path).journal, path.name, objectives).trials()
        for number, row in rows.items():
            own = [one for one in table if one["trial"] == number]
            assert [one["epoch"] for one in own] == list(range(1, row["epochs"] + 1))
            assert row["state"] == STATES[journal[number].state]
            values = {one["epoch"]: tuple(one[name] for name in objectives) for one in own}
            assert epochs_of(journal[number]) == values
            if row["state"] == "COMPLETE":
                assert row["epochs"] == epochs
            if row["state"] == "PRUNED":
                assert row["epochs"] < epochs
        return rows

    return check
