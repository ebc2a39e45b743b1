import json
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from trainables import checkpoint
from trainables.checkpoint import CheckpointError

ARRAYS = {
    "kernel": np.arange(6000, dtype=np.float32).reshape(20, 300),
    "step": np.array(7, np.int64),
    "seed": np.array([1, 2], np.uint32),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "state.safetensors"
    checkpoint.save(path, ARRAYS, {"epoch": 3, "params": {"lambda": 100.0}})
    return path


def test_arrays_and_metadata_come_back_as_they_were(path: Path) -> None:
    arrays, metadata = checkpoint.load(path)
    assert metadata == {"epoch": 3, "params": {"lambda": 100.0}}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_an_array_that_is_not_contiguous_comes_back_in_its_shape(tmp_path: Path) -> None:
    turned = ARRAYS["kernel"].T
    checkpoint.save(tmp_path / "a", {"turned": turned}, {})
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "a")[0]["turned"], turned, strict=True)


def test_nothing_but_the_file_is_left_in_the_folder(path: Path) -> None:
    checkpoint.save(path, ARRAYS, {})
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_it_as_any_file(path: Path) -> None:
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("kept", [0, 5, 100, 20_000])
def test_a_file_cut_short_is_refused_with_its_path_and_the_remedy(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"state\.safetensors is damaged.*Take another checkpoint"):
        checkpoint.load(path)


def test_a_single_changed_byte_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"state\.safetensors is damaged.*checksum"):
        checkpoint.load(path)


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors is no file"):
        checkpoint.load(tmp_path / "none.safetensors")


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    save_file({"kernel": ARRAYS["kernel"]}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="was not written by this program"):
        checkpoint.load(tmp_path / "other.safetensors")


def test_metadata_that_are_no_object_are_refused(tmp_path: Path) -> None:
    content = "[1]"
    checksum = zlib.crc32(content.encode())
    header = json.dumps({"crc32": checksum, "metadata": content})
    save_file({}, tmp_path / "list.safetensors", metadata={"colorization_search": header})
    with pytest.raises(CheckpointError, match="its metadata is no JSON object"):
        checkpoint.load(tmp_path / "list.safetensors")


class Bomb:
    """What a pickle of strangers may hold: reading it touches a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, touched = tmp_path / "best.safetensors", tmp_path / "touched"
    path.write_bytes(pickle.dumps(Bomb(touched)))
    with pytest.raises(CheckpointError, match=r"best\.safetensors is damaged or no safetensors file"):
        checkpoint.load(path)
    assert not touched.exists()
    pickle.loads(path.read_bytes())
    assert touched.exists()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(path: Path) -> None:
    old = path.read_bytes()
    script = (
        "import resource, signal, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from trainables import checkpoint\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    checkpoint.save(Path(sys.argv[1]), {'big': np.zeros(100_000)}, {})\n"
        "except OSError as error:\n"
        "    sys.exit(str(error))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert "state.safetensors cannot be written" in run.stderr
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_the_files_place_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").mkdir()
    with pytest.raises(IsADirectoryError):
        checkpoint.save(tmp_path / "state.safetensors", ARRAYS, {})
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]
