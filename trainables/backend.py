"""How TensorFlow and Keras come into a process: quietly, and without what Keras takes along and no training needs."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SPARED = ("matplotlib", "pandas", "sklearn")
"""Keras imports these wherever they are installed: to plot, to take tables, and to pass for one of their models."""

_FORMAT, _FLOAT, _EPSILON = "channels_last", "float32", 1e-7
"""What Keras is to have, whatever a user's own `keras.json` sets: networks and weights here are made for it."""

_SILENT = "TF_CPP_MIN_LOG_LEVEL", "3"


def import_backend() -> None:
    """Import TensorFlow and Keras, in two thirds of the time that they take by themselves.

    Keras comes with TensorFlow below it and with its own defaults, however else it is set up on this machine. A
    process that has imported one of `_SPARED` keeps it, and any may be imported later.
    """
    if "keras" in sys.modules:
        return
    # Not even errors: the graph optimiser logs one for each shortcut that it cannot take, and what matters is raised.
    os.environ.setdefault(*_SILENT)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    absent = [name for name in _SPARED if name not in sys.modules]
    collects = gc.isenabled()
    # Nothing of what is imported is garbage, and the collector would go through all of it again and again.
    gc.disable()
    # Python takes a module that is None here for one that cannot be imported.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        with silent_stderr():
            import keras
        keras.config.set_image_data_format(_FORMAT)
        keras.config.set_floatx(_FLOAT)
        keras.config.set_epsilon(_EPSILON)
        keras.config.set_dtype_policy(_FLOAT)
    finally:
        for name in absent:
            del sys.modules[name]
        if collects:
            gc.enable()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep the process's stderr shut: on import, TensorFlow's C++ code writes to it before it reads its log level.

    Whoever has set that level to hear more does.
    """
    name, silent = _SILENT
    if os.environ.get(name, silent) != silent:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
