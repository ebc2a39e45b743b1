import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

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
    shown = run(monkeypatch, make_study("garden", "pix2pix").path, make_study("reeds", "cnn").path)
    assert "| garden | pix2pix | drawn birds | 9 |" in shown
    assert "### reeds" in shown
    assert shown.count("This study has no λ.") == 1
    assert shown.count("**Trial 2 beats all 2 reference points.**") == 2
    assert shown.count("[picture]") == 6 + 7  # a figure a question; learning rate and width instead of λ
