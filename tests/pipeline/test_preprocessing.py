import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recoseg_hf.pipeline.preprocessing import (
    NORMALIZATIONS,
    IntensityScale,
    ModelGrid,
    percentiles,
    prepare_stack,
    with_context,
)
from tests.tiny import brain_slices

SETTINGS = {"image_size": 16, "field_of_view": 20, "lower_percentile": 1.0, "upper_percentile": 99.0}


def tensors(**kwargs) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(image) for name, image in brain_slices(**kwargs).items()}


def box(shape=(3, 12, 14), rows=(2, 7), columns=(3, 11)) -> torch.Tensor:
    brain = torch.zeros(shape, dtype=torch.bool)
    brain[1, rows[0] : rows[1], columns[0] : columns[1]] = True
    return brain


class TestPercentiles:
    RANDOM = np.random.default_rng(0)
    KINDS = {  # noqa: RUF012 (read alone)
        "whole numbers": RANDOM.integers(0, 1000, 20_001),
        "scaled": RANDOM.integers(0, 256, 20_001) * np.float32(2.71) + 3,
        "small": RANDOM.random(20_001) * 1e-3,
        "far apart": np.exp(RANDOM.normal(0, 20, 20_001)),
        "below zero": RANDOM.normal(0, 1, 20_001),
        "one value": np.full(1000, 7),
        "two values": [3, 8],
        "a single one": [5],
        "a zero of either sign": [0.0, -0.0, 1.0],
    }

    @pytest.mark.parametrize("kind", KINDS)
    def test_they_are_those_of_numpy(self, kind):
        values, percentages = np.asarray(self.KINDS[kind], np.float32), [0, 1, 25, 50, 75, 99.5, 100]
        expected = np.percentile(values.astype(np.float64), percentages)
        assert percentiles(values, percentages) == pytest.approx(expected, rel=1e-7, abs=0)

    def test_of_many_values_few_are_sorted(self, monkeypatch):
        values, sizes, sort = self.RANDOM.random(200_000, np.float32), [], np.sort
        monkeypatch.setattr(np, "sort", lambda given: sizes.append(given.size) or sort(given))
        percentiles(values, [1, 25, 50, 75, 99])
        assert 10 <= sizes[0] < 10_000


class TestIntensityScale:
    def test_limits_are_percentiles_of_the_brain_alone(self):
        stack = torch.zeros(1, 20, 20)
        brain = torch.zeros(1, 20, 20, dtype=torch.bool)
        brain[0, :10, :10] = True
        stack[brain] = torch.arange(1.0, 101)
        scale = IntensityScale.measure(stack, brain, 10, 90)
        assert (scale.low, scale.high) == pytest.approx((10.9, 90.1))

    def test_zscore_takes_mean_and_deviation_after_clipping(self):
        values = torch.cat([torch.arange(1.0, 100), torch.tensor([1e6])]).view(1, 10, 10)
        scale = IntensityScale.measure(values, values > 0, 0, 98)
        clipped = np.clip(values.numpy(), scale.low, scale.high).astype(np.float64)
        assert scale.high < 100
        assert (scale.center, scale.deviation) == pytest.approx((clipped.mean(), clipped.std()))
        assert (scale.dark, scale.bright) == (scale.low, scale.high)

    def test_robust_takes_median_and_quartiles(self):
        values = torch.arange(1.0, 102).view(1, 1, 101)
        scale = IntensityScale.measure(values, values > 0, 1, 99, "robust")
        deviation = 50 / 1.349
        assert (scale.low, scale.high) == (2, 100)
        assert (scale.center, scale.deviation) == pytest.approx((51, deviation))
        assert (scale.dark, scale.bright) == pytest.approx((51 - 3 * deviation, 51 + 6 * deviation))

    def test_robust_hardly_moves_with_a_bright_tumour(self):
        brain = torch.ones(1, 40, 40) > 0
        healthy = 300 + 50 * torch.randn(1, 40, 40, generator=torch.Generator().manual_seed(0))
        ill = healthy.clone()
        ill[:, :12, :12] = 900
        before, after = (IntensityScale.measure(image, brain, 1, 99, "robust") for image in (healthy, ill))
        tissue = torch.tensor([300.0])
        assert (before.standardize(tissue) - after.standardize(tissue)).abs() < 0.25
        assert (before.to_unit(tissue) - after.to_unit(tissue)).abs() < 0.03

    def test_robust_survives_quartiles_that_coincide(self):
        values = torch.tensor([[[1.0] * 97 + [2.0, 3.0, 4.0]]])
        scale = IntensityScale.measure(values, values > 0, 0, 100, "robust")
        assert scale.deviation == pytest.approx(0.03 / 1.349)

    def test_another_normalization_is_refused(self):
        values = torch.arange(1.0, 11).view(1, 2, 5)
        with pytest.raises(ValueError, match="normalization='minmax'; expected one of zscore, robust"):
            IntensityScale.measure(values, values > 0, 1, 99, "minmax")

    def test_clipping_puts_the_background_at_the_lower_limit(self):
        scale = IntensityScale(low=2, high=5, center=3, deviation=1, dark=2, bright=5)
        stack = torch.tensor([[[1.0, 3.0, 9.0, 7.0]]])
        brain = torch.tensor([[[True, True, True, False]]])
        assert scale.clip(stack, brain).tolist() == [[[2.0, 3.0, 5.0, 2.0]]]

    def test_unit_and_back(self):
        scale = IntensityScale(low=-9, high=19, center=3, deviation=2, dark=-4, bright=12)
        source = torch.tensor([-4.0, 0.0, 12.0])
        assert scale.to_unit(source).tolist() == [0.0, 0.25, 1.0]
        assert torch.equal(scale.from_unit(scale.to_unit(source)), source)
        assert scale.to_unit(torch.tensor([-99.0, 99.0])).tolist() == [0.0, 1.0]
        assert scale.standardize(source).tolist() == [-3.5, -1.5, 4.5]


