"""The paper's table, and the honest one: what `training/reproduce_paper.py` leaves in a folder, judged and shown.

`folder` reads it and `published` has the paper's own numbers; `table` sets both side by side. `claims` are sentences
and tests out of `evidence`. `equal_thresholds`, `setting_sweeps` (with `remembered`) and `label_curve` measure what
one number per row leaves open. `figures` and `report` show it.
"""
