"""Where pretrained weights come from: real files, a real HTTP server, the real command."""

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from trainables.models import pretrained
from trainables.models.pretrained import MOBILENETV2, VGG, Network, WeightsError, load, resolve

SaveWeights = Callable[[keras.Model, Path], Path]
REPOSITORY = Path(__file__).resolve().parents[3]
NEEDED = "the encoder needs the weights of MobileNetV2 (width 1.0, include_top=False)"
REMEDY = "save them with model.save_weights('NAME.weights.h5'), or take imagenet or none."


def test_none_is_no_file() -> None:
    assert resolve(MOBILENETV2, "none") is None


def test_a_file_of_either_format_is_its_absolute_path(
    weights_file: Path, legacy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(weights_file.parent)

    assert resolve(MOBILENETV2, weights_file.name) == weights_file
    assert resolve(MOBILENETV2, str(legacy_file)) == legacy_file


def test_a_missing_file_and_one_of_another_kind_are_named_with_the_rule_and_the_remedy(
    tmp_path: Path,
) -> None:
    absent, other = tmp_path / "absent.h5", tmp_path / "weights.npz"
    other.touch()

    with pytest.raises(WeightsError) as error:
        resolve(MOBILENETV2, str(absent))
    assert str(error.value) == f"{absent} is not a file, but {NEEDED}: {REMEDY}"
    with pytest.raises(WeightsError) as error:
        resolve(MOBILENETV2, str(other))
    assert str(error.value) == f"{other} does not end in .h5, but {NEEDED} in such a file: {REMEDY}"


def _narrow(folder: Path, _: Path, save: SaveWeights) -> Path:
    model = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    return save(model, folder / "narrow.weights.h5")


def _another_network(folder: Path, _: Path, save: SaveWeights) -> Path:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Dense(2)])
    return save(model, folder / "other.weights.h5")


def _cut_out(folder: Path, legacy: Path, save: SaveWeights) -> Path:
    """A file in the older format that lacks the layers from the 100th on."""
    path = folder / "part.h5"
    path.write_bytes(legacy.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = file.attrs["layer_names"][:100]
    return path


def _named_but_absent(folder: Path, legacy: Path, save: SaveWeights) -> Path:
    """A file in the older format that names all its layers, and lacks one."""
    path = folder / "named.h5"
    path.write_bytes(legacy.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["Conv1"]
    return path


def _empty_hdf5(folder: Path, _: Path, save: SaveWeights) -> Path:
    path = folder / "empty.h5"
    h5py.File(path, "w").close()
    return path


@pytest.mark.parametrize("make", [_narrow, _another_network, _cut_out, _named_but_absent, _empty_hdf5])
def test_weights_of_another_network_are_refused(
    make: Callable[[Path, Path, SaveWeights], Path],
    tmp_path: Path,
    legacy_file: Path,
    save_weights: SaveWeights,
) -> None:
    path = make(tmp_path, legacy_file, save_weights)

    with pytest.raises(WeightsError) as error:
        resolve(MOBILENETV2, str(path))
    assert str(error.value) == f"{path} holds something else, but {NEEDED}: {REMEDY}"


@pytest.mark.parametrize(
    ("suffix", "kept"), [(".weights.h5", 0), (".weights.h5", 5_000_000), (".h5", 5_000_000)]
)
def test_a_damaged_file_is_refused(
    suffix: str, kept: int, tmp_path: Path, weights_file: Path, legacy_file: Path
) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes((weights_file if suffix == ".weights.h5" else legacy_file).read_bytes()[:kept])

    with pytest.raises(WeightsError) as error:
        resolve(MOBILENETV2, str(path))
    assert str(error.value) == f"{path} is damaged or no HDF5 file, but {NEEDED}: {REMEDY}"


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, legacy_file: Path) -> None:
    path = tmp_path / "diverged.h5"
    path.write_bytes(legacy_file.read_bytes())
    with h5py.File(path, "r+") as file:
        file["block_3_expand/block_3_expand/kernel:0"][0, 0, 0, 0] = np.nan

    with pytest.raises(WeightsError, match="holds NaN or infinity"):
        resolve(MOBILENETV2, str(path))


@pytest.mark.parametrize("name", ["whole.h5", "whole.weights.h5"])
def test_the_code_in_a_file_with_a_whole_model_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    def code(x: object) -> object:
        from pathlib import Path

        Path(touched).touch()
        return x

    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3), keras.layers.Lambda(code)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the format is old
        model.save(tmp_path / "whole.h5")
    path = (tmp_path / "whole.h5").rename(tmp_path / name)
    touched.unlink(missing_ok=True)

    with pytest.raises(WeightsError, match="holds something else"):
        resolve(MOBILENETV2, str(path))
    assert not touched.exists()


