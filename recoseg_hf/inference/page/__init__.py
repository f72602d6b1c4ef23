"""The page of one case: what was found, where, in which pictures, and how it came about.

`write_page` writes it. `scene` holds what the pictures are cut from, `slices` draws them, `contours` outlines a mask
as a path, `findings` says how much tumour and where, `provenance` what it was made with, and `page` puts them together
in `page.html.jinja`.
"""

from recoseg_hf.inference.page.page import render_page, write_page

__all__ = ["render_page", "write_page"]