class TestModelGrid:
    def test_window_is_centred_on_the_brain(self):
        grid = ModelGrid.around(box(), field_of_view=10, image_size=5)
        assert (grid.height, grid.width, grid.field_of_view, grid.image_size) == (12, 14, 10, 5)
        assert (grid.top, grid.left) == (-1, 2)  # rows 2 to 6 and columns 3 to 10: centres 4.5 and 7

    def test_a_brain_wider_than_the_window_widens_it(self):
        grid = ModelGrid.around(box(columns=(1, 14)), field_of_view=8, image_size=4)
        assert grid.field_of_view == 13
        assert grid.left == 1

    def test_there_and_back_is_exact_without_resizing(self):
        brain = box()
        stack = torch.rand(brain.shape) * brain
        grid = ModelGrid.around(brain, field_of_view=10, image_size=10)
        assert torch.equal(grid.to_source(grid.to_model(stack)), stack)

    @pytest.mark.parametrize("shape", [(3, 11, 15), (3, 30, 9), (2, 8, 8)])
    def test_any_source_size_comes_back_on_its_own_grid(self, shape):
        brain = box(shape, rows=(1, 7), columns=(2, 8))
        grid = ModelGrid.around(brain, field_of_view=20, image_size=16)
        assert grid.to_model(brain).shape == (shape[0], 1, 16, 16)
        assert grid.to_source(torch.ones(shape[0], 1, 16, 16)).shape == shape

    def test_outside_the_window_the_source_is_zero(self):
        brain = torch.zeros(1, 40, 40, dtype=torch.bool)
        brain[0, 18:22, 18:22] = True
        grid = ModelGrid.around(brain, field_of_view=8, image_size=4)
        restored = grid.to_source(torch.ones(1, 1, 4, 4))
        assert restored[0, 16:24, 16:24].min() == 1
        assert restored.sum() == 64

    def test_resizing_keeps_a_constant_and_the_mean(self):
        grid = ModelGrid(20, 20, 0, 0, 20, 10)
        noise = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(grid.to_model(torch.full((1, 20, 20), 3.0)), torch.tensor(3.0))
        assert grid.to_model(noise).mean().item() == pytest.approx(noise.mean().item(), abs=0.01)

    @pytest.mark.parametrize("layout", ["rows first", "columns first"])
    @pytest.mark.parametrize("window", [(0, 0, 30), (-4, 3, 24), (2, -6, 40), (5, 5, 12)])
    def test_both_ways_agree_with_interpolation_of_the_padded_window(self, window, layout):
        top, left, side = window
        grid = ModelGrid(30, 26, top, left, side, 16)
        noise = 300 * torch.rand(2, 30, 26, generator=torch.Generator().manual_seed(0))
        stack = noise if layout == "rows first" else noise.transpose(1, 2).contiguous().transpose(1, 2)
        margins = (-left, left + side - 26, -top, top + side - 30)

        def resized(images: torch.Tensor, size: int) -> torch.Tensor:
            return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)

        for background in (0.0, 50.0):
            expected = resized(F.pad(noise, margins, value=background)[:, None], 16)
            assert torch.allclose(grid.to_model(stack, background), expected, rtol=1e-5, atol=1e-3)
        small = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
        expected = F.pad(resized(small, side)[:, 0], [-margin for margin in margins])
        found = grid.to_source(small, columns_first=layout == "columns first")
        assert torch.allclose(found, expected, atol=1e-5)
        assert found.shape == noise.shape

    def test_coming_back_leaves_what_is_on_the_nets_grid_alone(self):
        stack = torch.rand(1, 1, 8, 8)
        before = stack.clone()
        ModelGrid(8, 8, 0, 0, 8, 8).to_source(stack).zero_()
        assert torch.equal(stack, before)

    def test_halving_does_not_alias(self):
        checkers = (torch.arange(20)[:, None] + torch.arange(20)) % 2
        grid = ModelGrid(20, 20, 0, 0, 20, 10)
        inner = grid.to_model(checkers[None].float())[0, 0, 1:-1, 1:-1]
        assert (inner - 0.5).abs().max() < 1e-6

    def test_padding_has_the_background_asked_for(self):
        grid = ModelGrid(4, 4, -2, -2, 8, 8)
        padded = grid.to_model(torch.full((1, 4, 4), 5.0), background=-7)[0, 0]
        assert padded[0].tolist() == [-7] * 8
        assert padded[2:6, 2:6].tolist() == [[5.0] * 4] * 4


