import nbformat

from tests.conftest import NOTEBOOK


def test_the_notebook_is_committed_without_outputs():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


def test_the_notebook_analyses_two_studies_of_different_models(run_notebook, make_study):
    shown = run_notebook(make_study("garden", "pix2pix").path, make_study("reeds", "cnn", ("val_swd",)).path)
    assert "| garden | pix2pix | drawn birds | 9 |" in shown
    assert "### reeds" in shown
    assert shown.count("This study has no λ.") == 1
    assert "**Trial 3, the knee of 4 best trade-offs, dominates 1 of 2 reference points:" in shown
    assert "**Trial 2 beats all 2 reference points.**" in shown
    assert shown.count("[picture]") == 7 + 8  # a figure a question; learning rate and width instead of λ
