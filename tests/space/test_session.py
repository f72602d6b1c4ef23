"""What a visitor may ask for, and what is kept of it."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recoseg_hf import InputError
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case
from tests.inference.cases import make_case

gr = pytest.importorskip("gradio")


@pytest.fixture(scope="module")
def result(parts, tiny_pipeline):
    from recoseg_hf.inference.browsing import SliceBrowser
    from space.session import Result

    case = make_case()
    prediction = predict_case(tiny_pipeline, case)
    with tempfile.TemporaryDirectory() as folder:
        name = prediction.report["model"] | {"name": "organisation/ReCoSeg-T1ce"}
        prediction = replace(prediction, report=prediction.report | {"model": name})
        browser = SliceBrowser.of(prediction, case)
        made = Result(case, prediction, browser, tempfile.TemporaryDirectory(dir=folder))
        yield made
        made.folder.cleanup()


def test_only_the_files_last_written_are_kept(result):
    first = result.write()
    second = result.write()
    assert not any(file.exists() for file in first)
    assert all(file.exists() for file in second)
    assert len(list(Path(result.folder.name).iterdir())) == 1


def test_a_models_name_is_shown_as_it_is_spelt(result):
    from space.html import summary

    assert "Model organisation/ReCoSeg-T1ce · threshold" in summary(result)


@pytest.mark.parametrize("given", [True, False])
def test_a_t1ce_is_said_to_be_missing_where_it_is(result, given):
    from space.html import summary

    report = result.prediction.report
    report = report | {"settings": report["settings"] | {"residual_source": "none"}}
    case = result.case if given else replace(result.case, t1ce=None)
    shown = summary(replace(result, case=case, prediction=replace(result.prediction, report=report)))
    assert "The segmentation did without a residual" in shown
    assert ("No T1ce was given." in shown) != given


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((2, None, None), r"^Seed: nothing was given; expected a whole number"),
        ((2, 0, "ensemble"), r"^Denoising steps: it is 2; expected 4 or more for an ensemble"),
    ],
)
def test_settings_that_do_not_do_are_named_by_their_field(parts, settings, message):
    from space.session import check_settings

    check_settings(4, 0, "ensemble")
    with pytest.raises(InputError, match=message):
        check_settings(*settings)


def test_an_address_is_not_fetched(parts, tmp_path):
    from space.fields import scan_field

    file = tmp_path / "scan.nii"
    file.write_bytes(b"scan")
    field = scan_field("T1 file")
    kept = asyncio.run(field.async_move_resource_to_block_cache(str(file)))
    assert Path(kept).read_bytes() == b"scan"
    with pytest.raises(gr.Error) as raised:
        asyncio.run(field.async_move_resource_to_block_cache("https://example.org/scan.nii"))
    assert raised.value.message.startswith("T1 file: an address was given; expected an uploaded file.")


def test_thick_voxels_count_as_what_they_become(parts, monkeypatch):
    from space import uploads

    case = make_case()
    wide = Volume(case.flair.data, case.flair.affine * np.array([[2.0], [2.0], [2.0], [1.0]]))
    monkeypatch.setattr(uploads, "MAX_VOXELS", 8 * case.flair.data.size - 1)
    uploads._check_size(case)
    with pytest.raises(InputError, match=rf"it has {8 * case.flair.data.size:,} voxels at 1 mm"):
        uploads._check_size(replace(case, **dict.fromkeys(("flair", "t1", "t2", "t1ce"), wide)))
