"""The weights of a trained block, for a block that computes the same."""

import keras

# What a block's weights do not depend on: names, how it is solved, how they began.
_OTHERS = {
    "name",
    "trainable",
    "kernel_initializer",
    "build_config",
    "shared_object_id",
    "rtol",
    "atol",
    "method",
    "gradient",
    "options",
    "remember_step",
    "nfe_prefix",
}


def take_over(block: keras.layers.Layer, earlier: keras.layers.Layer) -> bool:
    """Gives a block the weights of a trained one, if both compute the same function.

    How an ODE is solved may differ: the weights are those of its dynamics.

    Args:
        block, earlier: Blocks that are built. The first is changed, unless the result is
            false.

    Returns:
        Whether class and config are the same, as far as they tell what is computed, and
        the weights have the same shapes.
    """
    ours, theirs = (getattr(layer, "dynamics", layer) for layer in (block, earlier))
    if not (
        type(block) is type(earlier)
        and _function(block.get_config()) == _function(earlier.get_config())
        and [v.shape for v in ours.weights] == [v.shape for v in theirs.weights]
    ):
        return False
    ours.set_weights(theirs.get_weights())
    return True


def _function(config):
    """A config without what its weights do not depend on."""
    if not isinstance(config, dict):
        return config
    return {
        name: _function(value) for name, value in config.items() if name not in _OTHERS
    }
