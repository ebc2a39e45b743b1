import keras
import numpy as np
import pytest

from trainables.optimizer import apply, make_adam, restart, scaled

SHAPES = ((3, 4), (5,))


def variables() -> list[keras.Variable]:
    rng = np.random.default_rng(0)
    return [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in SHAPES]


def gradients(step: int, scale: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng([1, step])
    return [(scale * rng.normal(size=shape)).astype(np.float32) for shape in SHAPES]


@pytest.mark.parametrize("beta_1", [0.5, 0.9])
def test_it_moves_weights_and_moments_as_keras_adam_does(beta_1: float) -> None:
    mine, theirs = variables(), variables()
    ours = make_adam(mine, beta_1=beta_1, precision="float32")
    ours.learning_rate = 0.01
    expected = keras.optimizers.Adam(0.01, beta_1=beta_1)
    expected.build(theirs)
    for step in range(5):
        apply(ours, gradients(step), mine)
        expected.apply(gradients(step), theirs)
    for one, other in zip([*mine, *ours.variables], [*theirs, *expected.variables], strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


def test_a_step_gives_the_gradients_norm() -> None:
    mine = variables()
    norm = apply(make_adam(mine, beta_1=0.5, precision="float32"), gradients(0), mine)
    assert float(norm) == pytest.approx(np.sqrt(sum(np.square(g).sum() for g in gradients(0))))


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_restarted_it_has_forgotten_everything(precision: str) -> None:
    fresh = make_adam(variables(), beta_1=0.5, precision=precision)
    mine = variables()
    used = make_adam(mine, beta_1=0.5, precision=precision)
    for optimizer in (fresh, used):
        optimizer.learning_rate = 0.01
    apply(used, gradients(0), mine)
    restart(used)
    used.learning_rate = 0.01
    for one, other in zip(used.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


def test_under_float16_each_optimizer_scales_its_own_loss_and_leaves_out_a_step_that_overflows() -> None:
    mine, theirs = variables(), variables()
    first, second = (make_adam(weights, beta_1=0.5, precision="float16") for weights in (mine, theirs))
    scale = float(scaled(first, np.float32(1.0)))
    assert scale > 1000
    before = [weight.numpy() for weight in mine]
    overflowing = [np.full(shape, np.inf, np.float32) for shape in SHAPES]

    assert float(apply(first, overflowing, mine)) == 0.0
    for weight, old in zip(mine, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    assert float(scaled(first, np.float32(1.0))) == scale / 2
    assert float(scaled(second, np.float32(1.0))) == scale

    norm = apply(second, gradients(0, scale), theirs)
    assert float(norm) == pytest.approx(np.sqrt(sum(np.square(g).sum() for g in gradients(0))), rel=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_without_float16_a_loss_is_not_scaled(precision: str) -> None:
    loss = np.float32(2.5)
    assert scaled(make_adam(variables(), beta_1=0.5, precision=precision), loss) is loss
