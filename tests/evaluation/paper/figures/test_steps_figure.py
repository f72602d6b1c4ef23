"""Steps and seconds from a measured result."""

import json
from pathlib import Path

import pytest
from PIL import Image

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.paper.figures import draw_steps_figure
from recoseg_hf.evaluation.paper.figures.steps_figure import read_steps

RESULT = Path(__file__).parents[4] / "benchmarks" / "results" / "steps.json"


def test_the_projects_own_result_is_read_from_few_steps_to_many():
    points, measurement = read_steps(RESULT)
    whole = json.loads(RESULT.read_text())
    assert [point.steps for point in points] == sorted(int(steps) for steps in whole["steps"])
    assert points[0].dice == whole["steps"][str(points[0].steps)]["volume"]["dice"]["value"]
    assert points[0].n == 6
    assert measurement["what"] == "steps"


def test_is_drawn(tmp_path):
    file = draw_steps_figure(RESULT, tmp_path / "new")
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        assert (0, 114, 178) in {colour for _, colour in picture.convert("RGB").getcolors(2**20)}


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"steps": {}}', '{"steps": {"2": {"volume": {}}}}'])
def test_another_file_is_refused(tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text)
    message = r"other\.json: it holds no steps.*; expected a result of python -m benchmarks\.steps"
    with pytest.raises(InputError, match=message):
        read_steps(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: it cannot be read \(No such file"):
        read_steps(tmp_path / "none.json")
