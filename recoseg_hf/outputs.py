"""What of a prediction may be written, by name; a command line is checked against it before anything heavy loads."""

from __future__ import annotations

from collections.abc import Collection

from recoseg_hf.errors import InputError

VOLUMES = ("t1ce", "probability", "residual", "uncertainty", "mask", "labels")
OUTPUTS = (*VOLUMES, "overview", "page")
"""What of a result may be asked for by name; its report is always there, and a T1ce's sidecar with the T1ce."""


def chosen_outputs(outputs: Collection[str] | None) -> tuple[str, ...]:
    """Return the names that were asked for in the order of `OUTPUTS`; all for None.

    Raises:
        InputError: there is no such output, or none was named.
    """
    if outputs is None:
        return OUTPUTS
    unknown = [name for name in outputs if name not in OUTPUTS]
    if unknown or not outputs:
        found = f"there is no {', '.join(map(repr, unknown))}" if unknown else "none is named"
        raise InputError(
            "outputs", found, f"names out of {', '.join(OUTPUTS)}", "Name some of these, or leave it out."
        )
    return tuple(name for name in OUTPUTS if name in outputs)
