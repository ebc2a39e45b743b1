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


SETTINGS = """
from trainables.backend import import_backend
import_backend()
import keras
print(keras.config.backend(), keras.config.image_data_format(), keras.config.floatx(), keras.config.epsilon())
print(keras.layers.Dense(1).dtype_policy.name)
"""


def test_keras_is_set_up_as_it_is_needed_whatever_else_it_is_used_for(tmp_path) -> None:
    settings = {
        "backend": "jax",
        "image_data_format": "channels_first",
        "floatx": "float16",
        "epsilon": 1e-3,
        "dtype_policy": "mixed_float16",
    }
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    own = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch"}
    run = subprocess.run(
        [sys.executable, "-c", SETTINGS], capture_output=True, text=True, check=True, env=os.environ | own
    )
    assert run.stdout.split() == ["tensorflow", "channels_last", "float32", "1e-07", "float32"]
