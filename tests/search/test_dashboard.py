"""What the dashboard answers, to whom, and that it only looks."""

import http.client
from concurrent.futures import ThreadPoolExecutor

import pytest

from results.store import StudyFolder
from search.journal import Journal


@pytest.fixture
def study(write_table):
    folder = StudyFolder(write_table([({}, "COMPLETE", [3.0, 2.0]), ({}, "PRUNED", [4.0])]))
    Journal(folder.journal, "table", ("val_swd",))
    return folder


@pytest.fixture
def ask(study, served):
    """The status, headers and body of an answer."""
    with served(study.path) as address:

        def ask(path, method="GET", **headers):
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            try:
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                connection.close()

        yield ask


@pytest.mark.parametrize("path", ["/gallery", "/curves", "/dashboard/studies/0"])
def test_a_page_is_for_this_machines_names_alone_and_for_no_frame(ask, path):
    status, headers, body = ask(path)
    assert (status, b"<html" in body.lower()) == (200, True)
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert ask(path, Host="localhost:8080")[0] == 200
    for elsewhere in ("evil.example", "evil.example:8080", "localhost.evil.example", ""):
        status, _, body = ask(path, Host=elsewhere)
        assert (status, b"<html" in body.lower()) == (421, False)


def test_a_head_has_no_body(ask):
    assert ask("/gallery", "HEAD")[::2] == (200, b"")


def test_looking_writes_nothing_however_many_look(ask, study):
    before = {path: path.stat().st_mtime_ns for path in study.path.rglob("*")}
    with ThreadPoolExecutor(6) as people:
        answers = list(people.map(ask, ["/gallery"] * 24))
    assert {(status, len(body)) for status, _, body in answers} == {(200, len(answers[0][2]))}
    assert {path: path.stat().st_mtime_ns for path in study.path.rglob("*")} == before
