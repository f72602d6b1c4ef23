"""The 3D baselines: the same call and the same grid as the 2D systems, local folders, MONAI where it is needed."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch

from recoseg_hf.errors import CheckpointError, InputError, RecosegError
from recoseg_hf.evaluation.baselines import VolumePipeline, VolumeUNet
from recoseg_hf.inference import load_pipeline, predict_case
from recoseg_hf.inference.loading import load_settings
from recoseg_hf.inference.report import describe_model
from recoseg_hf.learning.volume_grid import thick_slices
from recoseg_hf.pipeline.pipeline_output import ReCoSegPipelineOutput
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.inference.cases import make_case
from tests.tiny import brain_slices, tiny_pipeline
from tests.volumes import tiny_volume_net, tiny_volume_pipeline

SYSTEMS = {
    "unet3d": {},
    "unet3d_t1ce": {"segmenter_inputs": "flair,t1,t2,t1ce"},
    "unet3d_residual": {"segmenter_inputs": "flair,t1,t2,residual", "synthesizer": True, "residual_clip": 0.5},
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    return brain_slices(count=21, height=30, width=27)


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request):
    return tiny_volume_pipeline(**SYSTEMS[request.param])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved baseline with a residual."""
    folder = tmp_path_factory.mktemp("models") / "unet3d"
    tiny_volume_pipeline(**SYSTEMS["unet3d_residual"]).save_pretrained(folder)
    return folder


class TestCall:
    def test_results_lie_on_the_grid_of_the_slices(self, system, images):
        output = system(**images, generator=seeded())
        assert isinstance(output, ReCoSegPipelineOutput)
        assert output.mask.shape == output.probability.shape == (21, 30, 27)
        assert output.mask.dtype == np.uint8
        assert 0 < output.probability.max() <= 1
        outside = (images["flair"] == 0) & (images["t1"] == 0) & (images["t2"] == 0)
        assert not output.probability[outside].any()
        assert np.array_equal(output.mask, output.probability > 0.5)

    def test_synthetic_t1ce_and_residual_are_those_of_a_2d_system(self, images):
        volume = tiny_volume_pipeline(**SYSTEMS["unet3d_residual"])
        flat = tiny_pipeline(synthesizer=volume.synthesizer, field_of_view=32, residual_clip=0.5)
        one, two = (pipeline(**images, generator=seeded(3)) for pipeline in (volume, flat))
        assert np.array_equal(one.t1ce, two.t1ce)
        assert np.array_equal(one.residual, two.residual)
        assert one.residual_source == two.residual_source == "measured"

    def test_the_residual_is_seen(self, images):
        pipeline = tiny_volume_pipeline(**SYSTEMS["unet3d_residual"])
        measured = pipeline(**images, generator=seeded())
        without = pipeline(**images, generator=seeded(), residual_source="none")
        assert without.residual is None
        assert not np.allclose(measured.probability, without.probability)

    def test_t1ce_is_needed_where_it_is_a_channel(self, images):
        given = {name: images[name] for name in ("flair", "t1", "t2")}
        assert tiny_volume_pipeline()(**given).mask.shape == (21, 30, 27)
        with pytest.raises(ValueError, match="no T1ce was given and this model needs it for t1ce"):
            tiny_volume_pipeline(**SYSTEMS["unet3d_t1ce"])(**given)

    def test_the_batch_of_slices_changes_nothing(self, images):
        pipeline = tiny_volume_pipeline(**SYSTEMS["unet3d_residual"])
        one, two = (pipeline(**images, generator=seeded(), slice_batch_size=size) for size in (3, 16))
        assert np.allclose(one.probability, two.probability, atol=1e-5)

    @pytest.mark.parametrize("count", [3, 4, 9])
    def test_volumes_smaller_than_a_patch_work(self, count):
        output = tiny_volume_pipeline()(**brain_slices(count=count, height=12, width=9))
        assert output.probability.shape == (count, 12, 9)
        assert np.isfinite(output.probability).all()

    def test_a_probability_of_one_everywhere_comes_back_whole(self, images):
        pipeline = tiny_volume_pipeline(regions="wt,tc,et")
        with torch.no_grad():
            for weight in pipeline.segmenter.parameters():
                weight.zero_()
            last = [weight for name, weight in pipeline.segmenter.named_parameters() if name.endswith("conv.bias")][-1]
            last += torch.tensor([20.0, 0.0, -20.0])
        found = pipeline(**images).region_probabilities
        filled = [np.flatnonzero(found[name].any(axis=(1, 2))).tolist() for name in ("wt", "tc")]
        assert filled[0] == filled[1] == list(range(filled[0][0], filled[0][-1] + 1))
        inside = found["wt"] > 0.99
        assert inside.sum() > 0.9 * (images["flair"] != 0).sum()
        assert np.allclose(found["tc"][inside], 0.5, atol=1e-2)
        assert found["et"].max() < 1e-3

    def test_a_case_is_predicted_on_its_own_grid(self):
        case = make_case(spacing=(1.0, 1.0, 2.0))
        prediction = predict_case(tiny_volume_pipeline(**SYSTEMS["unet3d_residual"]), case)
        assert prediction.mask.shape == case.flair.shape
        assert prediction.report["model"]["class"] == "VolumePipeline"
        assert set(prediction.report["seconds"]) >= {"synthesize", "segment"}


