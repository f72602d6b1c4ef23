import pytest

from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.schedule import learning_rate


def rates(steps: int, plateau_factor: float = 1.0, **options) -> list[float]:
    settings = TrainingOptions(learning_rate=1.0, **options)
    return [learning_rate(settings, step, plateau_factor) for step in range(steps)]


def test_constant_after_warm_up():
    assert rates(6, lr_scheduler="constant", lr_warmup_steps=4) == [0.25, 0.5, 0.75, 1, 1, 1]


def test_cosine_goes_to_zero():
    found = rates(5, lr_scheduler="cosine", lr_warmup_steps=0, max_train_steps=4)
    assert found == pytest.approx([1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)


def test_plateau_takes_what_the_validations_left():
    assert rates(2, plateau_factor=0.25, lr_scheduler="plateau", lr_warmup_steps=2) == [0.125, 0.25]
    assert rates(2, plateau_factor=0.25, lr_scheduler="constant", lr_warmup_steps=2) == [0.5, 1]
