"""Secrets in the environment of a study: nothing that it writes or prints holds one, Ray's own logs included."""

import pytest

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "q7Rk2" * 8,
    "KAGGLE_KEY": "41d9" * 8,
    "KAGGLE_API_TOKEN": "KGAT9" * 7,
    "RAY_AUTH_TOKEN": "5e" * 32,
}


@pytest.mark.slow
def test_no_secret_is_written_or_printed(run_search, storage, ray_folder, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    settings = ("--trials", "1", "--epochs", "1", "--encoder-weights", "none", "--set", "depth=2")
    run = run_search("cnn", "--name", "secrets", *settings)
    assert run.returncode == 0, run.stderr
    files = [path for folder in (storage, ray_folder) for path in folder.rglob("*") if path.is_file()]
    assert {"study.json", "optuna.journal", "gcs_server.out"} <= {path.name for path in files}
    told = [(str(path), path.read_bytes()) for path in files]
    told += [("stdout", run.stdout.encode()), ("stderr", run.stderr.encode())]
    assert [
        (where, name) for where, text in told for name, value in SECRETS.items() if value.encode() in text
    ] == []
