"""The paper's table, and the honest one: what `training/reproduce_paper.py` leaves in a folder, judged and shown.

`folder` reads it and `published` has the paper's own numbers; `table` sets both side by side, and so does
`summary_table` in the paper's own layout; `score_tables` says which scores there are, `caption` how they came about.
`claims` are sentences with `criteria`; `evidence` finds the `measurement` that each asks for, and `verdicts` says what
held. `equal_thresholds`, `setting_sweeps` and `label_curve` measure what one number per row leaves open. `figures` and
`report` show it.
"""
