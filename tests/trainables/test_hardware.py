import os
import subprocess
import sys

import pytest

SCRIPT = """
from trainables import hardware
hardware.configure(1, {memory})
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads(), float(tf.constant(2.0) + 1))
"""


def test_tensorflow_starts_with_that_many_threads_and_without_a_word() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(memory=512)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert run.stdout == "1 3.0\n"
    assert run.stderr == ""


def test_a_process_whose_tensorflow_has_started_is_refused() -> None:
    import tensorflow as tf

    from trainables import hardware

    tf.constant(1.0)
    with pytest.raises(RuntimeError, match="cannot be modified after initialization"):
        hardware.configure(3, None)
