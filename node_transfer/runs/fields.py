"""What the fields of a config say of themselves, beside type and default."""

import dataclasses
from typing import Any

THE_DEFAULT = object()


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
