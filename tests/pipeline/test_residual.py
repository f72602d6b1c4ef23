import pytest
import torch

from recoseg_hf.pipeline.residual import calibrate_residual, named_planes, residual_map, sample_spread

SHAPE = (3, 1, 4, 5)


@pytest.fixture
def planes():
    generator = torch.Generator().manual_seed(0)
    names = ("t1", "t1ce", "synthetic_t1ce", "residual")
    images = {name: torch.rand(SHAPE, generator=generator) for name in names}
    return images | {"conditions": torch.randn(3, 3, 4, 5, generator=generator), "brain": torch.ones(SHAPE) > 0}


class TestResidualMap:
    def test_is_the_absolute_difference_in_the_brain_alone(self):
        real, synthetic = torch.tensor([[[[0.2, 0.9, 0.5]]]]), torch.tensor([[[[0.5, 0.4, 0.0]]]])
        brain = torch.tensor([[[[True, True, False]]]])
        assert residual_map(real, synthetic, brain).flatten().tolist() == pytest.approx([0.3, 0.5, 0.0])

    def test_shapes_that_differ_are_all_named(self):
        message = r"real \(1, 1, 2, 2\), synthetic \(1, 1, 2, 3\) and brain \(1, 1, 2, 2\); expected one shape"
        with pytest.raises(ValueError, match=message):
            residual_map(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3), torch.ones(1, 1, 2, 2) > 0)


class TestSampleSpread:
    def test_is_the_deviation_over_draws_in_the_brain_alone(self):
        samples = torch.tensor([0.1, 0.5]).view(2, 1, 1, 1, 1).expand(2, 1, 1, 1, 2)
        brain = torch.tensor([[[[True, False]]]])
        assert sample_spread(samples, brain).flatten().tolist() == pytest.approx([0.2, 0.0])

    def test_a_single_draw_has_none(self):
        assert sample_spread(torch.rand(1, *SHAPE), torch.ones(SHAPE) > 0).abs().max() == 0


class TestCalibration:
    def test_clips_then_normalises_over_the_whole_volume(self):
        residual = torch.tensor([0.0, 0.1, 0.2, 0.8]).view(2, 1, 1, 2)
        assert calibrate_residual(residual, 0.4).flatten().tolist() == pytest.approx([0, 0.25, 0.5, 1])

    def test_a_map_below_the_clip_still_fills_the_range(self):
        residual = torch.tensor([0.0, 0.05, 0.1]).view(1, 1, 1, 3)
        assert calibrate_residual(residual, 1.0).flatten().tolist() == pytest.approx([0, 0.5, 1])

    def test_the_smallest_value_becomes_zero(self):
        residual = torch.tensor([0.2, 0.6]).view(1, 1, 1, 2)
        assert calibrate_residual(residual, 1.0).flatten().tolist() == pytest.approx([0, 1])

    @pytest.mark.parametrize("level", [0.0, 0.3])
    def test_a_flat_map_is_zero_everywhere(self, level):
        assert calibrate_residual(torch.full(SHAPE, level), 1.0).abs().max() == 0


class TestNamedPlanes:
    def test_all_seven_can_be_made(self, planes):
        found = named_planes(**planes)
        assert sorted(found) == ["flair", "residual", "static_residual", "synthetic_t1ce", "t1", "t1ce", "t2"]
        assert all(plane.shape == SHAPE for plane in found.values())

    def test_conditions_enter_as_they_are(self, planes):
        found = named_planes(**planes)
        for channel, name in enumerate(("flair", "t1", "t2")):
            assert torch.equal(found[name][:, 0], planes["conditions"][:, channel])

    def test_images_enter_centred_and_residuals_as_they_are(self, planes):
        found = named_planes(**planes)
        assert torch.equal(found["t1ce"], 2 * planes["t1ce"] - 1)
        assert torch.equal(found["synthetic_t1ce"], 2 * planes["synthetic_t1ce"] - 1)
        assert torch.equal(found["residual"], planes["residual"])

    def test_the_static_residual_is_the_subtraction_map(self, planes):
        assert torch.equal(named_planes(**planes)["static_residual"], (planes["t1"] - planes["t1ce"]).abs())

    def test_what_cannot_be_made_is_absent_and_no_residual_or_t1ce_is_zero(self, planes):
        found = named_planes(planes["conditions"], planes["t1"], planes["brain"])
        assert sorted(found) == ["flair", "residual", "t1", "t1ce", "t2"]
        assert not found["t1ce"].any()
        assert found["residual"].shape == SHAPE
        assert found["residual"].abs().max() == 0
