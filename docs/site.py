"""What the site adds to docs/: formulas as MathML, and files from outside of it."""

import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
FORMULA = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r"^# (.*)$", re.MULTILINE)
NAMED = re.compile(r"\[([\w-]+\.md)\](?=\(\1[)#])")
OUTSIDE = re.compile(r"(?<=\]\()\.\./([\w/.-]+)(?=\))")


def on_files(files, config):
    """Adds the files of the project that pages at the top of docs/ link to."""
    linked = set()
    for page in Path(config.docs_dir).glob("*.md"):
        linked |= set(OUTSIDE.findall(page.read_text(encoding="utf-8")))
    for path in sorted(linked):
        if (ROOT / path).is_file():  # what is not there fails as a broken link
            files.append(_outside(path, config))
    return files


def _outside(path: str, config) -> File:
    # A Markdown file among them is a table to download, and no page of the site.
    if path.endswith(".md"):
        content = (ROOT / path).read_text(encoding="utf-8")
        return File.generated(config, f"{path}.txt", content=content)
    return File.generated(config, path, abs_src_path=str(ROOT / path))


def on_page_markdown(markdown, page, **_):
    """Writes formulas as MathML, which browsers show without a script."""
    if page.file.src_uri.count("/") == 0:
        markdown = OUTSIDE.sub(lambda match: _within(match[1]), markdown)
    markdown = NAMED.sub(lambda match: f"[{_title(match[1])}]", markdown)
    return FORMULA.sub(lambda match: convert(match[1].strip(), display="block"), markdown)


def _title(name: str) -> str:
    """What a page is called, for a link that has its file's name as its words."""
    path = Path(__file__).with_name(name)
    found = TITLE.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found[1] if found else name


def _within(path: str) -> str:
    return f"{path}.txt" if path.endswith(".md") else path
