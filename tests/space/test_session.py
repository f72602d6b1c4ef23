"""What a visitor may ask for, and what is kept of it."""

import asyncio
import inspect
import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recoseg_hf import InputError
from recoseg_hf.inference import predict_case
from tests.factories import affine, raw_bytes
from tests.hub.poison import poisoned_torch_file
from tests.inference.cases import make_case

gr = pytest.importorskip("gradio")


def test_an_upload_leaves_no_file_of_gradios_own(parts, tmp_path):
    from gradio.data_classes import FileData

    from space.fields import scan_field

    file = an_upload(tmp_path / "cache")
    field = scan_field("T1 file")
    field.GRADIO_CACHE = str(tmp_path / "cache")
    assert field.preprocess(FileData(path=str(file))) == str(file)
    assert field.preprocess(None) is None
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [file]


def an_upload(root: Path) -> Path:
    """A file where Gradio puts uploads."""
    file = root / ("0" * 64) / "scan.nii"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"scan")
    return file


def test_old_files_go(parts, tmp_path):
    from space.tidying import delete_old

    page = gr.Blocks()
    files = [str(tmp_path / f"{number}.nii") for number in range(3)]
    for file in files[1:]:
        Path(file).touch()
    page.upload_file_set.update([*files, str(tmp_path)])  # the first is gone already, and a folder is no file of ours
    delete_old(page, tmp_path, age=1000)
    assert page.upload_file_set == {*files[1:], str(tmp_path)}
    delete_old(page, tmp_path, age=-1)
    assert (page.upload_file_set, list(tmp_path.iterdir())) == ({str(tmp_path)}, [])


def test_a_visitor_who_uploads_does_not_stop_the_cleaning(parts, tmp_path):
    from space.tidying import delete_old

    page = gr.Blocks()

    def upload() -> None:
        for number in range(20_000):
            page.upload_file_set.add(str(tmp_path / str(number)))

    visitor = threading.Thread(target=upload)
    visitor.start()
    while visitor.is_alive():
        delete_old(page, tmp_path, age=-1)
    delete_old(page, tmp_path, age=-1)
    assert page.upload_file_set == set()


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
        made = Result(case, prediction, browser, folder=tempfile.TemporaryDirectory(dir=folder))
        yield made
        made.folder.cleanup()


def test_only_the_files_last_written_are_kept(result):
    first, second, third = (result.write() for _ in range(3))
    assert not any(file.exists() for file in first)
    assert all(file.exists() for file in [*second, *third]), "the second's may be in the midst of being copied"
    assert len(list(Path(result.folder.name).iterdir())) == 2


def test_two_requests_of_a_session_write_one_after_the_other(result):
    other = result.at(0.5)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda one: one.write(), (result, other)))
    assert all(file.stat().st_size for files in both for file in files)
    assert len({files[0].parent for files in both}) == 2


def test_one_mask_is_made_at_a_time(result):
    from space import session

    with ThreadPoolExecutor(3) as pool:
        with session._MASKS:
            moved = [pool.submit(result.at, threshold) for threshold in (0.3, 0.5, 0.7)]
            done, _ = wait(moved, timeout=0.5)
        assert not done
        assert [one.result().threshold for one in moved] == [0.3, 0.5, 0.7]


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
        ((2, float("inf"), None), r"^Seed: it is inf; expected a whole number"),
        ((float("nan"), 0, None), r"^Denoising steps: it is nan; expected a whole number"),
        ((21, 0, None), r"^Denoising steps: it is 21; expected 1 to 20"),
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

    file = an_upload(tmp_path)
    field = scan_field("T1 file")
    field.GRADIO_CACHE = str(tmp_path)
    kept = asyncio.run(field.async_move_resource_to_block_cache(str(file)))
    assert Path(kept).read_bytes() == b"scan"
    with pytest.raises(gr.Error) as raised:
        asyncio.run(field.async_move_resource_to_block_cache("https://example.org/scan.nii"))
    assert raised.value.message.startswith("T1 file: an address was given; expected an uploaded file.")


def geometry(shape, spacing=(1.0, 1.0, 1.0), shear=0.0):
    from recoseg_hf.imaging.headers import Geometry

    matrix = affine("RAS", spacing)
    matrix[0, 1] = shear
    return Geometry.of_array(shape, matrix)


