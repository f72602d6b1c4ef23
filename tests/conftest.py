"""Set before anything is imported: no network, no telemetry, one thread per process."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny arrays: threads only get in each other's way


@pytest.fixture(autouse=True)
def default_dtype():
    """What one test leaves as torch's default would change the numbers of all that follow."""
    torch = sys.modules.get("torch")
    before = torch and torch.get_default_dtype()
    yield
    torch = sys.modules.get("torch")
    left = torch and torch.get_default_dtype()
    if torch and left != (before or torch.float32):
        torch.set_default_dtype(before or torch.float32)
        pytest.fail(f"the test left {left} as torch's default dtype")


@pytest.fixture(autouse=True)
def number_of_threads():
    """With another number of torch's threads float32 rounds otherwise: what a command sets is its own test's alone."""
    torch = sys.modules.get("torch")
    before = torch and torch.get_num_threads()
    yield
    if before and torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture
def threads():
    """Set torch's number of threads; it is put back."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def brats_dir() -> Path:
    """A folder of real BraTS cases, named by `RECOSEG_BRATS_DIR`; tests that want one are skipped without it."""
    folder = os.environ.get("RECOSEG_BRATS_DIR")
    if not folder:
        pytest.skip("set RECOSEG_BRATS_DIR to a folder of BraTS cases to run this")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_pipeline():
    """A real pipeline, two nets of 8 and 16 channels with random weights: masks mean nothing, all else is as ever."""
    import torch
    from diffusers import DDIMScheduler, UNet2DModel

    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

    def net(**channels):
        return UNet2DModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=8,
            down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, **channels,
        )  # fmt: skip

    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = ReCoSegPipeline(
            net(in_channels=16, out_channels=4),
            DDIMScheduler(
                prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
            ),
            net(in_channels=16, out_channels=4, num_class_embeds=3),
            image_size=16, field_of_view=24, pixel_unshuffle=2, num_inference_steps=2, mask_threshold=0.5,
        )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def tiny_model(tiny_pipeline, tmp_path_factory) -> Path:
    """Folder with `tiny_pipeline`, saved."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def loopback_hub():
    """A Hub in memory, one for a module's tests; its clients are processes with `loopback_hub.environment(folder)`."""
    from tests.hub.loopback_hub import LoopbackHub

    with LoopbackHub() as hub:
        yield hub
    assert not hub.unhandled, f"asked for what the loopback Hub does not know: {hub.unhandled}"
