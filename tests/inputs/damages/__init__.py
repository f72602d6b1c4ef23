"""What goes wrong with scans in practice, done to a case's folder; the numbers are those of `docs/reliability.md`.

`tests/inputs` tries each on this project, `benchmarks/compare_readers.py` on others as well. Imported in this order,
the modules enter their faults into `DAMAGES` as the tables show them.
"""

from tests.inputs.damages.doing import DAMAGES, Damage, each_scan, header, path, scan

from tests.inputs.damages import files, headers, cases, values  # isort: skip

__all__ = ["DAMAGES", "Damage", "cases", "each_scan", "files", "header", "headers", "path", "scan", "values"]