class TestSegmentVolume:
    def test_windows_that_do_not_overlap_are_the_net_on_each(self):
        pipeline = tiny_volume_pipeline(patch_overlap=0.0)
        volume = torch.randn(3, 8, 16, 16, generator=seeded())
        found = pipeline.segment_volume(volume)
        with torch.no_grad():
            corner = pipeline.segmenter(volume[None, :, :, 8:, :8]).sigmoid()[0]
        assert found.shape == (1, 8, 16, 16)
        assert torch.allclose(found[:, :, 8:, :8], corner, atol=1e-6)

    def test_what_the_segmenter_sees_is_the_mean_of_neighbouring_slices(self, images):
        pipeline, seen = tiny_volume_pipeline(), []
        pipeline.segment_volume = lambda volume: seen.append(volume) or torch.zeros(1, *volume.shape[1:])
        pipeline(**images)
        stack = pipeline.preprocess({name: torch.from_numpy(image) for name, image in images.items()})
        expected = thick_slices(stack.conditions[stack.filled_slices()], 2)
        assert torch.equal(seen[0], expected.movedim(0, 1))


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"slice_spacing": 1.5}, r"slice_spacing=1\.5; expected whole mm, 1 or more"),
            ({"slice_spacing": 0}, "slice_spacing=0; expected whole mm"),
            ({"patch_size": 7}, r"patch_size=7, patch_overlap=0\.5; expected a multiple of 2 up to image_size=16"),
            ({"patch_size": 32}, r"patch_size=32"),
            ({"patch_overlap": 1.0}, r"patch_overlap=1\.0"),
            ({"mask_threshold": 0}, r"mask_threshold=0; expected"),
            ({"regions": "tc,wt"}, r"regions='tc,wt'; expected wt first"),
            ({"segmenter_inputs": "flair,t1,t2,residual"}, "without a synthesizer; expected one"),
        ],
    )
    def test_settings_out_of_range_are_refused(self, settings, message):
        with pytest.raises(ValueError, match=message):
            tiny_volume_pipeline(**settings)

    def test_a_segmenter_of_other_channels_is_refused(self):
        pipeline = tiny_volume_pipeline()
        message = "segmenter has 4 input and 1 output channels; expected 3 and 1 for these settings"
        with pytest.raises(ValueError, match=message):
            VolumePipeline(None, pipeline.scheduler, tiny_volume_net(4, 1), 16, 32, patch_size=8)

    def test_a_layout_for_2d_weights_leaves_the_net_as_it_is(self):
        net = tiny_volume_net(3, 1)
        assert net.to(memory_format=torch.channels_last) is net
        assert net.to(torch.float64, memory_format=torch.channels_last).dtype == torch.float64


