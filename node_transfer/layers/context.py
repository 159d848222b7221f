"""The tensors beside the state that conditional dynamics are given."""

import json

import keras
import tensorflow as tf


class ContextSpec:
    """What is known of an ODE layer's context before it is built: its dtypes.

    Args:
        solve_dtype: The dtype that floating contexts are given in.
    """

    def __init__(self, solve_dtype: str):
        self._solve_dtype = solve_dtype
        self._dtypes = None  # of the context, in its structure

    def noted(self, context):
        """The context as tensors, real or symbolic, with their dtypes remembered."""
        context = tf.nest.map_structure(_as_tensor, context)
        dtypes = tf.nest.map_structure(self._given_dtype, context)
        self._dtypes = json.loads(json.dumps(dtypes))
        return context

    def _given_dtype(self, x) -> str:
        dtype = tf.as_dtype(x.dtype)
        return self._solve_dtype if dtype.is_floating else dtype.name

    def cast(self, context):
        """A context as the dynamics get it: floating tensors in the solve's dtype."""
        return tf.nest.map_structure(
            lambda x: x if x is None else tf.cast(x, self._given_dtype(x)), context
        )

    def tensor_specs(self, shapes):
        """A `tf.TensorSpec` for each tensor of a context of these shapes."""
        if shapes is None:
            return None
        return _specs(shapes, self._dtypes or self._solve_dtype)

    def as_dict(self) -> dict:
        """For a layer's build config; empty where there is no context."""
        return {} if self._dtypes is None else {"context_dtypes": self._dtypes}

    def read(self, build_config: dict) -> None:
        """Takes what `as_dict` gave."""
        self._dtypes = build_config.get("context_dtypes")


def _as_tensor(x):
    return x if isinstance(x, keras.KerasTensor) else tf.convert_to_tensor(x)


def is_shape(shapes) -> bool:
    """Whether it is the shape of one tensor, and not a structure of shapes."""
    return not isinstance(shapes, dict) and all(
        n is None or isinstance(n, int) for n in shapes
    )


def _specs(shapes, dtypes):
    """Specs in the structure of the shapes; one dtype, or one for each of them."""
    if isinstance(shapes, dict):
        one = isinstance(dtypes, str)
        return {k: _specs(v, dtypes if one else dtypes[k]) for k, v in shapes.items()}
    if is_shape(shapes):
        return tf.TensorSpec(shapes, dtypes)
    if isinstance(dtypes, str):
        dtypes = [dtypes] * len(shapes)
    return [_specs(*pair) for pair in zip(shapes, dtypes, strict=True)]
