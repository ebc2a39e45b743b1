import pytest
import tensorflow as tf

from trainables import hardware, loop
from trainables.loop import Training
from trainables.params import CnnParams
from trainables.precision import choose, with_and_without_xla

TRAINING = Training(CnnParams(width=8, depth=2), batch_size=4, seed=0, epochs=1)


def test_a_single_suitable_precision_is_taken_without_measuring() -> None:
    choice = choose(TRAINING, 32, ("float16",))
    assert (choice.precision, choice.images_per_second) == ("float16", {})


def test_of_several_the_fastest_is_taken_and_float32_unless_another_gains_by_it() -> None:
    choice = choose(TRAINING, 32, ("float32", "bfloat16"))
    rates = choice.images_per_second
    assert set(rates) == {"float32", "bfloat16"}
    assert min(rates.values()) > 0
    gains = rates["bfloat16"] >= 1.05 * rates["float32"]
    assert choice.precision == ("bfloat16" if gains else "float32")


@pytest.mark.parametrize("order", [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_every_suitable_precision_is_measured_whatever_their_order(order: tuple[str, ...]) -> None:
    assert list(choose(TRAINING, 32, order).images_per_second) == list(order)


def test_a_step_is_measured_with_xla_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "uses_gpu", lambda: True)
    assert min(with_and_without_xla(TRAINING, 32)) > 0


def test_a_step_that_xla_cannot_take_has_no_rate_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(step: object, depends_on: str) -> object:
        def call(luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
            raise tf.errors.InternalError(None, None, "CUDA_ERROR_INVALID_PTX")

        return call

    monkeypatch.setattr(hardware, "uses_gpu", lambda: True)
    monkeypatch.setattr(loop, "compiled", failing)
    with_xla, without = with_and_without_xla(TRAINING, 32)
    assert with_xla == 0
    assert without > 0
