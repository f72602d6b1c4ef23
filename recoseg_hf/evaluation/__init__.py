"""How good a prediction is: metrics with their edge cases stated, and whole cohorts with n and intervals.

`metrics` has the numbers of one pair of arrays, `comparison` those of one subject, `cohort` those of a folder of
subjects, and `intervals` says how sure they are.
"""
