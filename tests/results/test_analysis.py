import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "results" / "analysis.ipynb"


def run(monkeypatch: pytest.MonkeyPatch, *studies: Path) -> str:
    """Execute the notebook over studies and return everything it shows, `[picture]` for a picture."""
    monkeypatch.setenv("COLORIZATION_STUDIES", os.pathsep.join(map(str, studies)))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type == "display_data", output
            shown.append("[picture]" if "image/png" in output.data else output.data["text/markdown"])
    return "\n".join(shown)


def test_the_notebook_is_committed_without_outputs():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


def test_the_notebook_analyses_two_studies_of_different_models(monkeypatch, make_study):
    shown = run(
        monkeypatch, make_study("garden", "pix2pix").path, make_study("reeds", "cnn", ("val_swd",)).path
    )
    assert "| garden | pix2pix | drawn birds | 9 |" in shown
    assert "### reeds" in shown
    assert shown.count("This study has no λ.") == 1
    assert "**Trial 3, the knee of 4 best trade-offs, dominates 1 of 2 reference points:" in shown
    assert "**Trial 2 beats all 2 reference points.**" in shown
    assert shown.count("[picture]") == 7 + 8  # a figure a question; learning rate and width instead of λ


def test_the_notebook_analyses_a_study_that_was_really_run(monkeypatch, finished_study):
    path, _ = finished_study
    shown = run(monkeypatch, path)
    assert "| finished | pix2pix |" in shown
    assert shown.count("[picture]") == 7


def test_the_best_model_of_a_study_that_was_really_run_colours_a_photo(finished_study, few_birds, tmp_path):
    path, _ = finished_study
    photo = few_birds / "Robin" / "0.png"
    command = [sys.executable, "-m", "results.colorize", str(path), str(photo), "--out", str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert sorted(printed) == sorted(str(file) for file in tmp_path.iterdir())
    with Image.open(photo) as original, Image.open(tmp_path / "0-colored.png") as colored:
        assert colored.size == original.size
