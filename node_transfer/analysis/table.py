"""A table, and the three ways in which it is written."""

import csv
import dataclasses
import io
import textwrap

from tabulate import tabulate


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of words.

    Attributes:
        name: The stem of its files.
        title: What stands above it.
        headers: One a column.
        rows: Each as long as `headers`.
        note: What a reader must know to read it.
    """

    name: str
    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    def text(self) -> str:
        """For a terminal."""
        table = _tabulate(self.rows, self.headers)
        return f"{self.title}\n\n{table}\n{textwrap.fill(self.note, 100)}\n"

    def markdown(self) -> str:
        """A Markdown document: title, table, note."""

        def escaped(row):
            return [cell.replace("|", "\\|") for cell in row]

        table = _tabulate([escaped(row) for row in self.rows], escaped(self.headers))
        return f"### {self.title}\n\n{table}\n\n{self.note}\n"

    def csv(self) -> str:
        """The same cells with commas."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.headers, *self.rows])
        return file.getvalue()


def _tabulate(rows, headers) -> str:
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