class TestPrepareStack:
    def test_shapes_types_and_ranges(self):
        stack = prepare_stack(tensors(), **SETTINGS)
        assert stack.conditions.shape == (6, 3, 16, 16)
        assert stack.t1ce.shape == stack.t1.shape == stack.brain.shape == (6, 1, 16, 16)
        assert stack.brain.dtype == stack.source_brain.dtype == torch.bool
        assert 0 <= stack.t1ce.min() < stack.t1ce.max() <= 1
        assert 0 <= stack.t1.min() < stack.t1.max() <= 1

    def test_conditions_are_standardised_in_the_brain(self):
        images = tensors(count=10, height=30, width=30)
        stack = prepare_stack(images, **SETTINGS | {"image_size": 30, "field_of_view": 30})
        for channel in range(3):
            values = stack.conditions[:, channel : channel + 1][stack.brain]
            assert values.mean().item() == pytest.approx(0, abs=1e-3)
            assert values.std(correction=0).item() == pytest.approx(1, abs=1e-3)

    def test_conditions_are_flair_t1_t2_in_this_order(self):
        images = tensors()
        stack = prepare_stack(images, **SETTINGS)
        changed = prepare_stack(images | {"t2": images["t2"].square()}, **SETTINGS)
        same = [torch.equal(stack.conditions[:, i], changed.conditions[:, i]) for i in range(3)]
        assert same == [True, True, False]

    @pytest.mark.parametrize("normalization", NORMALIZATIONS)
    def test_scale_and_offset_of_the_scanner_do_not_matter(self, normalization):
        images = tensors()
        rescaled = {name: torch.where(image != 0, image * 7 + 100, 0) for name, image in images.items()}
        one, other = (prepare_stack(given, **SETTINGS, normalization=normalization) for given in (images, rescaled))
        assert torch.allclose(one.conditions, other.conditions, atol=1e-4)
        assert torch.allclose(one.t1ce, other.t1ce, atol=1e-5)

    def test_brain_is_where_any_condition_is_not_zero(self):
        images = tensors()
        images["t1"][2, 0, 0] = 50.0
        stack = prepare_stack(images, **SETTINGS)
        assert stack.source_brain[2, 0, 0]
        assert stack.source_brain.sum() == (images["flair"] != 0).sum() + 1

    @pytest.mark.parametrize("normalization", NORMALIZATIONS)
    def test_what_the_source_wrote_outside_the_brain_does_not_matter(self, normalization):
        images = tensors()
        clean = prepare_stack(images, **SETTINGS, normalization=normalization)
        images["t1ce"] = torch.where(images["flair"] != 0, images["t1ce"], 5000.0)
        assert torch.equal(prepare_stack(images, **SETTINGS, normalization=normalization).t1ce, clean.t1ce)
        assert clean.t1ce[0].abs().max() == 0

    @pytest.mark.parametrize("normalization", NORMALIZATIONS)
    def test_layout_in_memory_and_margins_change_nothing_but_the_last_bits(self, normalization):
        images = tensors()
        expected = prepare_stack(images, **SETTINGS, normalization=normalization)
        wide = {name: F.pad(image, (2, 3, 4, 1)).transpose(1, 2).contiguous() for name, image in images.items()}
        turned = {name: image.transpose(1, 2) for name, image in wide.items()}
        found = prepare_stack(turned, **SETTINGS, normalization=normalization)
        assert torch.allclose(found.conditions, expected.conditions, atol=1e-5)
        assert torch.allclose(found.t1ce, expected.t1ce, atol=1e-6)
        assert torch.equal(found.brain, expected.brain)

    def test_t1_is_left_out_where_nobody_looks_at_it(self):
        images = tensors()
        whole, without = (prepare_stack(images, **SETTINGS, with_t1=wanted) for wanted in (True, False))
        assert without.t1 is None
        assert torch.equal(without.t1ce, whole.t1ce)

    def test_a_pixel_that_brain_covers_by_half_is_none_whatever_the_layout(self):
        images = {name: torch.zeros(1, 8, 8) for name in ("flair", "t1", "t2")}
        for image in images.values():
            image[0, 1:6, 2:5] = torch.arange(1.0, 16).view(5, 3)
        for given in (images, {name: image.transpose(1, 2) for name, image in images.items()}):
            stack = prepare_stack(given, 4, 8, 0, 100)
            assert stack.brain.sum() == (stack.grid.to_model(stack.source_brain) > 0.501).sum() > 0

    def test_only_slices_with_brain_are_filled(self):
        stack = prepare_stack(tensors(), **SETTINGS)
        assert stack.filled_slices().tolist() == [1, 2, 3, 4]

    def test_without_t1ce_the_units_are_those_of_t1(self):
        images = tensors()
        del images["t1ce"]
        stack = prepare_stack(images, **SETTINGS)
        assert stack.t1ce is None
        assert stack.t1ce_scale == IntensityScale.measure(images["t1"], stack.source_brain, 1, 99)

    @pytest.mark.parametrize("name", ["t1", "t1ce"])
    def test_a_constant_image_is_refused_by_name(self, name):
        images = tensors()
        images[name] = (images["flair"] != 0) * 42.0
        with pytest.raises(ValueError, match=rf"{name}: intensities are constant \(42\) between percentiles 1 and 99"):
            prepare_stack(images, **SETTINGS)

    def test_an_empty_stack_is_refused(self):
        empty = {name: torch.zeros(2, 8, 8) for name in ("flair", "t1", "t2")}
        with pytest.raises(ValueError, match="flair: no voxel differs from zero; expected a skull-stripped brain"):
            prepare_stack(empty, **SETTINGS)


