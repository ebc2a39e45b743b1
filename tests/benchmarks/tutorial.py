"""The baseline of the speed benchmarks: Pix2Pix as TensorFlow's tutorial trains it, written from its description.

https://www.tensorflow.org/tutorials/generative/pix2pix: Keras layers in float32, one forward pass of each network on
each picture, two gradient tapes, two Adams, one `tf.function` a step, and photos through `tf.data`: decoded, resized
and normalised once, kept by `cache`, then shuffled, augmented and batched. Only the sizes are ours: one gray channel
in, as many levels as the picture has, and the width that is asked for.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from PIL import Image

from trainables.data.pack import Pack

LAMBDA = 100.0

Step = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _initializer() -> keras.Initializer:
    return keras.initializers.RandomNormal(0.0, 0.02)


def _down(x: keras.KerasTensor, filters: int, *, normalise: bool = True) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        filters, 4, strides=2, padding="same", kernel_initializer=_initializer(), use_bias=False
    )(x)
    if normalise:
        x = keras.layers.BatchNormalization()(x)
    return keras.layers.LeakyReLU()(x)


def _up(x: keras.KerasTensor, filters: int, *, dropout: bool) -> keras.KerasTensor:
    x = keras.layers.Conv2DTranspose(
        filters, 4, strides=2, padding="same", kernel_initializer=_initializer(), use_bias=False
    )(x)
    x = keras.layers.BatchNormalization()(x)
    if dropout:
        x = keras.layers.Dropout(0.5)(x)
    return keras.layers.ReLU()(x)


def _generator(size: int, width: int) -> keras.Model:
    levels = size.bit_length() - 1
    filters = [width * min(2**level, 8) for level in range(levels)]
    gray = keras.Input((size, size, 1))
    x, skips = gray, []
    for level in range(levels):
        x = _down(x, filters[level], normalise=level > 0)
        skips.append(x)
    for stage, level in enumerate(reversed(range(levels - 1))):
        x = _up(x, filters[level], dropout=stage < 3)
        x = keras.layers.Concatenate()([x, skips[level]])
    colour = keras.layers.Conv2DTranspose(
        3, 4, strides=2, padding="same", kernel_initializer=_initializer(), activation="tanh"
    )(x)
    return keras.Model(gray, colour)


def _discriminator(size: int, width: int) -> keras.Model:
    gray, colour = keras.Input((size, size, 1)), keras.Input((size, size, 3))
    x = keras.layers.concatenate([gray, colour])
    x = _down(x, width, normalise=False)
    x = _down(_down(x, 2 * width), 4 * width)
    x = keras.layers.ZeroPadding2D()(x)
    x = keras.layers.Conv2D(8 * width, 4, kernel_initializer=_initializer(), use_bias=False)(x)
    x = keras.layers.LeakyReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.ZeroPadding2D()(x)
    return keras.Model([gray, colour], keras.layers.Conv2D(1, 4, kernel_initializer=_initializer())(x))


def make_step(size: int, width: int, learning_rate: float = 2e-4) -> Step:
    """A training step: gray `[n, s, s, 1]` and colour `[n, s, s, 3]`, float32 in -1..1, to the generator's loss."""
    generator, discriminator = _generator(size, width), _discriminator(size, width)
    generator_optimizer = keras.optimizers.Adam(learning_rate, beta_1=0.5)
    discriminator_optimizer = keras.optimizers.Adam(learning_rate, beta_1=0.5)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def step(gray: tf.Tensor, colour: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fake = generator(gray, training=True)
            on_real = discriminator([gray, colour], training=True)
            on_fake = discriminator([gray, fake], training=True)
            generator_loss = entropy(tf.ones_like(on_fake), on_fake) + LAMBDA * tf.reduce_mean(
                tf.abs(colour - fake)
            )
            discriminator_loss = entropy(tf.ones_like(on_real), on_real) + entropy(
                tf.zeros_like(on_fake), on_fake
            )
        for optimizer, network, loss, tape in (
            (generator_optimizer, generator, generator_loss, generator_tape),
            (discriminator_optimizer, discriminator, discriminator_loss, discriminator_tape),
        ):
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return generator_loss

    return step


def write_photos(pack: Pack, folder: Path) -> list[Path]:
    """The photos that a pack trains on, as files for `make_dataset`."""
    files = []
    for row in pack.indices("train"):
        files.append(folder / f"{row}.jpg")
        Image.fromarray(pack.images[row]).save(files[-1], quality=88)
    return files


def make_dataset(photos: Sequence[Path], size: int, batch_size: int) -> tf.data.Dataset:
    """Batches of (gray, colour), for `make_step`; the photos are decoded once, in the first pass."""

    def load(path: tf.Tensor) -> tf.Tensor:
        photo = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.image.resize(tf.cast(photo, tf.float32), (size, size)) / 127.5 - 1

    def jitter(colour: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # A tenth larger, cropped back at a random place, and mirrored half of the time.
        larger = size + size // 10
        colour = tf.image.random_crop(tf.image.resize(colour, (larger, larger)), (size, size, 3))
        colour = tf.image.random_flip_left_right(colour)
        return tf.image.rgb_to_grayscale(colour), colour

    files = tf.data.Dataset.from_tensor_slices([str(photo) for photo in photos])
    loaded = files.map(load, num_parallel_calls=tf.data.AUTOTUNE).cache()
    shuffled = loaded.shuffle(400).map(jitter, num_parallel_calls=tf.data.AUTOTUNE)
    return shuffled.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
