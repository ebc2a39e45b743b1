"""Adam in TensorFlow's fused kernel, and the scaling of losses that float16 needs. No learning rate schedules."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from trainables.params import Precision


class Adam(keras.optimizers.Adam):
    """Keras' Adam (Kingma and Ba 2015, the form before section 2.1, with epsilon beside the corrected root).

    One pass over weights, moments and gradients where Keras makes a dozen: on a CPU a large network's update would
    otherwise take as long as a fifth of its gradients.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Move a variable and its moments by a gradient of its shape."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )


def make_adam(
    variables: Sequence[keras.Variable], *, beta_1: float, precision: Precision
) -> keras.optimizers.Optimizer:
    """Adam for these variables, built; its learning rate is to be set.

    Under float16, which cannot hold small gradients, it comes with a loss scale of its own: pass the loss through its
    `scale_loss` before taking gradients. It leaves out a step whose gradients overflow.
    """
    optimizer = Adam(beta_1=beta_1)
    if precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def scaled(optimizer: keras.optimizers.Optimizer, loss: tf.Tensor) -> tf.Tensor:
    """What to differentiate instead of `loss` for an optimizer of `make_adam`."""
    return optimizer.scale_loss(loss) if _has_scale(optimizer) else loss


def apply(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable]
) -> tf.Tensor:
    """Take a step along gradients of a `scaled` loss, and give their norm, free of the scale, float32 scalar.

    Of a step that is left out, since its scale was too large, the norm is 0.
    """
    norm = tf.linalg.global_norm([tf.cast(gradient, tf.float32) for gradient in gradients])
    if _has_scale(optimizer):
        norm = tf.where(tf.math.is_finite(norm), norm / optimizer.dynamic_scale.value, 0.0)
    optimizer.apply(gradients, variables)
    return norm


def restart(optimizer: keras.optimizers.Optimizer) -> None:
    """Make an optimizer of `make_adam` forget all that it has seen, its learning rate too."""
    for variable in optimizer.variables:
        variable.assign(tf.zeros(variable.shape, variable.dtype))
    if _has_scale(optimizer):
        optimizer.dynamic_scale.assign(optimizer.initial_scale)


def _has_scale(optimizer: keras.optimizers.Optimizer) -> bool:
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