@pytest.mark.parametrize("turn", [slice(None), slice(None, None, -1)])
@pytest.mark.parametrize("size", [{}, {"image_size": 20, "field_of_view": 20}])
def test_nothing_that_is_kept_shares_memory_with_the_images(turn, size):
    images = {name: image.numpy()[:, turn] for name, image in tensors().items()}
    stack = prepare_stack(images, **SETTINGS | size)
    kept = [stack.conditions, stack.t1, stack.t1ce, stack.source_brain]
    assert not any(np.shares_memory(one.numpy(), image) for one in kept for image in images.values())


class TestWithContext:
    def test_neighbours_stand_from_the_lowest_to_the_highest(self):
        stack = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 2, 2, 2)
        seen = with_context(stack, torch.tensor([2, 3]), 1)
        assert seen.shape == (2, 6, 2, 2)
        assert seen[:, ::2, 0, 0].tolist() == [[1, 2, 3], [2, 3, 4]]

    def test_past_the_ends_the_edge_slice_is_repeated(self):
        stack = torch.arange(3.0).view(3, 1, 1, 1)
        seen = with_context(stack, torch.tensor([0, 2]), 2)[:, :, 0, 0]
        assert seen.tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 2, 2]]

    def test_neighbours_are_a_step_apart_and_past_the_ends_the_last_of_these_is_repeated(self):
        stack = torch.arange(8.0).view(8, 1, 1, 1)
        seen = with_context(stack, torch.tensor([0, 1, 3, 6, 7]), 2, 2)[:, :, 0, 0]
        assert seen.tolist() == [[0, 0, 0, 2, 4], [1, 1, 1, 3, 5], [1, 1, 3, 5, 7], [2, 4, 6, 6, 6], [3, 5, 7, 7, 7]]

    @pytest.mark.parametrize("first", [0, 1])
    def test_a_step_shows_what_a_stack_of_each_nth_slice_does(self, first):
        stack, positions = torch.rand(9, 2, 3, 3), torch.arange(first, 9, 2)
        thinned = stack[first::2]
        assert torch.equal(with_context(stack, positions, 3, 2), with_context(thinned, torch.arange(len(thinned)), 3))

    def test_no_context_returns_the_slices_as_they_are(self):
        stack = torch.rand(4, 3, 2, 2)
        assert torch.equal(with_context(stack, torch.tensor([3, 1]), 0), stack[[3, 1]])
