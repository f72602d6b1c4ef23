"""How often the doctor is right, and how often it cries wolf, for `measure_doctor.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from doctor_fitting import fit_limits

from recoseg_hf.inference.doctor.judging import judge
from recoseg_hf.inference.doctor.limits import Limits
from recoseg_hf.inference.doctor.measuring import Measures
from recoseg_hf.inference.doctor.words import Suspicion

Features = dict[str, dict[str, tuple[Measures, str]]]
"""By subject and fault: the measures, and the scan or the two scans at fault."""


def count_rates(known: Features, train: Sequence[str], held_out: Sequence[str]) -> dict:
    """Judge every case with every fault, by limits that were chosen without that case.

    `held_out`: the limits are the command's own, chosen on `train`. `leave_one_out`: each of all cases is judged by
    limits chosen on all others.
    """
    found = {
        "held_out": judged(known, held_out, fitted(known, train)),
        "train": judged(known, train, fitted(known, train)),
        "leave_one_out": {},
    }
    for subject in known:
        limits = fitted(known, [other for other in known if other != subject])
        found["leave_one_out"] |= judged(known, [subject], limits)
    faults = [fault for fault in max(known.values(), key=len) if fault != "clean"]
    return {
        "n": {name: len(cases) for name, cases in found.items()},
        "clean": {name: false_alarms(cases) for name, cases in found.items()},
        "faults": {
            fault: {name: hits(fault, known, cases) for name, cases in found.items() if name != "train"}
            for fault in faults
        },
    }


def fitted(known: Features, subjects: Sequence[str]) -> Limits:
    """The limits from some subjects."""
    return fit_limits({one: {fault: found[0] for fault, found in known[one].items()} for one in subjects})


def judged(known: Features, subjects: Sequence[str], limits: Limits) -> dict[str, dict[str, list[Suspicion]]]:
    """What is suspected, by subject and fault."""
    return {one: {fault: judge(found[0], limits) for fault, found in known[one].items()} for one in subjects}


def false_alarms(cases: dict[str, dict[str, list[Suspicion]]]) -> dict:
    """How many clean cases are suspected of anything, and of what."""
    suspected = [{suspicion.cause for suspicion in faults["clean"]} for faults in cases.values()]
    causes = sorted(set().union(*suspected))
    return share(sum(map(bool, suspected)), len(cases)) | {
        "by_cause": {cause: sum(cause in one for one in suspected) for cause in causes}
    }


def hits(fault: str, known: Features, cases: dict[str, dict[str, list[Suspicion]]]) -> dict:
    """How often the fault's cause is named, and the right scan with it; how often only another cause is."""
    named = right = other = 0
    having = {subject: faults for subject, faults in cases.items() if fault in faults}
    for subject, faults in having.items():
        at_fault = known[subject][fault][1]
        hit = [one for one in faults[fault] if one.cause == cause_of(fault)]
        named += bool(hit)
        right += any(set(one.scans) == set(at_fault.split("-")) for one in hit) if at_fault else bool(hit)
        other += bool(faults[fault]) and not hit
    return share(named, len(having)) | {"right_scan": right, "only_another_cause": other}


def cause_of(fault: str) -> str:
    """The cause that the command should name for a fault."""
    starts = {
        "shift": "misplaced", "rotation": "misplaced", "flipped": "flipped", "swapped": "swapped", "head": "skull",
        "spacing": "spacing", "slice thickness": "spacing",
    }  # fmt: skip
    return next((cause for start, cause in starts.items() if fault.startswith(start)), "unlike")


def share(count: int, n: int) -> dict:
    """A count with its Wilson interval of 95 % (Wilson 1927, 10.1080/01621459.1927.10502953)."""
    if not n:
        return {"count": 0, "n": 0, "interval": [0.0, 1.0]}
    z, p = 1.959964, count / n
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    interval = [round(max((middle - half) / (1 + z**2 / n), 0), 3), round(min((middle + half) / (1 + z**2 / n), 1), 3)]
    return {"count": count, "n": n, "interval": interval}
