import json
import os
import subprocess
import sys

SCRIPT = """
import gc, json, sys
import pandas
from trainables.backend import import_backend

import_backend()
names = ("keras", "tensorflow", "pandas", "matplotlib", "sklearn")
print(json.dumps([gc.isenabled(), *(name in sys.modules for name in names)]))
import matplotlib.pyplot, sklearn.base
"""


def test_keras_comes_without_a_word_and_what_it_would_take_along_can_come_later() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
    )
    assert json.loads(run.stdout) == [True, True, True, True, False, False]
    assert run.stderr == ""
