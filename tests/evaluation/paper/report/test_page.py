"""The page: all of it in one file, readable by machines, and nobody in it."""

import base64
import json
import re
import shutil

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.paper.equal_thresholds import at_equal_thresholds
from recoseg_hf.evaluation.paper.report import write_report
from recoseg_hf.files import write_json
from recoseg_hf.learning.subjects import subject_hash
from tests.evaluation.paper_runs import SUBJECTS, sweeps, write_run, write_sweeps
from tests.pages import Page


def small_run(folder, **errors):
    return write_run(folder, errors or {"unet2d_t1ce": 0.1})


@pytest.fixture(scope="module")
def html(paper_run, tmp_path_factory):
    return write_report(paper_run, tmp_path_factory.mktemp("page") / "page.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_is_well_formed_and_asks_nothing_of_anybody(html, page):
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html


def test_its_tables_can_be_read_aloud(page):
    assert len(page.all("table")) == len(page.all("caption")) >= 7
    assert all(attributes.get("scope") for attributes in page.all("th"))
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    wanted = {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    wanted |= {attributes["href"][1:] for attributes in page.all("a")}
    assert wanted <= set(names)
    assert page.all("html") == [{"lang": "en"}]


def test_it_shows_scores_verdicts_and_what_was_run(page, paper_run):
    text = " ".join(" ".join(page.text).split())
    whole = json.loads((paper_run / "results.json").read_text())
    best = whole["results"]["Simulated"]["recoseg_plus_plus"]["volume"]["dice"]["value"]
    for expected in (
        "Simulated, n = 6 validation subjects",
        "p = 0.031, n = 6: 6 up, 0 down",
        "would be decided by chance, at 5 % each",
        f"Highest whole-tumour Dice per volume: ReCoSeg++, {best:.3f}",
        "89.8 / 86.4",  # published
        "(3D nets: of 4 patches, gradients accumulated)",
        "Surfaces and lesions",
        "Whole volumes, slice by slice and pooled.",
        "The same as the paper takes it: slices with tumour only",
        "IoU per slice Slices Dice pooled IoU pooled",
        "With n = 6 subjects the intervals are too narrow",
        "PSNR, brain",
        "Residual of ReCoSeg++",
        "ReCoSeg++ segments better than UNet2D.",
        "BraTS2020 +11.4 Dice, +12.8 IoU",
        "not in this run: ReCoSeg",
        "The reference chose the slices",
        "Dice 93.02 % and IoU 86.7 % are not of one set of cases",
        "healthy slice share",
        "5 min",  # four stages of 75.5 s
    ):
        assert expected in text, expected


def test_few_subjects_decide_nothing_and_what_the_interval_alone_says_is_told(tmp_path):
    run = write_run(tmp_path, {"unet2d": 0.2, "unet2d_t1ce": 0.02}, subjects=SUBJECTS[:4])
    html = write_report(run).read_text(encoding="utf-8")
    text = " ".join(" ".join(Page(html).text).split())
    assert "p = 0.12, n = 4: 4 up, 0 down. Here the interval alone says held, but fewer than 6 subjects" in text
    assert "1 of the undecided would be decided by intervals alone." in text
    assert "▲ " not in html.replace("▲ and ▼", "")


def test_it_names_neither_subjects_nor_paths(html, paper_run):
    assert "sub-" not in html
    assert str(paper_run) not in html
    assert "/models" not in html


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"note": "as for sub-two"}, "field options.note: it names a subject"),
        ({"data": "/data/brats"}, "field options.data: '/data/brats' looks like a path"),
    ],
)
def test_what_would_leak_is_refused(tmp_path, options, message):
    folder = small_run(tmp_path)
    whole = json.loads((folder / "results.json").read_text())
    write_json(folder / "results.json", whole | {"options": options})
    with pytest.raises(InputError, match=message):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_a_figure_may_not_be_named_after_a_subject(tmp_path):
    folder = small_run(tmp_path)
    (folder / "Simulated" / "figures").mkdir()
    Image.new("L", (4, 4)).save(folder / "Simulated" / "figures" / "sub-one.png")
    with pytest.raises(InputError, match="it names a subject"):
        write_report(folder)


