"""Two systems on the same subjects: by how much one is better, subject by subject."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from recoseg_hf.evaluation.folders import named
from recoseg_hf.evaluation.intervals import paired_difference_interval, paired_ratio_difference_interval
from recoseg_hf.evaluation.scores import OPTIONAL_SECTIONS, SECTIONS, Terms
from recoseg_hf.evaluation.sign_flips import paired_ratio_p, sign_flip_p


def paired_differences(
    result: Mapping,
    baseline: Mapping,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    sections: Collection[str] = tuple(SECTIONS),
) -> dict:
    """Compare two results of `aggregate` on the same subjects.

    Subjects are paired, since what differs most between two scores is how hard their subjects are. The intervals are
    by subject, as those of `aggregate`, and each draw takes the same subjects for both systems.

    Args:
        result: of one system, with its `subjects`, each with a name (or a hash of it) under `subject`.
        baseline: of the other, with the same subjects in any order, region and protocol.
        seed: of the bootstrap, as are `resamples` and `level`.
        sections: those wanted.

    Returns:
        JSON values: `protocol`, `region`, `n` and `bootstrap` as in `aggregate`, and under each section that the
        subjects of both have (`volume`, `slice`, `pooled`, `millilitres`, `surface`, `lesions`, `synthesis`) for each
        score: `value` (result - baseline) and `interval`, both over the `n` subjects that have the score in both;
        `n_undefined`, the others; in how many of the n it is `higher` and `lower`; and `p`, two-sided, of
        `sign_flips.paired_ratio_p`, None without a subject.

    Raises:
        ValueError: the subjects, regions or protocols differ, or a subject is missing its name or stands twice.
    """
    for name in ("protocol", "region"):
        if result[name] != baseline[name]:
            raise ValueError(f"expected results of one {name}; found {result[name]!r} and {baseline[name]!r}")
    pairs = _pairs(result, baseline)
    bootstrap = {"seed": seed, "resamples": resamples, "level": level}
    kept = {
        section: scores
        for section, scores in SECTIONS.items()
        if section in sections
        and (section not in OPTIONAL_SECTIONS or all(record.get(section) for pair in pairs for record in pair))
    }
    return {
        "protocol": result["protocol"],
        "region": result["region"],
        "n": len(pairs),
        "bootstrap": bootstrap,
        **{
            section: {name: _difference(pairs, terms, bootstrap) for name, terms in scores.items()}
            for section, scores in kept.items()
        },
    }


def _pairs(result: Mapping, baseline: Mapping) -> list[tuple[Mapping, Mapping]]:
    sides = [_by_subject(one) for one in (result, baseline)]
    if apart := sorted(sides[0].keys() ^ sides[1].keys()):
        raise ValueError(f"expected the same subjects in both results; {named(apart)} in one of them only")
    return [(record, sides[1][subject]) for subject, record in sides[0].items()]


def _by_subject(result: Mapping) -> dict[str, Mapping]:
    records = result.get("subjects") or []
    found = {record["subject"]: record for record in records if "subject" in record}
    if not found or len(found) != len(records):
        raise ValueError(f"{len(records)} subjects under {len(found)} names; expected each, once, with a name")
    return found


def _difference(pairs: Sequence[tuple[Mapping, Mapping]], terms: Terms, bootstrap: Mapping) -> dict:
    both = [tuple(terms(record) for record in pair) for pair in pairs]
    defined = [(a, b) for a, b in both if a[1] and b[1]]
    sides = list(zip(*defined, strict=True)) or [(), ()]
    interval = paired_ratio_difference_interval(*sides, **bootstrap)
    own = [(a[0] / a[1], b[0] / b[1]) for a, b in defined]
    return {
        "value": _ratio(sides[0]) - _ratio(sides[1]) if defined else None,
        "interval": list(interval) if interval else None,
        "n": len(defined),
        "n_undefined": len(both) - len(defined),
        "higher": sum(a > b for a, b in own),
        "lower": sum(a < b for a, b in own),
        "p": paired_ratio_p(*sides, seed=bootstrap["seed"]),
    }


def _ratio(terms: Sequence[tuple[float, float]]) -> float:
    return sum(term[0] for term in terms) / sum(term[1] for term in terms)


def paired_difference(pairs: Sequence[Sequence[float]]) -> dict:
    """The mean of after - before over subjects.

    Args:
        pairs: (before, after), one per subject.

    Returns:
        `value`, `interval` by subject (each None where undefined), `n`, how many subjects are `better` or `worse`, and
        `p`, of `sign_flips.sign_flip_p`.
    """
    before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    interval = paired_difference_interval(after, before)
    return {
        "value": float(np.mean(np.subtract(after, before))) if pairs else None,
        "interval": list(interval) if interval else None,
        "n": len(pairs),
        "better": sum(b > a for a, b in pairs),
        "worse": sum(b < a for a, b in pairs),
        "p": sign_flip_p([b - a for a, b in pairs]),
    }
