"""The recorded trainings that come with the project, and what their page says of them."""

import re
import textwrap
from pathlib import Path

import pytest

from results.schema import EPOCHS, TRIALS
from results.store import open_study, read_config, read_epochs, read_trials

EVIDENCE = Path(__file__).resolve().parents[2] / "results" / "evidence"
PAGE = (EVIDENCE / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w-]+)` \| .* \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)


def test_the_page_names_every_table():
    assert {name for name, *_ in ROWS} == {file.parent.name for file in EVIDENCE.glob("*/study.json")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_table_holds_what_the_page_says_and_nothing_of_the_machine(row):
    folder = open_study(EVIDENCE / row[0])
    config, trials = read_config(folder)["config"], read_trials(folder).to_pylist()
    ended = [trial for trial in trials if trial["state"] != "RUNNING"]
    again = [trial for trial in ended if trial["confirms"] is not None]
    counted = config["image_size"], config["epochs"], len(ended) - len(again), len(again)
    assert counted == tuple(map(int, row[1:]))
    epochs = read_epochs(folder)
    assert {trial["trial"]: trial["epochs"] for trial in ended} == {
        trial: epochs["trial"].to_pylist().count(trial) for trial in set(epochs["trial"].to_pylist())
    }
    assert "/" not in "".join(str(config[name]) for name in ("encoder_weights", "enqueue", "warm_start"))


def test_the_pages_lines_load_a_table(monkeypatch):
    monkeypatch.chdir(EVIDENCE.parents[1])
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict = {}
    exec(textwrap.dedent(lines), names)
    assert len(names["epochs"]) == 65 * 16
    assert {"val_swd", "params.lambda", "train_real_accuracy"} <= set(names["epochs"].columns)
    assert set(names["trials"].columns) <= {
        *TRIALS.names,
        *(n for n in names["trials"] if n.startswith("params.")),
    }
    assert set(names["epochs"].columns) - set(names["trials"].columns) <= set(EPOCHS.names)
