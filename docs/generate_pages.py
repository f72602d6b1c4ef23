"""A hook of MkDocs: pages made of what stands elsewhere in the repository, so that nothing is written twice.

The front page is README.md, the command line is what `recoseg --help` knows, and guides are the README files of their
folders. A page of `docs/` takes in a section of another file where it has a line `<!-- section: FILE: HEADING -->`.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Page

ROOT = Path(__file__).resolve().parents[1]

PAGES = {
    "README.md": "index.md",
    "training/README.md": "training.md",
    "pipelines/README.md": "systems.md",
    "spaces_demo/README.md": "space.md",
    "recoseg_hf/pretrained/recoseg-small/README.md": "model_card.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files of the repository that are pages as they are, by the page's name."""

NAV = (
    (
        "Start",
        (
            ("Overview", "index.md"),
            ("Quickstart", "quickstart.md"),
            ("Gallery", "gallery.md"),
            ("Reliability", "reliability.md"),
            ("Performance", "performance.md"),
            ("Limits", "limits.md"),
        ),
    ),
    (
        "Guides",
        (
            ("Fine-tune at your site", "fine_tuning.md"),
            ("Publish on the Hub", "hub.md"),
            ("The Space", "space.md"),
            ("Training", "training.md"),
            ("Systems", "systems.md"),
        ),
    ),
    ("Reference", (("Python", "api.md"), ("Command line", "cli.md"), ("Model card", "model_card.md"))),
    ("Project", (("Contributing", "contributing.md"), ("Security", "security.md"), ("Changes", "changelog.md"))),
)
"""Headings and their pages, in order; a page that is not there is left out."""

_LINK = re.compile(r"(?P<mark>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")
_SECTION = re.compile(r"^<!-- section: (?P<file>\S+): (?P<heading>.+) -->$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lay out the menu."""
    there = {*PAGES.values(), "cli.md", *(file.name for file in (ROOT / "docs").glob("*.md"))}
    nav = [{heading: [{title: page} for title, page in pages if page in there]} for heading, pages in NAV]
    config.nav = nav
    config.watch += [str(ROOT / source) for source in PAGES]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of something else, and the pictures in them."""
    for source, page in PAGES.items():
        text = _FRONT_MATTER.sub("", (ROOT / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=rewrite_links(text, source)))
    files.append(File.generated(config, "cli.md", content=command_line()))
    for picture in sorted((ROOT / "benchmarks" / "results").glob("*.png")):
        files.append(File.generated(config, f"images/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put sections of other files where a page asks for them; links are written as they work in the repository."""

    def taken(match: re.Match[str]) -> str:
        text = (ROOT / match["file"]).read_text(encoding="utf-8")
        return rewrite_links(section(text, match["heading"]), match["file"])

    return rewrite_links(_SECTION.sub(taken, markdown), f"docs/{page.file.src_uri}")


def section(markdown: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level or above.

    Raises:
        ValueError: there is no such heading.
    """
    found = re.search(rf"^(#+) {re.escape(heading)}\n", markdown, re.MULTILINE)
    if not found:
        raise ValueError(f"no heading {heading!r}")
    rest = markdown[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rewrite_links(markdown: str, source: str) -> str:
    """Point a file's relative links to the pages and pictures of the site; a link to anything else becomes its text.

    Args:
        markdown: of the file.
        source: its path in the repository.
    """

    def rewritten(match: re.Match[str]) -> str:
        target = match["target"]
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if place in PAGES:
            return f"[{match['text']}]({PAGES[place]}{match['anchor'] or ''})"
        if place.startswith("docs/"):
            return f"{match['mark']}[{match['text']}]({place.removeprefix('docs/')}{match['anchor'] or ''})"
        if match["mark"] and place.startswith("benchmarks/results/"):
            return f"![{match['text']}](images/{posixpath.basename(place)})"
        return match["text"]

    return _LINK.sub(rewritten, markdown)


def command_line() -> str:
    """Return the help of `recoseg` and all its commands as Markdown."""
    import typer.main
    from typer.cli import get_docs_for_click

    from recoseg_hf.cli import app

    command = typer.main.get_command(app)
    context = command.make_context("recoseg", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="recoseg", title="Command line")
    return text.replace("# Command line\n", "# Command line\n\nAs `recoseg COMMAND --help` says it.\n", 1)
