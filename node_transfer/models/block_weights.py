"""The weights of a trained block, for a block that computes the same."""

import keras

# What a block's weights do not depend on: how its ODE is solved,
_SOLVER = {
    "rtol",
    "atol",
    "method",
    "gradient",
    "options",
    "remember_step",
    "nfe_prefix",
}
# and at any depth what its parts are called, and began as.
_ANYWHERE = {"name", "trainable", "build_config", "shared_object_id"}
_BEGINNINGS = "initializer"


def take_over(block: keras.layers.Layer, earlier: keras.layers.Layer) -> bool:
    """Gives a block the weights of a trained one, if both compute the same function.

    How an ODE is solved may differ; steps that a solver remembers are left alone.

    Args:
        block, earlier: Blocks that are built. The first is changed, unless the result is
            false.

    Returns:
        Whether class and config are the same, as far as they tell what is computed, and
        the weights have the same shapes.
    """
    ours, theirs = _weights(block), _weights(earlier)
    if not (
        type(block) is type(earlier)
        and _function(block) == _function(earlier)
        and [v.shape for v in ours] == [v.shape for v in theirs]
    ):
        return False
    for own, trained in zip(ours, theirs, strict=True):
        own.assign(trained)
    return True


def _weights(block: keras.layers.Layer) -> list[keras.Variable]:
    """All weights but the steps that a solver remembers."""
    memory = [
        id(getattr(block, name, None)) for name in ("first_step", "adjoint_first_step")
    ]
    return [v for v in block.weights if id(v) not in memory]


def _function(block: keras.layers.Layer) -> dict:
    """A block's config without what its weights do not depend on."""
    config = block.get_config()
    return _bare({name: config[name] for name in config if name not in _SOLVER})


def _bare(config):
    if isinstance(config, (list, tuple)):
        return [_bare(part) for part in config]
    if not isinstance(config, dict):
        return config
    return {
        name: _bare(value)
        for name, value in config.items()
        if name not in _ANYWHERE and not str(name).endswith(_BEGINNINGS)
    }
