"""A Pix2Pix study on a cluster of own machines, and what may happen to it in a night: nothing is lost."""

import pytest

from results.ranking import objectives_of
from results.store import read_config, read_epochs
from search.journal import Journal
from tests.cluster.hosts import limit_memory, wait_until
from tests.cluster.launcher import LONG, epochs_so_far, machines_of

pytestmark = pytest.mark.cluster


def went_on_elsewhere(cluster, rows):
    """See that all trials ended on the second worker."""
    assert {row["node"] for row in rows.values()} == {cluster.workers[1].name}


def test_a_trial_whose_process_is_killed_goes_on(cluster, study, complete):
    folder = study("killed", trials=2, epochs=LONG)
    before = epochs_so_far(folder)
    cluster.workers[0].kill("^ray::Trial")
    complete(folder, before=before)
    assert machines_of(folder) == {host.name for host in cluster.workers}


def test_a_trial_that_the_system_kills_for_want_of_memory_goes_on(cluster, study, complete):
    folder = study("memory", trials=2, epochs=LONG)
    before = epochs_so_far(folder)
    with limit_memory(cluster.workers[0].find("^ray::Trial")[0], megabytes=1) as killed:
        wait_until(killed, "its end")
    complete(folder, before=before)


def test_a_network_that_is_cut_for_5_seconds_costs_no_trial(cluster, study, complete):
    folder = study("cut-5", trials=2, epochs=LONG)
    before = epochs_so_far(folder)
    cluster.workers[0].cut_network(seconds=5)
    complete(folder, before=before)


def test_a_network_that_is_cut_for_60_seconds_costs_no_trial(cluster, study, complete):
    folder = study("cut-60", trials=2, epochs=5 * LONG)
    before = epochs_so_far(folder)
    cluster.workers[0].cut_network(seconds=60)
    complete(folder, epochs=5 * LONG, before=before)


def test_a_study_whose_process_was_killed_is_resumed(cluster, study, submit, complete):
    folder = study("driver", trials=2, epochs=LONG)
    cluster.head.kill("^python -m search.run")
    before = epochs_so_far(folder)
    resumed = submit("driver-again", "--resume driver")
    complete(folder, before=before)
    assert resumed.wait() == 0


def test_a_full_storage_ends_a_study_that_goes_on_when_there_is_room(cluster, study, submit, complete):
    folder = study("full", trials=2, epochs=LONG)
    with cluster.full_storage():
        wait_until(lambda: cluster.failed("full"), "the study's end")
    before = epochs_so_far(folder)
    resumed = submit("full-again", "--resume full")
    complete(folder, before=before)
    assert resumed.wait() == 0


def test_trials_of_a_machine_that_is_given_notice_go_on(cluster, study, complete):
    folder = study("notice", trials=2, epochs=LONG)
    before = epochs_so_far(folder)
    cluster.give_notice(cluster.workers[0], seconds=2)
    complete(folder, before=before)


def test_a_trial_goes_on_elsewhere_when_the_ray_of_its_machine_is_killed_and_the_machine_comes_back(
    cluster, study, complete
):
    folder = study("raylet", trials=2, epochs=LONG)
    before = epochs_so_far(folder)
    cluster.workers[0].kill("raylet/raylet ")
    went_on_elsewhere(cluster, complete(folder, before=before))


def test_a_trial_goes_on_elsewhere_when_its_machine_loses_power(cluster, study, complete):
    folder = study("power", trials=2, epochs=LONG)
    before = epochs_so_far(folder)
    cluster.workers[0].cut_power()
    try:
        went_on_elsewhere(cluster, complete(folder, before=before))
    finally:
        cluster.workers[0].boot()


def test_a_machine_that_joins_late_takes_trials(cluster, study, submit, complete):
    late = cluster.workers[0]
    late.cut_power()
    try:
        wait_until(lambda: late.name not in cluster.nodes(), "its loss")
        # More trials than there is time for, since nobody knows how long a machine takes to come back.
        folder = study("late", trials=100, epochs=LONG, machines=[cluster.workers[1]])
    finally:
        late.boot()
    wait_until(lambda: late.name in machines_of(folder), f"an epoch on {late.name}", seconds=600)
    cluster.ray("exec", cluster.file, "ray job stop late")
    # Not by the table, which is written a little later.
    begun = len(Journal(folder.journal, "late", objectives_of(read_config(folder))).trials())
    before = read_epochs(folder).to_pylist()
    resumed = submit("late-again", f"--resume late --trials {begun}")
    # Not by the last file, which the study that was stopped has left too.
    assert resumed.wait() == 0
    complete(folder, trials=begun, before=before)
