"""Faults of all kinds at seeded random moments of one study."""

import os
import random
import signal
import time

import pytest

from results.ranking import rank
from results.store import StudyFolder, read_epochs, read_trials
from tests.cluster.conftest import SMALL
from tests.cluster.hosts import limit_memory, wait_until

pytestmark = pytest.mark.night

SEED = 0
TRIALS, EPOCHS = 4, 300
FAULTS = {
    "kill a trial": 6,
    "starve a trial of memory": 2,
    "kill Ray on a machine": 3,
    "cut a machine's power": 2,
    "cut a machine's network": 3,
    "give a machine notice": 1,
    "kill the study's process": 2,
    "fill the storage": 1,
    "cut the head's power": 1,
}
"""How often each comes."""


class Night:
    """A study that goes on through everything, and the faults."""

    def __init__(self, cluster, submit):
        self.cluster, self.submit = cluster, submit
        self.random = random.Random(SEED)
        self.folder = StudyFolder(cluster.studies / "chaos")
        self.runs = 0
        self.follower = None
        self.start(f"pix2pix --name chaos --trials {TRIALS} --epochs {EPOCHS} {SMALL}")

    def start(self, arguments="--resume chaos"):
        self.runs += 1
        self.follower = self.submit(f"chaos-{self.runs}", arguments)

    def epochs(self):
        return len(read_epochs(self.folder)) if self.folder.config.exists() else 0

    def wait_for_epochs(self):
        """Wait until the study has recorded one more."""
        before = self.epochs()

        def more():
            assert self.follower.poll() is None, self.cluster.output.read_text()[-4000:]
            return self.epochs() > before

        wait_until(more, f"an epoch after the first {before}")

    def machine_with(self, pattern):
        """A worker on which such a process runs, and its number."""
        found = []

        def look():
            for host in self.cluster.workers:
                found.extend((host, number) for number in host.find(pattern))
            return found

        wait_until(look, pattern)
        return self.random.choice(found)

    def strike(self, fault):
        """Bring a fault about, and after those that the study does not survive go on with it."""
        if fault == "kill a trial":
            os.kill(self.machine_with("^ray::Trial")[1], signal.SIGKILL)
        elif fault == "starve a trial of memory":
            with limit_memory(self.machine_with("^ray::Trial")[1], megabytes=1) as killed:
                wait_until(killed, "its end")
        elif fault == "kill Ray on a machine":
            os.kill(self.machine_with("raylet/raylet ")[1], signal.SIGKILL)
        elif fault == "cut a machine's power":
            host = self.random.choice(self.cluster.workers)
            host.cut_power()
            host.boot()
        elif fault == "cut a machine's network":
            self.random.choice(self.cluster.workers).cut_network(seconds=5)
        elif fault == "give a machine notice":
            host, _ = self.machine_with("raylet/raylet ")
            self.cluster.give_notice(host, seconds=2)
        elif fault == "kill the study's process":
            self.cluster.head.kill("^python -m search.run")
            self.follower.wait(timeout=60)
            self.start()
        elif fault == "fill the storage":
            with self.cluster.full_storage():
                assert self.follower.wait(timeout=120) != 0
            self.start()
        else:
            self.cluster.head.cut_power()
            self.cluster.cut_off()
            self.follower.wait(timeout=60)
            self.cluster.head.boot()
            self.cluster.ray("up", "-y", self.cluster.file)
            self.start()


def test_twenty_one_faults_in_one_study_lose_nothing(cluster, submit, accounted_for):
    cluster.wait_for_all()
    night = Night(cluster, submit)
    faults = [fault for fault, times in FAULTS.items() for _ in range(times)]
    night.random.shuffle(faults)
    recorded = []
    for fault in faults:
        night.wait_for_epochs()
        time.sleep(night.random.uniform(0, 3))
        night.strike(fault)
        rows = read_epochs(night.folder).to_pylist()
        assert all(row in rows for row in recorded), f"an epoch changed or was lost ({fault})"
        recorded = rows
    assert night.follower.wait(timeout=900) == 0, cluster.output.read_text()[-4000:]

    rows = accounted_for(night.folder.path, TRIALS, EPOCHS)
    after = read_epochs(night.folder).to_pylist()
    assert all(row in after for row in recorded)
    aside = [row["reason"] for row in rows.values() if row["state"] != "COMPLETE"]
    assert all("lost 3 workers in a row" in reason for reason in aside)
    ranked = rank(read_trials(night.folder), ("val_delta_e", "val_swd"))
    assert len(ranked) == TRIALS - len(aside)
