import numpy as np
import pytest
import torch
from datasets import load_from_disk

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.learning.residual_cache import DrawSettings, write_cache
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.slices import prepare_case, prepare_dataset, read_manifest
from recoseg_hf.learning.teaching import Teacher
from tests.learning.conftest import SETTINGS, SPLIT
from tests.tiny import tiny_pipeline

ORIGIN = {"name": "somebody", "weights_sha256": "0" * 64}


def sure_of(case: Case, **probabilities: float) -> dict[str, Volume]:
    """The same probability in every voxel."""
    shape, affine = case.flair.shape, case.flair.affine
    return {name: Volume(np.full(shape, value, np.float32), affine) for name, value in probabilities.items()}


def prepared_with(brats_like, folder, teacher):
    prepare_dataset(brats_like, folder, brats_like / "splits.json", SETTINGS, teacher=teacher)
    return load_from_disk(str(folder)).with_format("numpy")


def test_a_target_is_the_references_and_the_teachers(brats_like):
    case = Case.from_folder(brats_like / "sub-01")
    stack, references = prepare_case(case, SETTINGS)
    teacher = Teacher(lambda case: sure_of(case, wt=0.8, et=0.4), 0.25, ORIGIN)
    mixed = teacher.targets(case, stack.grid, references)
    inside = stack.brain[:, 0]  # the volume does not fill the square window
    expected = 0.75 * references[:, 0] + 0.25 * 0.8
    torch.testing.assert_close(mixed[:, 0][inside], expected[inside], rtol=0, atol=1e-5)
    torch.testing.assert_close(mixed[:, 2][inside], (0.75 * references[:, 2] + 0.1)[inside], rtol=0, atol=1e-5)
    assert torch.equal(mixed[:, 1], references[:, 1])  # this teacher knows no TC
    assert mixed.min() >= 0
    assert mixed.max() <= 1


def test_a_teacher_alone_lies_where_the_reference_lies(brats_like):
    case = Case.from_folder(brats_like / "sub-02")
    stack, references = prepare_case(case, SETTINGS)
    known = Volume((case.seg.data > 0).astype(np.float32), case.seg.affine)
    mixed = Teacher(lambda case: {"wt": known}, 1.0, ORIGIN).targets(case, stack.grid, references)
    assert references[:, 0].max() > 0
    torch.testing.assert_close(mixed[:, 0], references[:, 0], rtol=0, atol=1e-5)


def test_only_training_subjects_are_taught(brats_like, tmp_path):
    plain = prepared_with(brats_like, tmp_path / "plain", None)
    asked = []
    teacher = Teacher(lambda case: asked.append(case.subject) or sure_of(case, wt=1.0), 0.5, ORIGIN)
    taught = prepared_with(brats_like, tmp_path / "taught", teacher)
    assert asked == SPLIT["train"]
    assert np.array_equal(taught["validation"]["regions"][:], plain["validation"]["regions"][:])
    assert np.array_equal(taught["train"]["conditions"][:], plain["train"]["conditions"][:])
    assert (taught["train"]["regions"][:] > plain["train"]["regions"][:]).any()
    assert read_manifest(tmp_path / "taught")["teacher"] == {**ORIGIN, "share": 0.5}
    assert "teacher" not in read_manifest(tmp_path / "plain")


def test_which_slices_hold_tumour_is_the_references_word(brats_like, tmp_path):
    prepared_with(brats_like, tmp_path / "plain", None)
    prepared_with(brats_like, tmp_path / "taught", Teacher(lambda case: sure_of(case, wt=0.01), 0.5, ORIGIN))
    plain, taught = (SliceDataset(load_from_disk(str(tmp_path / name))["train"]) for name in ("plain", "taught"))
    assert 0 < (plain.tumour_pixels() > 0).sum() < len(plain)
    assert np.array_equal(taught.tumour_pixels(), plain.tumour_pixels())
    for dataset in (plain, taught):
        dataset.keep_healthy(0, seed=0)
    assert taught.rows == plain.rows
    assert "tumour_pixels" not in taught.batch([0])


def test_residuals_are_cached_beside_what_was_taught(brats_like, tmp_path):
    prepared_with(brats_like, tmp_path / "taught", Teacher(lambda case: sure_of(case, wt=0.01), 0.5, ORIGIN))
    tables, pipeline = load_from_disk(str(tmp_path / "taught")), tiny_pipeline(field_of_view=16)
    write_cache(tables, tmp_path / "cached", lambda subject: pipeline, DrawSettings(steps=1, samples=0), {})
    cached = SliceDataset(load_from_disk(str(tmp_path / "cached"))["train"])
    assert np.array_equal(cached.tumour_pixels(), SliceDataset(tables["train"]).tumour_pixels())


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=f"teacher share={share}; expected more than 0, at most 1"):
        Teacher(lambda case: {}, share, ORIGIN)