@pytest.mark.parametrize("name", ["weights.h5", "vgg.weights.h5"])
def test_a_pickle_in_the_place_of_weights_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    path, touched = tmp_path / name, tmp_path / "touched"
    path.write_bytes(b"cpathlib\nPath.touch\n(cpathlib\nPath\n(V" + str(touched).encode() + b"\ntRtR.")

    with pytest.raises(WeightsError, match="no HDF5 file"):
        resolve(MOBILENETV2, str(path))
    assert not touched.exists()


class Download:
    """What a server answers: `content`, or only its first `sent` bytes; and a network whose weights lie there."""

    def __init__(self, url: str) -> None:
        self.mobilenet = replace(MOBILENETV2, url=f"{url}/mobilenet_no_top.h5")
        self.vgg = replace(VGG, url=f"{url}/vgg16_no_top.h5")
        self.content = b""
        self.sent: int | None = None
        self.requests = 0


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Download]:
    """A server in the place of Keras' own, and an empty Keras cache in `tmp_path`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            download.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(download.content)))
            self.end_headers()
            self.wfile.write(download.content[: download.sent])

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    download = Download(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    yield download
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
@pytest.mark.parametrize("legacy", [False, True], ids=["weights.h5", "h5"])
def test_a_file_tells_which_vgg_it_is_of(
    architecture: str,
    legacy: bool,
    vgg16_weights: Path,
    vgg19_weights: Path,
    write_legacy: Callable[[keras.Model, Path], Path],
    tmp_path: Path,
) -> None:
    path = {"vgg16": vgg16_weights, "vgg19": vgg19_weights}[architecture]
    model = load(VGG, path, side=64)
    if legacy:
        model = load(VGG, write_legacy(model, tmp_path / "legacy.h5"), side=64)

    assert (model.name, model.input_shape) == (architecture, (None, 64, 64, 3))
    with h5py.File(path) as file:
        last = sum(name.startswith("conv2d") for name in file["layers"]) - 1
        assert np.array_equal(file[f"layers/conv2d_{last}/vars/0"], model.layers[-2].kernel)


def test_each_network_refuses_the_others_weights_and_names_its_own(
    weights_file: Path, vgg16_weights: Path
) -> None:
    with pytest.raises(WeightsError) as error:
        resolve(VGG, str(weights_file))
    assert str(error.value) == (
        f"{weights_file} holds something else, but the perceptual loss needs the weights of VGG16 or VGG19"
        f" (include_top=False): {REMEDY}"
    )
    with pytest.raises(WeightsError) as error:
        resolve(MOBILENETV2, str(vgg16_weights))
    assert str(error.value) == f"{vgg16_weights} holds something else, but {NEEDED}: {REMEDY}"


@pytest.mark.parametrize("network", [MOBILENETV2, VGG], ids=["mobilenetv2", "vgg"])
def test_imagenet_lies_where_keras_itself_looks(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def get_file(name: str, address: str, **_: object) -> None:
        asked.append((name, address))
        raise LookupError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(LookupError):
        getattr(keras.applications, network.architectures[0])(
            input_shape=(224, 224, 3), include_top=False, weights="imagenet"
        )
    assert asked == [(network.url.rpartition("/")[2], network.url)]


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_imagenet_is_downloaded_once_into_keras_cache(
    download: Download, tmp_path: Path, legacy_file: Path
) -> None:
    download.content = legacy_file.read_bytes()

    path = resolve(download.mobilenet, "imagenet")

    assert path == tmp_path / "models" / "mobilenet_no_top.h5"
    assert path.read_bytes() == download.content
    assert left_in(tmp_path) == [path]
    assert resolve(download.mobilenet, "imagenet") == path
    assert download.requests == 1


def test_imagenet_of_vgg_is_a_file_of_vgg16(
    download: Download,
    tmp_path: Path,
    vgg16_weights: Path,
    write_legacy: Callable[[keras.Model, Path], Path],
) -> None:
    download.content = write_legacy(load(VGG, vgg16_weights, side=32), tmp_path / "served.h5").read_bytes()

    path = resolve(download.vgg, "imagenet")

    assert path == tmp_path / "models" / "vgg16_no_top.h5"
    assert load(VGG, path, side=32).name == "vgg16"


def test_a_download_that_breaks_off_leaves_nothing(
    download: Download, tmp_path: Path, legacy_file: Path
) -> None:
    download.content, download.sent = legacy_file.read_bytes(), 100_000

    with pytest.raises(
        WeightsError, match=r"^imagenet cannot be downloaded from http://127.0.0.1:\d+/.* take none\.$"
    ):
        resolve(download.mobilenet, "imagenet")
    assert left_in(tmp_path) == []


def test_a_download_of_something_else_leaves_nothing(download: Download, tmp_path: Path) -> None:
    download.content = b"<html>Please log in to this network</html>"

    with pytest.raises(
        WeightsError, match=r"^imagenet was downloaded .* is no file of these weights \(42 bytes\)"
    ):
        resolve(download.mobilenet, "imagenet")
    assert left_in(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_named_with_what_to_do(download: Download, tmp_path: Path) -> None:
    cached = tmp_path / "models" / "mobilenet_no_top.h5"
    cached.parent.mkdir()
    cached.write_bytes(b"half a file")

    with pytest.raises(WeightsError) as error:
        resolve(download.mobilenet, "imagenet")
    assert str(error.value) == (
        f"{cached}, which imagenet stands for, is damaged: delete it, and it is downloaded again."
    )
    assert download.requests == 0


def test_a_cache_that_cannot_be_written_is_named(
    download: Download, tmp_path: Path, legacy_file: Path
) -> None:
    download.content = legacy_file.read_bytes()
    (tmp_path / "models").touch()

    with pytest.raises(
        WeightsError, match=r"^imagenet cannot be written to .*models \(File exists\): set KERAS_HOME"
    ):
        resolve(download.mobilenet, "imagenet")


def command(network: str, spec: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainables.models.pretrained", network, spec],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
    )


def test_the_command_prints_the_path_and_nothing_else(
    weights_file: Path,
    vgg16_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for network, path in (("mobilenetv2", weights_file), ("vgg", vgg16_weights)):
        monkeypatch.setattr(sys, "argv", ["pretrained", network, str(path)])

        assert pretrained.main() == 0
        assert capfd.readouterr() == (f"{path}\n", "")


def test_the_command_prints_an_empty_line_for_none() -> None:
    done = command("vgg", "none")

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_the_command_says_in_one_line_what_is_wrong_with_a_file_that_it_had_to_load(
    tmp_path: Path, save_weights: SaveWeights
) -> None:
    done = command("mobilenetv2", str(_empty_hdf5(tmp_path, tmp_path, save_weights)))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{tmp_path / 'empty.h5'} holds something else, but {NEEDED}: {REMEDY}\n"


def test_the_command_says_in_one_line_that_there_is_no_network(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = command("vgg", "imagenet", KERAS_HOME=str(tmp_path), https_proxy=nowhere, no_proxy="")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"imagenet cannot be downloaded from {VGG.url} (")
    assert done.stderr.endswith("or take none.\n")
    assert done.stderr.count("\n") == 1
    assert left_in(tmp_path) == []
