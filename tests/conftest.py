"""Data and studies that several tests share. What a clone may lack makes its tests skip, with the reason."""

import os
import subprocess
import sys
import warnings
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from optuna.trial import TrialState
from PIL import Image

from results.store import StudyFolder, read_config, read_epochs, read_trials
from search.journal import Journal
from search.outcome import epochs_of
from trainables.data.birds import SPECIES, draw_bird

NOTEBOOK = Path(__file__).parents[1] / "results" / "analysis.ipynb"
SHARED = Path(__file__).resolve().parents[2] / "shared"
STATES = {TrialState.COMPLETE: "COMPLETE", TrialState.PRUNED: "PRUNED", TrialState.FAIL: "FAIL"}


def pytest_xdist_auto_num_workers(config):
    """Two files of tests at a time, more would be short of memory; of those that break one cluster, one."""
    return 0 if config.option.markexpr in {"cluster", "night"} else min(2, os.cpu_count() or 1)


def _shared(relative):
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs {relative}, which lies beside the developers' checkout and is not part of it")
    return path


@pytest.fixture(scope="session")
def uk_garden_birds():
    """Folder of real photos, `withBackground/<Class>/(n).jpg`, 256 x 256 pixels."""
    return _shared("data/uk-garden-birds")


@pytest.fixture(scope="session")
def mobilenet_weights():
    """Real MobileNetV2 weights without top, in Keras 3's format."""
    return _shared("weights/mobilenet_v2_no_top.weights.h5")


@pytest.fixture(scope="session")
def save_weights():
    """Write a network's weights in Keras 3's format, and give the file back."""

    def save(network, path):
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "__array__ implementation", DeprecationWarning
            )  # Keras 3.15 on NumPy 2
            network.save_weights(path)
        return path

    return save


def _random_vgg(architecture):
    """A VGG without top, drawn after He et al. 2015, so that the signal keeps its size from layer to layer."""
    import keras

    network = getattr(keras.applications, architecture)(
        input_shape=(32, 32, 3), include_top=False, weights=None
    )
    rng = np.random.default_rng(0)
    network.set_weights(
        [
            rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:3])), weight.shape)
            if weight.ndim == 4
            else weight
            for weight in network.get_weights()
        ]
    )
    return network


@pytest.fixture(scope="session")
def vgg16_weights(tmp_path_factory, save_weights):
    """Random weights of VGG16 without top, in Keras 3's format."""
    return save_weights(_random_vgg("VGG16"), tmp_path_factory.mktemp("weights") / "vgg16.weights.h5")


@pytest.fixture(scope="session")
def vgg19_weights(tmp_path_factory, save_weights):
    """Random weights of VGG19 without top, in Keras 3's format."""
    return save_weights(_random_vgg("VGG19"), tmp_path_factory.mktemp("weights") / "vgg19.weights.h5")


@pytest.fixture(scope="session")
def few_birds(tmp_path_factory):
    """Folder of 120 drawn birds of 48 pixels, six of each species, as PNG files."""
    root = tmp_path_factory.mktemp("few birds")
    for label, species in enumerate(SPECIES):
        (root / species).mkdir()
        for number in range(6):
            bird = draw_bird(species, 48, np.random.default_rng([label, number]))
            Image.fromarray(bird).save(root / species / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def storage(tmp_path_factory):
    """Folder of the studies of this test run; they share its packs."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="session")
def start_search(storage, few_birds):
    """Start `python -m search.run` on the few birds, small enough for a test; the keywords are Popen's.

    Without reference points, unless they are asked for: then the trials are those that `--trials` counts.
    """

    def start(*arguments, **keywords):
        command = [sys.executable, "-m", "search.run", *map(str, arguments)]
        command += [] if "--storage" in arguments else ["--storage", str(storage)]
        if "--resume" not in arguments:
            # Measuring precisions takes seconds of each study, and its outcome would depend on the machine.
            for flag, value in (("--data", few_birds), ("--image-size", 32), ("--precision", "float32")):
                command += [] if flag in arguments else [flag, str(value)]
            command += [] if "--references" in arguments else ["--references", "none"]
            command += ["--set", "width=16"]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            **keywords,
        )

    return start


@pytest.fixture(scope="session")
def run_search(start_search):
    """Run `python -m search.run` to its end and give status, stdout and stderr."""

    def run(*arguments, **keywords):
        process = start_search(*arguments, **keywords)
        out, err = process.communicate(timeout=900)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def run_notebook(monkeypatch):
    """Execute the results notebook over studies and give all that it shows, as read: `[picture]` for a picture."""

    def run(*studies):
        monkeypatch.setenv("COLORIZATION_STUDIES", os.pathsep.join(map(str, studies)))
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        NotebookClient(
            notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
        ).execute()
        shown = []
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                assert output.output_type == "display_data", output
                shown.append(
                    "[picture]" if "image/png" in output.data else unescape(output.data["text/markdown"])
                )
        return "\n".join(shown)

    return run


@pytest.fixture(scope="session")
def damage():
    """Turn over one byte in the middle of a file, as a failing disk would."""

    def damage(path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)

    return damage


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
