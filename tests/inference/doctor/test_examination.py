"""A whole case looked over, and what comes of it as JSON."""

import json

import numpy as np

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.doctor import examine_case
from recoseg_hf.inference.doctor.measuring import Measures


def test_measures_survive_json(clean):
    again = Measures.from_json(json.loads(json.dumps(clean.measures.to_json())))
    assert again == clean.measures


def test_a_case_in_centimetres_without_t1ce_is_looked_over_in_the_size_of_a_brain(volumes, limits):
    tenth = np.diag([0.1, 0.1, 0.1, 1.0])
    scaled = {name: Volume(volumes[name].data, tenth @ volumes[name].affine) for name in ("flair", "t1", "t2")}
    found = examine_case(Case("sub-01", **scaled), limits)
    assert [one.cause for one in found.suspicions] == ["spacing"]
    assert found.not_looked_for[0] == "T1 and T1ce swapped, or an inverted contrast: there is no T1ce"
    assert found.measures.pair("t1", "t2").distance_mm < 1  # the others were measured all the same