class TestSynthesizerOf2DModel:
    def test_it_draws_with_that_models_steps_and_folding(self, images):
        flat = tiny_pipeline(field_of_view=32, pixel_unshuffle=2, num_inference_steps=3, residual_clip=0.5)
        volume = tiny_volume_pipeline(**SYSTEMS["unet3d_residual"]).with_synthesizer_of(flat)
        assert volume.synthesizer is flat.synthesizer
        assert np.array_equal(volume(**images, generator=seeded()).t1ce, flat(**images, generator=seeded()).t1ce)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"field_of_view": 16}, "the 2D model has field_of_view 16; expected a synthesizer, and the grid of this"),
            (
                {"field_of_view": 32, "synthesizer": None, "segmenter_inputs": "flair,t1,t2"},
                "the 2D model has no synthesizer",
            ),
            ({"field_of_view": 32, "crop_to_brain": True}, "the 2D model has crop_to_brain; expected a synthesizer"),
        ],
    )
    def test_another_model_is_refused(self, changes, message):
        volume = tiny_volume_pipeline(**SYSTEMS["unet3d_residual"])
        with pytest.raises(ValueError, match=message):
            volume.with_synthesizer_of(tiny_pipeline(**changes))


class TestFolders:
    def test_what_was_saved_loads_and_gives_the_same(self, model, images):
        loaded = load_pipeline(model, device="cpu", dtype=torch.float32)
        loaded.set_progress_bar_config(disable=True)
        assert type(loaded) is VolumePipeline
        assert type(loaded.segmenter) is VolumeUNet
        saved = tiny_volume_pipeline(**SYSTEMS["unet3d_residual"])
        assert describe_model(loaded)["weights_sha256"] == describe_model(saved)["weights_sha256"]
        one, two = (pipeline(**images, generator=seeded()).probability for pipeline in (loaded, saved))
        assert np.array_equal(one, two)

    def test_it_computes_in_half_precision_too(self, model, images):
        loaded = load_pipeline(model, device="cpu", dtype=torch.bfloat16)
        loaded.set_progress_bar_config(disable=True)
        whole = load_pipeline(model, device="cpu", dtype=torch.float32)
        whole.set_progress_bar_config(disable=True)
        assert loaded.segmenter.dtype == torch.bfloat16
        one, two = (pipeline(**images, generator=seeded()).probability for pipeline in (loaded, whole))
        assert np.abs(one - two).max() < 0.1

    def test_a_folder_of_configurations_builds_with_fresh_weights(self, model, tmp_path):
        folder = shutil.copytree(model, tmp_path / "system", ignore=shutil.ignore_patterns("*.safetensors"))
        one, again, other = (VolumePipeline.from_config_folder(folder, seed) for seed in (1, 1, 2))
        weights = [next(pipeline.segmenter.parameters()) for pipeline in (one, again, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    def test_its_settings_need_no_monai(self, model):
        assert load_settings(model)["slice_spacing"] == 2

    @pytest.mark.parametrize("name", [None, "org/unet3d"])
    def test_a_baseline_is_a_local_folder(self, name):
        with pytest.raises(ValueError, match="no such folder; expected a local one with a trained 3D baseline"):
            VolumePipeline.from_pretrained(name)

    def test_a_baseline_on_the_hub_is_refused(self, model, monkeypatch):
        import huggingface_hub

        monkeypatch.setattr(
            huggingface_hub, "hf_hub_download", lambda *_, **__: str(model / "model_index.json")
        )  # what the Hub would give
        with pytest.raises(InputError, match=r"^org/unet3d: _class_name is 'VolumePipeline', a baseline; expected"):
            load_pipeline("org/unet3d")

    def test_pickled_weights_are_refused(self, model, tmp_path):
        folder = shutil.copytree(model, tmp_path / "pickled")
        next(folder.glob("segmenter/*.safetensors")).unlink()
        torch.save(tiny_volume_net(4, 1).state_dict(), folder / "segmenter" / "diffusion_pytorch_model.bin")
        with pytest.raises(CheckpointError, match="pickled: the model does not load"):
            load_pipeline(folder)

    def test_code_beside_the_weights_is_not_run(self, model, tmp_path):
        folder = shutil.copytree(model, tmp_path / "code")
        (folder / "segmenter" / "evil.py").write_text("raise SystemExit('ran')\n")
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | {"segmenter": ["evil", "VolumeUNet"]}))
        with pytest.raises(CheckpointError, match="code: the model does not load"):
            load_pipeline(folder)

    def test_without_monai_the_extra_is_named(self, model, monkeypatch):
        monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
        with pytest.raises(RecosegError, match=r"the 3D baselines need MONAI\. Run: pip install 'recoseg_hf\[eval\]'"):
            load_pipeline(model, device="cpu")

    def test_a_2d_model_is_still_one(self, tiny_model):
        assert type(load_pipeline(tiny_model, device="cpu")) is ReCoSegPipeline