def test_figures_are_in_the_page_without_their_metadata(tmp_path):
    folder = small_run(tmp_path)
    note = PngInfo()
    note.add_text("Source", "sub-one")
    (folder / "Simulated" / "figures").mkdir()
    Image.new("L", (4, 4), 7).save(folder / "Simulated" / "figures" / "dice_by_threshold.png", pnginfo=note)
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    (image,) = page.all("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"].startswith("Figure: Whole-tumour Dice at every threshold")
    assert b"sub-one" not in base64.b64decode(image["src"].partition(",")[2])
    (folder / "Simulated" / "figures" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad\.png: no picture"):
        write_report(folder)


def test_regions_beside_their_own_baseline(regions_run, tmp_path):
    text = " ".join(Page(write_report(regions_run, tmp_path / "page.html").read_text(encoding="utf-8")).text)
    assert "ET Dice difference" in text
    assert "+0.200" in text
    assert "paired, to ReCoSeg small's net + T1ce, no residual." in text


def test_settings_that_were_varied(tmp_path):
    folder = small_run(tmp_path, recoseg_plus_plus=0.05)
    write_sweeps(folder / "Simulated", "recoseg_plus_plus", sweeps())
    text = " ".join(Page(write_report(folder).read_text(encoding="utf-8")).text)
    assert "Settings of ReCoSeg++, each varied alone" in text
    assert "0.3 (its own)" in text
    text = " ".join(text.split())
    noise = text[text.index("Noise, on whole volumes") :]
    assert noise.index("Roughness through-plane") < noise.index("shared") < noise.index("1.75") < noise.index("−0.25")
    clip = text[text.index("Residual clip, on whole volumes") :]
    assert clip.index("AUPRC of the residual, WT") < clip.index("0.1 as its own")


def test_sweeps_of_another_model_are_left_out_and_told_of(tmp_path):
    folder = small_run(tmp_path, recoseg_plus_plus=0.05)
    write_sweeps(folder / "Simulated", "recoseg_plus_plus", sweeps(), weights_sha256="other")
    text = " ".join(Page(write_report(folder).read_text(encoding="utf-8")).text)
    assert "each varied alone" not in text
    assert "ReCoSeg++: measured with other weights than the row's." in text


def test_the_papers_shape_stands_first(tmp_path):
    text = " ".join(Page(write_report(small_run(tmp_path)).read_text(encoding="utf-8")).text)
    assert text.index("The table, as the paper has it") < text.index("Whole-tumour Dice per volume")
    assert "BraTS2021" in text


def test_a_verdict_that_hangs_on_the_threshold_says_so(paper_run, tmp_path):
    shutil.copytree(paper_run, tmp_path / "run")
    file = tmp_path / "run" / "results.json"
    values = json.loads(file.read_text())
    cuts = {"recoseg_plus_plus": {"mask_threshold": 0.3}, "unet2d": {"mask_threshold": 0.5}}
    dice = {"recoseg_plus_plus": [0.5, 0.6, 0.7, 0.6, 0.5, 0.5], "unet2d": [0.6, 0.8, 0.8, 0.9, 0.7, 0.7]}
    equal = {row: {"0.5": {"by_subject": scores}} for row, scores in dice.items()}
    write_json(file, values | {"thresholds": {"Simulated": cuts}, "equal_thresholds": {"Simulated": equal}})
    text = " ".join(" ".join(Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text).split())
    assert "Both at 0.5: ✗ did not hold . Dice −0.183" in text
    assert text.count("This verdict hangs on the threshold.") == 1
    assert "1 of these compare rows with thresholds of their own" in text


def test_all_rows_at_the_same_threshold(paper_run, tmp_path):
    shutil.copytree(paper_run, tmp_path / "run")
    file = tmp_path / "run" / "results.json"
    dice = {"unet2d_t1ce": [[0.5] * 3] * 6, "recoseg_plus_plus": [[0.61] * 3] * 5 + [[None] * 3]}
    equal = at_equal_thresholds(dice)
    write_json(file, json.loads(file.read_text()) | {"equal_thresholds": {"Simulated": equal}})
    text = " ".join(" ".join(Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text).split())
    table = text[text.index("All rows at the same threshold") : text.index("More of the same masks")]
    assert "Dice at 0.15 minus UNet2D + T1ce" in table
    assert table.index("0.610") < table.index("+0.110") < table.index("0.500") < table.index("compared with")
    assert "p = 0.062 n = 5" in table
    assert "a table of its own has all at the same" in text


def test_text_of_the_results_is_no_markup(tmp_path):
    folder = small_run(tmp_path)
    file = folder / "results.json"
    file.write_text(file.read_text().replace('"budget"', '"<b>budget"'))
    page = write_report(folder).read_text(encoding="utf-8")
    assert "&lt;b&gt;budget" in page
    assert "<b>budget" not in page


def test_a_model_that_has_seen_its_subjects_is_told_of(tmp_path):
    folder = small_run(tmp_path)
    write_json(
        folder / "Simulated" / "models" / "unet2d_t1ce" / "training_record.json",
        {"subjects_seen": [subject_hash("sub-one"), subject_hash("sub-train")]},
    )
    text = write_report(folder).read_text(encoding="utf-8")
    assert "UNet2D + T1ce was judged on 1 subject that it was trained on." in text


def test_a_data_set_s_name_leads_nowhere(tmp_path):
    folder = small_run(tmp_path / "run")
    file = folder / "results.json"
    file.write_text(file.read_text().replace('"Simulated"', '".."'))
    assert "not in this run" in write_report(folder).read_text(encoding="utf-8")
