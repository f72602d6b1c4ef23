"""The paper's table as a page to read: what was run, what came out, which claims held.

`write_report` writes it. `values` gathers what is shown, `tables` lays scores out in cells, `pictures` takes figures
in, `words` says verdicts and findings in sentences, `page` renders `page.html.jinja`.
"""

from recoseg_hf.evaluation.paper.report.page import render_report, write_report
from recoseg_hf.evaluation.paper.report.values import gather_values

__all__ = ["gather_values", "render_report", "write_report"]
