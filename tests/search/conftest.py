"""What the tests of whole studies share."""

import logging
import shutil
import subprocess
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from results.store import StudyWriter, open_study, read_epochs
from search.config import StudyConfig
from search.dashboard import make_dashboard

DROPOUTS = (0.0, 0.05, 0.1, 0.14, 0.18, 0.22, 0.25, 0.3, 0.34, 0.4, 0.45, 0.5)
"""Of the configurations in `table`."""


@pytest.fixture(scope="session")
def wait_for():
    """Wait until a condition holds; a process that ends before that fails the test with what it printed."""

    def wait(condition, process):
        deadline = time.monotonic() + 400
        while not condition():
            if process.poll() is not None:
                pytest.fail("it ended too early: " + "\n".join(process.communicate()))
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def epochs_recorded():
    """How many epochs a study has recorded; none before it has begun."""

    def count(folder):
        return read_epochs(folder).num_rows if folder.config.exists() else 0

    return count


@pytest.fixture(scope="session")
def trials_of():
    """The numbers of the processes that a study's trials run in."""

    def find(process):
        found = set()
        for child in psutil.Process(process.pid).children(recursive=True):
            # Some of Ray's idle processes end in between.
            with suppress(psutil.NoSuchProcess):
                if " ".join(child.cmdline()).startswith("ray::Trial"):
                    found.add(child.pid)
        return found

    return find


@pytest.fixture(scope="module")
def ray_folder():
    """A folder that is Ray's for these tests alone: a study that finds another cluster's address noted would join it.

    Not below pytest's folders: Ray's sockets lie here, and their paths must be short.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        yield folder
    # Ray's daemons outlive a test that fails.
    subprocess.run(["pkill", "-9", "-f", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def tune_with_slots():
    """A context with Tune on a Ray of this process, with so many slots that all get a trial at once."""

    @contextmanager
    def context(slots):
        environment = {
            "RAY_AIR_NEW_OUTPUT": "0",
            "RAY_CHDIR_TO_TRIAL_DIR": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
            "TUNE_MAX_PENDING_TRIALS_PG": str(slots),
        }
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            for name, value in environment.items():
                patch.setenv(name, value)
            warnings.simplefilter("ignore")
            import ray
            from ray import tune

            ray.init(
                num_cpus=slots, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False
            )
            patch.setattr(logging.getLogger("ray.tune"), "level", logging.CRITICAL)
            yield tune
            ray.shutdown()

    return context


@pytest.fixture(scope="session")
def served():
    """A context with the address of a study's dashboard while it is served."""

    @contextmanager
    def serve(path):
        server = make_dashboard(open_study(path), 0)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return serve


@pytest.fixture
def write_table(tmp_path):
    """Write a study of the CNN as a table: for each trial its parameters, state and values an epoch.

    Parameters that are not given are those of the space's middle; a value stands for val_swd, and val_delta_e is 20
    less it; an epoch takes two seconds.
    """

    def write(trials, *, epochs=4, name="table"):
        config = StudyConfig(
            model="cnn",
            trials=len(trials),
            epochs=epochs,
            image_size=32,
            gpus_per_trial=0.0,
            settings=("width=32", "batch_norm=True", "head=rgb"),
        )
        writer = StudyWriter(tmp_path / name)
        writer.write_config(
            {
                "name": name,
                "model": "cnn",
                "objectives": ["val_swd"],
                "config": config.to_record(),
                "encoder": {"available": True},
            }
        )
        middle = {
            "depth": 3,
            "width": 32,
            "dropout": 0.25,
            "batch_norm": True,
            "head": "rgb",
            "learning_rate": 1e-3,
        }
        for number, (params, state, values) in enumerate(trials):
            for epoch, value in enumerate(values, 1):
                writer.record_epoch(
                    {
                        "trial": number,
                        "epoch": epoch,
                        "val_swd": value,
                        "val_delta_e": 20 - value,
                        "epoch_seconds": 2.0,
                        "gpu_seconds": 0.0,
                    }
                )
            writer.record_trial(
                {
                    "trial": number,
                    "state": state,
                    "epochs": len(values),
                    **{f"params.{key}": value for key, value in (middle | params).items()},
                }
            )
        writer.compact()
        return writer.folder.path

    return write


@pytest.fixture
def table(write_table):
    """A table of twelve full curves over the dropout, best in the middle, at 0.25, with a final value of 1."""
    return write_table(
        [
            (
                {"dropout": dropout},
                "COMPLETE",
                [final + bump for bump in (3.0, 1.5 + 0.2 * (number % 2), 0.6 - 0.2 * (number % 3), 0.0)],
            )
            for number, dropout in enumerate(DROPOUTS)
            for final in [1 + 10 * abs(dropout - 0.25)]
        ]
    )
