"""The page: one file that asks nothing of anybody, in light and dark, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.anonymity import check_anonymous
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.paper.report.pictures import embedded
from recoseg_hf.evaluation.paper.report.values import gather_values
from recoseg_hf.files import atomic_write

REPORT = "report.html"
_TEMPLATE = "page.html.jinja"


def write_report(folder: str | Path, output: str | Path | None = None) -> Path:
    """Write what `training/reproduce_paper.py` found as one HTML page, with its figures in it.

    It holds no name of a subject and no path, but pictures made of the cases where there are such: like the cases
    themselves, those of patients stay where they are.

    Args:
        folder: the script's `--output_dir`.
        output: the file; `report.html` in the folder by default.

    Returns:
        The file.

    Raises:
        InputError: the folder is none of that script, a figure cannot be read, or a text that would be shown looks
            like a path or names a subject; then nothing is written.
    """
    run = PaperFolder.read(folder)
    output = Path(output) if output else run.folder / REPORT
    values = gather_values(run)
    check_anonymous(values, run.subjects())
    pictures = {data: [embedded(file) for file in run.figures(data)] for data in run.results}
    page = render_report(values, pictures)
    with atomic_write(output) as path:
        path.write_text(page, encoding="utf-8")
    return output


def render_report(values: Mapping[str, Any], pictures: Mapping[str, list] | None = None) -> str:
    """Render the page.

    Args:
        values: of `gather_values`.
        pictures: of `pictures.embedded`, by data set.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["duration"] = _duration
    return environment.get_template(_TEMPLATE).render(values, pictures=pictures or {})


def _duration(seconds: float | None) -> str:
    """`45 s`, `12 min`, `3 h 05 min`."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
