"""A figure that has been written."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure that has been written.

    Attributes:
        name: Stem of its files: `NAME.svg`, `NAME.png`.
        caption: What stands below it; the paper's own for figures 1 to 12.
        description: What it shows, for those who cannot see it.
    """

    name: str
    caption: str
    description: str
