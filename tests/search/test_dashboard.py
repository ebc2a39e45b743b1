"""The live view: a real server, asked over HTTP."""

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

from results.store import open_study
from search.dashboard import make_dashboard


@pytest.fixture
def address(finished_study):
    path, _ = finished_study
    server = make_dashboard(open_study(path), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def test_the_study_is_served_with_all_its_trials(address):
    assert "<title>" in get(f"{address}/dashboard/studies/0")
    study = json.loads(get(f"{address}/api/studies/0"))
    assert len(study["trials"]) == 6
    assert study["name"] == "finished"


def test_the_gallery_is_served_too(address):
    page = get(f"{address}/gallery")
    assert "Pix2Pix λ 80" in page
    assert "data:image" in page


def test_the_record_cannot_be_changed(address):
    request = urllib.request.Request(f"{address}/api/studies/0", method="DELETE")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=20)
    with refusal.value as answer:
        assert answer.code == 405
    assert len(json.loads(get(f"{address}/api/studies/0"))["trials"]) == 6


def dashboard(*arguments):
    command = [sys.executable, "-m", "search.dashboard", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_port_that_is_taken_is_refused(finished_study):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = dashboard(finished_study[0], "--port", port)
    assert run.returncode == 2
    assert f"--port is {port}" in run.stderr


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    run = dashboard(tmp_path)
    assert run.returncode == 2
    assert str(tmp_path) in run.stderr
    assert "Traceback" not in run.stderr
