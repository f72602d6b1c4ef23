import pytest

from tests.inputs.bench import Bench, good_case


@pytest.fixture
def bench(tmp_path, tiny_pipeline, tiny_model) -> Bench:
    return Bench(good_case(tmp_path / "cases"), tiny_pipeline, tiny_model)
