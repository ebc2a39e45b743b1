"""The command line before a study begins: help, plans, and one clear message for what cannot be used."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from search.run import main


def test_help_and_dry_run_load_neither_tensorflow_nor_ray(few_birds, tmp_path):
    script = (
        "import sys; from search.run import main\n"
        f"main(['pix2pix', '--dry-run', '--data', {str(few_birds)!r}, '--storage', {str(tmp_path)!r}])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'ray'}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
    assert "lambda" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_tells_the_plan(run_search):
    run = run_search(
        "pix2pix", "--dry-run", "--trials", "7", "--references", "lambda-100", "lambda-80", "--confirm", "2"
    )
    assert run.returncode == 0
    for words in (
        "7 trials",
        "32 x 32 pixels",
        "experiments: Pix2Pix λ 100, Pix2Pix λ 80",
        "up to 3 finalists and these experiments once more on 2 fresh seeds",
        "made smaller to fit this machine",
    ):
        assert words in run.stdout


OUTSIDE = ("../x", "a/b", ".", "..", "/tmp/x", "")
"""Names that would leave the folder of all studies, or be it."""


def refused(run_search, storage, *arguments):
    """Run what must be refused, see that nothing is left of it, and give the message."""
    before = sorted(storage.iterdir())
    run = run_search(*arguments)
    assert run.returncode == 2, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(path for path in storage.iterdir() if path.name != ".packs") == [
        path for path in before if path.name != ".packs"
    ]
    return run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no model is named"),
        (["pix3"], "the model is pix3"),
        (["cnn", "--image-size", "48"], "must be a power of two of at least 32"),
        (["cnn", "--objective", "val_loss"], "val_loss"),
        (["cnn", "--set", "lambda=80"], "lambda is no parameter of this model"),
        (["pix2pix", "--set", "lambda=9000"], "between 10 and 1000"),
        (["cnn", "--data", "/no/such/folder"], "/no/such/folder"),
        (["pix2pix", "--encoder-weights", "/no/such.h5"], "/no/such.h5"),
        (["pix2pix", "--perceptual-weights", "/no/such.h5"], "imagenet, none or a file of weights"),
        (
            ["pix2pix", "--perceptual-weights", "auto"],
            "--perceptual-weights is auto, but must be imagenet, none",
        ),
        (["pix2pix", "--set", "perceptual_weight=1"], "--perceptual-weights"),
        (["--resume", "nobody"], "nobody"),
        *((["cnn", "--name", name], f"--name is '{name}'") for name in OUTSIDE),
        *((["--resume", name], f"--resume is '{name}'") for name in OUTSIDE),
        (["cnn", "--gpus-per-trial", "1"], "--gpus-per-trial is 1"),
        (["cnn", "--confirm", "0"], "--confirm is 0, but must be 1 or more"),
        (["cnn", "--finalists", "0"], "--finalists is 0, but must be 1 or more"),
        (["cnn", "--storage-of-mine", "x"], "--storage-of-mine"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_refused_in_one_message(run_search, storage, arguments, message):
    assert message in refused(run_search, storage, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--references", "x"], "--references is x, but must be all, none, or some of lambda-100"),
        (["--references", "all", "lambda-80"], "--references is all lambda-80, but all stands alone"),
        (
            ["--references", "mobilenetv2", "--set", "encoder=unet"],
            "--references is mobilenetv2, but this study's settings or weights do not allow for it",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_reference_points_that_cannot_be_trained_are_refused_in_one_message(
    tmp_path, capsys, arguments, message
):
    assert main(["pix2pix", "--storage", str(tmp_path), *arguments]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {message}")
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", ["../elsewhere", "/tmp/elsewhere", "victim"])
def test_a_study_whose_record_names_another_one_is_not_resumed(write_table, written):
    path = write_table([({}, "RUNNING", [3.0])], name="stranger")
    victim = write_table([({}, "RUNNING", [3.0])], name="victim")
    config = path / "study.json"
    record = json.loads(config.read_text())
    record["config"]["name"] = written
    config.write_text(json.dumps(record))
    before = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    run = subprocess.run(
        [sys.executable, "-m", "search.run", "--resume", "stranger", "--storage", victim.parent],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert written in run.stderr
    assert "Traceback" not in run.stderr
    assert {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()} == before


def test_a_folder_without_images_is_refused(run_search, storage, tmp_path):
    (tmp_path / "notes.txt").write_text("no bird")
    assert str(tmp_path) in refused(run_search, storage, "cnn", "--data", tmp_path)


@pytest.mark.slow
def test_too_few_images_are_refused_with_how_many_are_needed(run_search, storage, tmp_path):
    for number in range(3):
        Image.new("RGB", (40, 40), (number, 90, 40)).save(tmp_path / f"{number}.png")
    assert "20" in refused(run_search, storage, "cnn", "--data", tmp_path, "--encoder-weights", "none")


@pytest.mark.slow
def test_weights_of_another_network_are_refused(run_search, storage, tmp_path):
    import h5py

    weights = tmp_path / "other.weights.h5"
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"] = [1.0]
    for flag in ("--encoder-weights", "--perceptual-weights"):
        message = refused(run_search, storage, "pix2pix", flag, weights)
        assert f"{flag} {weights}: {weights} holds something else" in message


@pytest.mark.slow
def test_kid_without_a_trained_network_is_refused(run_search, storage):
    message = refused(run_search, storage, "cnn", "--objective", "val_kid", "--encoder-weights", "none")
    assert "--objective is val_kid" in message


@pytest.mark.parametrize(
    ("size", "model", "refused"),
    [
        ("64m", ("cnn",), "64 MiB free, but a study needs"),
        ("1g", ("cnn", "--set", "width=16"), None),
        ("1g", ("pix2pix", "--image-size", "128", "--set", "width=64"), "for the states of 1 trial at once"),
    ],
    ids=["tables", "small", "large"],
)
def test_a_storage_without_room_for_the_trials_at_once_is_refused(size, model, refused, tmp_path):
    run = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(tmp_path)], check=False)
    if run.returncode:
        pytest.skip("needs the right to mount a small file system (root)")
    try:
        command = [sys.executable, "-m", "search.run", *model, "--storage", str(tmp_path)]
        command += ["--concurrency", "1", "--dry-run"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == (2 if refused else 0)
        assert (refused or "It takes up to") in (run.stderr if refused else run.stdout)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
