"""RandAugment, of Keras's layers, in an order that a seed decides."""

import keras
import tensorflow as tf

NUM_OPS = 2


def operations(strength: float) -> list[keras.layers.Layer]:
    """Returns the operations that images are changed by, at a strength from 0 to 1.

    At 1 they are about as strong as at the end of the paper's scale, which is 30, so
    that 0.3 is the usual 9. Solarization is left out, since Keras draws its threshold
    from 0 up, where nearly every pixel is inverted. The layers have variables: they are
    not to be made in a `tf.function`.
    """
    layers, m = keras.layers, strength
    options = {"value_range": (0, 255), "dtype": "float32"}
    # A seed of its own would be drawn from Python's; it is never read, see `_applied`.
    seeded = {"seed": 0, "dtype": "float32"}
    return [
        layers.Identity(dtype="float32"),
        layers.RandomShear(x_factor=0.3 * m, **seeded),
        layers.RandomShear(y_factor=0.3 * m, **seeded),
        layers.RandomTranslation(0.45 * m, 0.0, **seeded),
        layers.RandomTranslation(0.0, 0.45 * m, **seeded),
        layers.RandomRotation(30 / 360 * m, **seeded),
        layers.RandomBrightness(0.45 * m, **seeded),
        layers.RandomColorDegeneration(0.9 * m, **seeded),
        layers.RandomContrast((0.9 * m, 0.9 * m), **seeded),  # down and up
        layers.RandomSharpness((0.5 - 0.45 * m, 0.5 + 0.45 * m), **seeded),
        layers.RandomPosterization([8 - round(4 * m)] * 2, **seeded),  # bits
        layers.AutoContrast(**options),
        layers.Equalization(**options),
    ]


def rand_augment(images, layers: list[keras.layers.Layer], first, indices) -> tf.Tensor:
    """Changes each image by two operations, drawn for it alone.

    `keras.layers.RandAugment` draws one pair for a whole batch, equalizes the images of
    a batch by their common histogram, turns them by up to a full circle times its factor,
    and keeps its random state in a variable, whose order in a pipeline of several
    threads is nobody's. Here its layers see one image at a time, with a seed that is
    given.

    Args:
        images: Shape `(batch, size, size, 3)`, from 0 to 255.
        layers: See `operations`.
        first: The seed's first number, int64.
        indices: Numbers of the images, int64, `(batch,)`: the seed's second.

    Returns:
        float32, shaped as the images.

    Reference: Cubuk, Zoph, Shlens & Le (2020), RandAugment, arXiv:1909.13719.
    """
    shape = images.shape[1:]

    def seed_of(i, use):
        return tf.stack([first, (NUM_OPS + 1) * i + use])

    def one(arguments):
        image, i = arguments
        chosen = tf.random.stateless_uniform(
            [NUM_OPS], seed_of(i, NUM_OPS), 0, len(layers), tf.int32
        )
        for number in range(NUM_OPS):
            seed = seed_of(i, number)
            image = tf.switch_case(
                chosen[number],
                [
                    lambda layer=layer, image=image, seed=seed: tf.ensure_shape(
                        _applied(layer, image, seed), shape
                    )
                    for layer in layers
                ],
            )
        return image

    images = tf.cast(images, tf.float32)
    return tf.map_fn(one, (images, indices), fn_output_signature=tf.float32)


def _applied(layer: keras.layers.Layer, image, seed) -> tf.Tensor:
    """A layer's output with this seed, whatever its own state is, which stays so."""
    generator = getattr(layer, "generator", None)
    state = [] if generator is None else [(generator.state, seed)]
    with keras.StatelessScope(state_mapping=state):
        return layer(image, training=True)
