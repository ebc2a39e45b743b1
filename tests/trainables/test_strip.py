"""The strips that people judge a model by."""

import numpy as np
import pytest
from PIL import Image

from trainables.data.pack import build_pack, open_pack
from trainables.strip import GAP, save_strip, strip, strip_photos


@pytest.fixture(scope="module")
def pack(few_birds, tmp_path_factory):
    return open_pack(build_pack(str(few_birds), 32, seed=0, cache=tmp_path_factory.mktemp("packs")).path)


def test_photos_are_of_the_validation_split_each_of_another_class(pack):
    rows = strip_photos(pack)
    assert len(rows) == 8
    assert set(rows) <= set(pack.indices("validation"))
    assert len(set(pack.labels[rows])) == 8
    assert np.array_equal(rows, strip_photos(pack))


def test_rows_are_gray_output_and_truth(pack):
    truths = pack.images[strip_photos(pack)]
    outputs = 255 - truths
    sheet = np.asarray(strip(outputs, truths))
    step = 32 + GAP
    assert sheet.shape == (3 * step - GAP, 8 * step - GAP, 3)
    for column in (0, 7):
        left = column * step
        gray, output, truth = (sheet[top : top + 32, left : left + 32] for top in (0, step, 2 * step))
        assert np.array_equal(output, outputs[column])
        assert np.array_equal(truth, truths[column])
        assert np.array_equal(gray[..., 0], gray[..., 2])
        luma = truths[column] @ np.array([0.299, 0.587, 0.114])
        assert np.abs(gray[..., 0] - luma).max() <= 1


def test_a_strip_is_written_whole_into_a_new_folder(tmp_path):
    path = tmp_path / "samples" / "epoch-001.png"
    sheet = Image.new("RGB", (20, 20), "red")
    save_strip(sheet, path)
    with Image.open(path) as written:
        assert written.getpixel((3, 3)) == (255, 0, 0)
    assert [file.name for file in path.parent.iterdir()] == ["epoch-001.png"]
