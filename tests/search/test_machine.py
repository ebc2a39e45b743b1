"""Joining the Ray of this machine, or starting one."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """
from search.machine import connect

connect(None)
import ray

print(ray.get_runtime_context().gcs_address)
"""


def test_a_ray_that_is_gone_but_still_noted_on_the_machine_is_not_waited_for():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        noted = f"127.0.0.1:{unused.getsockname()[1]}"
    # Not below pytest's folders: Ray's sockets lie here, and their paths must be short.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        note = Path(folder) / "ray" / "ray_current_cluster"
        note.parent.mkdir()
        note.write_text(noted)
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | {"RAY_TMPDIR": folder},
            timeout=120,
        )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() not in ("", noted)
