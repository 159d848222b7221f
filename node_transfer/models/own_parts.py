"""Parts of the user's own, named `package.module:Name`. Imports no TensorFlow itself."""

import importlib
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from node_transfer.errors import UserError, first_line

if TYPE_CHECKING:
    import keras

_WORD = r"[^\W\d]\w*"
_NAME = re.compile(rf"{_WORD}(\.{_WORD})*:{_WORD}")


def is_own(name: str | None) -> bool:
    """Whether a name is meant for a part of the user's own, and not a row of a table."""
    return name is not None and ":" in name


def check_name(argument: str, name: str) -> None:
    """Raises `UserError` where a name is not of the form `package.module:Name`."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{argument} is {name!r}: name what is your own as package.module:Name."
        )


def import_own(argument: str, name: str) -> Any:
    """Returns what a name stands for; its module is looked for in the current folder too.

    Args:
        argument: What it was given as, for the message.
        name: `package.module:Name`.

    Raises:
        UserError: It cannot be imported.
    """
    check_name(argument, name)
    module, attribute = name.split(":")
    if os.getcwd() not in sys.path:  # a command of an installed package lacks it
        sys.path.append(os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise UserError(
            f"{argument} is {name!r} and there is no module {missing!r}: install its "
            "package, or start from the folder that it is in."
        ) from error
    except Exception as error:  # anything that the user's own code raises
        raise UserError(
            f"{argument} is {name!r} and importing its module fails "
            f"({type(error).__name__}: {first_line(error)}): correct the module."
        ) from error
    if not hasattr(found, attribute):
        raise UserError(
            f"{argument} is {name!r} and the module {module!r} has no {attribute!r}: "
            "correct the name."
        )
    return getattr(found, attribute)


def layer_class(argument: str, name: str) -> "type[keras.layers.Layer]":
    """Returns a class of Keras layers of the user's own.

    Raises:
        UserError: It cannot be imported, is no layer, or is not registered with Keras.
    """
    import keras  # not with the module: tables and reports wait for no TensorFlow

    found = import_own(argument, name)
    if not (isinstance(found, type) and issubclass(found, keras.layers.Layer)):
        raise UserError(
            f"{argument} is {name!r}, which is no class of Keras layers: derive it from "
            "keras.layers.Layer."
        )
    if keras.saving.get_registered_name(found) == found.__name__:
        raise UserError(
            f"{argument} is {name!r}, a class that no saved model could be loaded with: "
            "decorate it with keras.saving.register_keras_serializable."
        )
    return found


def make_layer(argument: str, name: str, /, *args, **kwargs) -> "keras.layers.Layer":
    """Makes a Keras layer of the user's own, one that a saved model brings back.

    Args:
        argument, name: As in `import_own`.
        *args, **kwargs: Of its constructor.

    Raises:
        UserError: As `layer_class`, or it cannot be made from these arguments, or from
            its config.
    """
    found = layer_class(argument, name)
    given = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    try:
        layer = found(*args, **kwargs)
    except Exception as error:  # anything that the user's own code raises
        raise UserError(
            f"{argument} is {name!r} and cannot be made as {found.__name__}({given}) "
            f"({first_line(error)}): give its constructor these arguments."
        ) from error
    try:
        found.from_config(layer.get_config())
    except Exception as error:
        raise UserError(
            f"{argument} is {name!r} and cannot be made from its own config "
            f"({first_line(error)}): give it a get_config that has every argument of its "
            "constructor."
        ) from error
    return layer


def make_backbone(name: str, image_size: int) -> "keras.Model":
    """Makes a backbone by a function of the user's own.

    Args:
        name: `package.module:function`, called with `input_shape=`.
        image_size: Height and width of the images, in pixels.

    Raises:
        UserError: It cannot be had, or is no functional model from such images to a
            feature map.
    """
    import keras

    function = import_own("backbone", name)
    shape = (image_size, image_size, 3)
    try:
        model = function(input_shape=shape)
    except Exception as error:
        raise UserError(
            f"backbone is {name!r} and cannot be called with input_shape={shape} "
            f"({first_line(error)}): correct the function."
        ) from error
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise UserError(
            f"backbone is {name!r}, which returns a {type(model).__name__}: return a "
            "functional Keras model, from images to a feature map."
        )
    shapes = model.input_shape, model.output_shape
    if shapes[0] != (None, *shape) or len(shapes[1]) != 4:
        raise UserError(
            f"backbone is {name!r}, which returns a model from {shapes[0]} to "
            f"{shapes[1]}: return one from {(None, *shape)} to a feature map (batch, "
            "height, width, channels)."
        )
    return model