@pytest.mark.parametrize(
    ("scan", "found"),
    [
        (geometry((10, 10, 10)), None),
        (geometry((10, 10, 11)), r"it has 1,100 voxels;"),
        (geometry((5, 5, 10), (2.0, 2.0, 2.0)), r"it has 2,000 voxels at 1 mm;"),
        (geometry((10, 10, 10), shear=15.0), r"it has 16,000 voxels at 1 mm;"),  # of a box around it
        (geometry((400, 400, 400), (20.0, 20.0, 20.0)), r"it has too many voxels at 1 mm;"),
    ],
)
def test_a_scan_counts_as_what_it_becomes(parts, monkeypatch, scan, found):
    from space import uploads

    monkeypatch.setattr(uploads, "MAX_VOXELS", 1000)
    if found is None:
        uploads._check_size("T2 file", scan)
        return
    with pytest.raises(InputError, match=f"^T2 file: {found} expected at most 1,000 on this shared machine"):
        uploads._check_size("T2 file", scan)


@pytest.mark.parametrize("offset", [352, 353])
def test_a_scan_counts_with_what_stands_before_its_voxels(parts, monkeypatch, offset):
    from space import uploads

    monkeypatch.setattr(uploads, "MAX_BYTES", 4352)
    scan = replace(geometry((10, 10, 10)), offset=offset)
    if offset == 352:
        uploads._check_size("T2 file", scan)
        return
    with pytest.raises(InputError, match=r"^T2 file: its header declares 4,353 bytes; expected at most 4,352 on this"):
        uploads._check_size("T2 file", scan)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1, 10**400, None, "5"])
def test_no_slice_of_another_kind_is_shown(result, number):
    from space import page
    from space.shelf import SHELF

    ticket = SHELF.put(result)
    assert "Slice 2 of" in page.show_slice(ticket, 2)
    for shown in (lambda: page.show_slice(ticket, number), lambda: page.move_threshold(ticket, 0.5, number)):
        with pytest.raises(gr.Error) as raised:
            shown()
        assert re.match(r"Axial slice: it is .*; expected one of the scan's slices", raised.value.message)


def test_every_scan_that_is_too_large_is_named_and_none_is_read(parts, monkeypatch, tmp_path):
    from space import uploads

    monkeypatch.setattr(uploads, "MAX_VOXELS", 999)
    files = {name: tmp_path / name for name in ("flair", "t1", "t2", "t1ce")}
    for name, file in files.items():  # headers alone: reading on would find that there are no voxels
        file.write_bytes(raw_bytes(np.zeros((10, 10, 9 if name == "t1" else 10), np.float32))[:400])
    with pytest.raises(InputError) as raised, uploads.uploaded_case({name: str(file) for name, file in files.items()}):
        pass
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["FLAIR file", "T2 file", "T1ce file"]
    assert all("it has 1,000 voxels; expected at most 999" in line for line in lines)


def test_a_later_round_is_shown_where_the_visitor_is(result):
    from space import page
    from space.session import View
    from space.shelf import SHELF

    first = replace(result, view=View())
    ticket = SHELF.put(first)
    page.show_slice(ticket, 3)
    page.move_threshold(ticket, 0.5, 3)
    assert (first.view.position, first.view.threshold) == (first.browser.position_of(3), 0.5)
    kept, _, group, number, threshold, panels, files = page._show_again(replace(first))
    assert SHELF.get(kept).view is first.view
    assert "Slice 3 of" in panels
    assert [part == gr.skip() for part in (group, number, threshold)] == [True] * 3
    assert not files.visible
    later = page.move_threshold(ticket, 0.4, 3)[0]  # asked of the earlier round, meant of what is shown
    assert SHELF.get(later).prediction.mask is not SHELF.get(ticket).prediction.mask
    assert SHELF.get(later).view.newest() is later
    unmoved = replace(result, view=View())
    assert f"Slice {unmoved.browser.own_slices[unmoved.browser.start]} of" in page._show_again(unmoved)[5]


@pytest.mark.parametrize(
    ("ended", "dice", "samples", "shown"),
    [
        (None, None, 1, "<b>Being refined</b> · 1 step, 2.0 s.<"),
        ("stable", 0.9951, 1, "Refined until the mask was stable · 1 step, 2.0 s · Dice 0.995 to the mask before.<"),
        ("time", 0.5, 4, "Refined for as long as there was time · 1 step, 4 samples, 2.0 s · Dice 0.500"),
    ],
)
def test_it_is_said_how_far_a_result_is_refined(result, ended, dice, samples, shown):
    from space.html import summary

    last = {"steps": 1, "samples": samples, "seconds": 2.04, "dice": dice}
    report = result.prediction.report | {"refinement": {"rounds": [last], "ended": ended}}
    text = summary(replace(result, prediction=replace(result.prediction, report=report)))
    assert shown in text
    assert ('aria-busy="true"' in text) == (ended is None)
    assert "efined" not in summary(result)


