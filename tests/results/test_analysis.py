import html
import json
import os

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
    doubt = "is the best of the search. Whether it beats the reference points is not confirmed: one seed.**"
    assert f"**Trial 3, the knee of 4 best trade-offs, {doubt}" in shown
    assert f"**Trial 2 {doubt}" in shown
    assert shown.count("[picture]") == 7 + 8  # a figure a question; learning rate and width instead of λ


def test_the_notebook_shows_the_verdict_of_a_confirmed_study(run_notebook, confirmed_study):
    shown = run_notebook(confirmed_study.path)
    assert "**Trained anew on 2 fresh seeds and measured on" in shown
    assert (
        "| finalist less reference point, 95 % interval | CIEDE2000 | sliced Wasserstein distance |" in shown
    )
    assert "| test split | CIEDE2000 |" in shown
    assert shown.count("[picture]") == 9


def test_what_others_wrote_is_shown_and_fetches_nothing(run_notebook, make_study, monkeypatch):
    strange = "![robin](https://example.org/robin.png) <b>"
    studies = [make_study(name) for name in ("garden", "reeds")]
    for study, name in zip(studies, ("garden", strange), strict=True):
        record = json.loads(study.config.read_text())
        study.config.write_text(json.dumps(record | {"name": name}))
    monkeypatch.setattr("tests.conftest.unescape", lambda text: text)
    shown = run_notebook(*(study.path for study in studies))
    assert "](" not in shown
    assert "<" not in shown
    assert html.unescape(shown).count(strange) > 1


def test_relative_paths_are_meant_from_where_jupyter_was_started(run_notebook, make_study):
    shown = run_notebook(os.path.relpath(make_study("garden", "pix2pix").path, NOTEBOOK.parents[1]))
    assert "| garden | pix2pix | drawn birds | 9 |" in shown
