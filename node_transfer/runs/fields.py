"""What the fields of a config say of themselves, beside type and default."""

import dataclasses
import types
import typing
from typing import Any

from node_transfer.errors import UserError

THE_DEFAULT = object()
_WORDS = {str: "a string", int: "an integer", float: "a number", bool: "True or False"}


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a field of a config is to those who go on with, compare and average runs.

    Attributes:
        matters: Whether it decides what is computed.
        varies: Whether it may differ between the runs of one model all the same.
        resolved: Whether it may be `None` until the run begins, which then fills it in.
        cold_start: What it is then, where the run starts from no other.
        before: What a run that was recorded without the field had in effect; left out:
            the field's default.
    """

    matters: bool = True
    varies: bool = False
    resolved: bool = False
    cold_start: Any = None
    before: Any = THE_DEFAULT


def declared(default: Any, **meaning: Any) -> Any:
    """Returns a field with a default and a `Meaning` that is not the usual one."""
    return dataclasses.field(default=default, metadata={"meaning": Meaning(**meaning)})


def meaning(field: dataclasses.Field) -> Meaning:
    """Returns what a field means to those who compare runs."""
    return field.metadata.get("meaning", Meaning())


def check_types(config: Any) -> None:
    """Checks every field of a config against its annotation.

    An annotation is one of `str`, `int`, `float` and `bool`, or that `| None`. A whole
    number is a `float` as well; `True` and `False` are no numbers.

    Raises:
        UserError: A value of another type.
    """
    annotations = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, annotation = getattr(config, field.name), annotations[field.name]
        several = isinstance(annotation, types.UnionType)
        allowed = typing.get_args(annotation) if several else (annotation,)
        fits = isinstance(value, allowed)
        if isinstance(value, bool):
            fits = bool in allowed
        elif float in allowed:
            fits |= isinstance(value, int)
        if not fits:
            wanted = " or ".join(_WORDS.get(kind, "None") for kind in allowed)
            raise UserError(f"{field.name} is {value!r}: pass {wanted}.")


def check_path(name: str, path: str | None) -> None:
    """Raises `UserError` for a path that TensorFlow and JSON have no characters for."""
    try:
        encoded = (path or "").encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"{name} is {path!r}, which is not UTF-8: pass a path that is."
        ) from None
    if encoded.startswith(b"~"):
        raise UserError(
            f"{name} is {path!r}, whose ~ no shell has replaced: pass the whole path, or "
            f"{'./' + path!r} where it is meant."
        )
    if b"\0" in encoded:
        raise UserError(f"{name} is {path!r}, with a null character in it: leave it out.")


def check_on_this_machine(name: str, path: str | None) -> None:
    """Raises `UserError` for an address, such as `gs://bucket`, to write to."""
    if path and "://" in path:
        raise UserError(
            f"{name} is {path!r}, which is an address: pass a folder of this machine, "
            "such as one at which that is mounted."
        )