def test_the_spaces_limits_are_set(parts):
    from space.settings import CACHE, LAUNCH, MOST_BYTES, QUEUE

    assert QUEUE == {"max_size": 8, "default_concurrency_limit": 1}
    off = ("show_error", "share", "enable_monitoring", "mcp_server", "run_history", "ssr_mode")
    assert not any(LAUNCH[name] for name in off)
    assert (LAUNCH["max_file_size"], LAUNCH["allowed_paths"]) == ("64mb", [])
    assert LAUNCH["state_session_capacity"] <= 64
    assert CACHE == (300, 1800)
    assert MOST_BYTES == 4 * 2**30
    assert LAUNCH.keys() <= inspect.signature(gr.Blocks.launch).parameters.keys(), "Gradio still knows them all"


def test_a_pickle_that_is_uploaded_is_not_run(parts, tmp_path):
    from space.uploads import uploaded_case

    (tmp_path / "x").write_bytes(poisoned_torch_file(tmp_path / "it-ran"))
    with (
        pytest.raises(InputError, match=r"^FLAIR file: it is a zip archive"),
        uploaded_case(dict.fromkeys(("flair", "t1", "t2", "t1ce"), str(tmp_path / "x"))),
    ):
        pass
    assert not (tmp_path / "it-ran").exists()


def test_what_two_results_share_counts_once(parts):
    from space.shelf import Shelf

    shelf, scans = Shelf(most_bytes=2500), np.zeros(2000, np.uint8)
    tickets = [shelf.put({"scans": scans, "mask": np.full(100, number, np.uint8)}) for number in range(5)]
    assert shelf.bytes_kept == 2500
    assert all(shelf.get(ticket) for ticket in tickets)
    tickets.append(shelf.put({"scans": scans, "mask": np.zeros(1, np.uint8)}))
    assert shelf.get(tickets[0]) is None


def test_the_oldest_result_makes_room_and_one_without_a_ticket_goes(parts):
    from space.shelf import Shelf, arrays_of

    shelf = Shelf(most_bytes=2500)
    results = [{"mask": np.zeros(1000, np.uint8), "number": number} for number in range(4)]
    assert list(arrays_of({"a": results[0], "b": results[0]}).values()) == [1000], "each array once"
    first, second = shelf.put(results[0]), shelf.put(results[1])
    assert shelf.get(first) is results[0]  # so the second is the one asked for longest ago
    third = shelf.put(results[2])
    assert [shelf.get(ticket) for ticket in (first, second, third)] == [results[0], None, results[2]]
    assert shelf.bytes_kept == 2000
    del first
    assert shelf.bytes_kept == 1000
    assert shelf.get(None) is None
    shelf.forget(age=1000)
    assert shelf.get(first := shelf.put(results[3])) is results[3]
    shelf.forget(age=-1)
    assert (shelf.get(first), shelf.get(third), shelf.bytes_kept) == (None, None, 0)
    third = shelf.put(results[2])
    large = shelf.put({"mask": np.zeros(9000, np.uint8)})
    assert (shelf.get(third), shelf.bytes_kept) == (None, 9000)
    assert shelf.get(large) is not None


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ("Slider", 21, r"^Slider: '21' was given; expected a number from 1 to 20"),
        ("Slider", None, r"^Slider: 'None' was given"),
        ("Slider", "a" * 900, r"^Slider: 'a{40}' was given"),
        ("Number", [1], r"^Number: '\[1\]' was given; expected a number from 0 to 9"),
        ("Number", float("nan"), r"^Number: 'nan' was given; expected a number from 0 to 9"),
        ("Slider", float("nan"), r"^Slider: 'nan' was given; expected a number from 1 to 20"),
        ("Number", 10**400, r"^Number: '10{39}' was given"),
        ("Number", True, r"^Number: 'True' was given"),
        ("Radio", "x", r"^Radio: 'x' was given; expected none or ensemble"),
        ("Radio", {"a": 1}, r"^Radio: .* was given; expected none or ensemble"),
    ],
)
def test_a_setting_that_does_not_do_is_named(parts, field, given, message):
    from space.fields import checked

    fields = {
        "Slider": gr.Slider(1, 20, 2, step=1, label="Slider"),
        "Number": gr.Number(0, minimum=0, maximum=9, label="Number"),
        "Radio": gr.Radio(["none", "ensemble"], label="Radio"),
    }
    with pytest.raises(gr.Error) as raised:
        checked(fields[field]).preprocess(given)
    assert re.match(message, raised.value.message)


def test_settings_that_do_pass(parts):
    from space.fields import checked

    assert checked(gr.Slider(1, 20, 2, step=1, label="Steps")).preprocess(20) == 20
    assert checked(gr.Number(0, precision=0, label="Seed", minimum=0, maximum=9)).preprocess(None) is None
    assert checked(gr.Radio(["none", "ensemble"], label="Residual")).preprocess("none") == "none"
