"""The live view of a study: `python -m search.dashboard STUDY` serves optuna-dashboard on its journal, and our pages.

It works while the study runs and after, and it only looks: requests that would change the record are refused.
"""

import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Lock
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import tyro
from rich.console import Console

from results.ranking import objectives_of
from results.store import StudyError, StudyFolder, open_study, read_config, read_epochs, read_trials
from search.config import ConfigError
from search.live import say

HOST = "127.0.0.1"
"""This machine alone: the page knows no passwords. From elsewhere it is reached through an ssh tunnel."""
_NAMES = frozenset({HOST, "localhost"})
REFRESH = 30
"""Seconds after which a browser asks for the learning curves again."""

_OURS = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""What our pages may fetch: nothing."""
_UNFRAMED = "frame-ancestors 'none'"
_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_DRAWING = Lock()
"""Held while matplotlib draws, since its fonts are not for several threads."""

Application = Callable[..., Iterable[bytes]]


@dataclass(frozen=True)
class Command:
    """Show a study's learning curves, parameter importances and trials in the browser."""

    study: tyro.conf.Positional[Path]
    """The study's folder."""

    port: int = 8080
    """To serve on; 0 takes a free one."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the terminal calm."""


def make_dashboard(folder: StudyFolder, port: int) -> WSGIServer:
    """Make the server, already listening; `serve_forever` runs it.

    Raises
    ------
    ConfigError
        The port is taken, or the study has no journal or a damaged one.
    """
    import optuna_dashboard

    from search.mending import DamagedJournalError, load

    if not folder.journal.is_file():
        raise ConfigError(
            f"{folder.path} has no {folder.journal.name}: the study has not begun, or it was moved away."
        )
    try:
        pages = optuna_dashboard.wsgi(load(folder.journal))
    except DamagedJournalError as error:
        raise ConfigError(
            f"{folder.journal} is damaged ({error}): python -m search.run --resume {folder.path.name} mends it from"
            " the study's tables."
        ) from None
    try:
        return make_server(
            HOST, port, _answer_with(pages, folder), server_class=_Server, handler_class=_Quiet
        )
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"--port is {port}, which cannot be served on ({error}): take another, or 0."
        ) from None


def _answer_with(pages: Application, folder: StudyFolder) -> Application:
    """Optuna's pages, to be looked at, and ours as they are now."""
    from results.gallery import gallery_page

    ours: dict[str, Callable[[], str]] = {
        "/gallery": lambda: gallery_page(folder),
        "/curves": lambda: _curves_page(folder),
    }

    def answer(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        policy = f"{_OURS}; {_UNFRAMED}" if environ["PATH_INFO"] in ours else _UNFRAMED

        def start_response(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return respond(status, [*headers, ("Content-Security-Policy", policy)], *error)

        body = _answer(environ, start_response)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    def _answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if _host(environ) not in _NAMES:
            # A page from elsewhere may have had its own name lead here, to read the answer.
            start_response("421 Misdirected Request", [_TEXT])
            return [f"This dashboard answers to {' and '.join(sorted(_NAMES))} alone.\n".encode()]
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            start_response("405 Method Not Allowed", [_TEXT, ("Allow", "GET, HEAD")])
            return [b"This dashboard only looks: the study's journal is its record.\n"]
        page = ours.get(environ["PATH_INFO"])
        if page is None:
            return pages(environ, start_response)
        try:
            body = page().encode()
        except StudyError as error:
            start_response("500 Internal Server Error", [_TEXT])
            return [f"{error}\n".encode()]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [body]

    return answer


def _host(environ: dict[str, Any]) -> str:
    """The name by which a browser knows this server, without the port."""
    name = str(environ.get("HTTP_HOST", HOST))
    return name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name


def _curves_page(folder: StudyFolder) -> str:
    """All trials' learning curves, a panel an objective: Optuna's own show those of a single objective alone."""
    from results.plots import learning_curves

    config = read_config(folder)
    drawing = StringIO()
    with _DRAWING:
        learning_curves(
            read_trials(folder), read_epochs(folder), config.get("baselines") or {}, objectives_of(config)
        ).savefig(drawing, format="svg")
    picture = drawing.getvalue()
    name = escape(str(config.get("name", folder.path.name)))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{REFRESH}">
<title>{name}: learning curves</title>
<style>
body {{ margin: 24px; font: 16px/1.5 system-ui, sans-serif; color: #1d1d1f; background: #fff; }}
h1 {{ font-size: 24px; margin: 0 0 16px; }}
svg {{ display: block; width: 100%; max-width: 1400px; height: auto; }}
</style>
</head>
<body>
<h1>{name}</h1>
{picture[picture.index("<svg") :]}
</body>
</html>
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; the exit status is 0, or 2 where there is no such study or port."""
    console, errors = Console(), Console(stderr=True)
    command = tyro.cli(Command, args=arguments, prog="python -m search.dashboard")
    try:
        folder = open_study(command.study)
        server = make_dashboard(folder, command.port)
    except (ConfigError, StudyError) as error:
        say(errors, f"error: {error}")
        return 2
    say(console, f"study          http://{HOST}:{server.server_port}/dashboard/studies/0")
    say(console, f"curves         http://{HOST}:{server.server_port}/curves")
    say(console, f"gallery        http://{HOST}:{server.server_port}/gallery")
    ray_dashboard = read_config(folder).get("ray_dashboard")
    if ray_dashboard:
        say(
            console,
            f"Ray            {ray_dashboard} (while the study runs; `ray get-auth-token` prints its password)",
        )
    say(console, "Ctrl-C ends it.", style="dim")
    try:
        with warnings.catch_warnings():
            # That importances of few trials are rough is plain to see.
            warnings.filterwarnings("ignore", module="optuna")
            server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
