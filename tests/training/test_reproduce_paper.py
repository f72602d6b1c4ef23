"""The paper's table, end to end on simulated cases; every stage is a real script in a process of its own."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation import aggregate, compare_case
from recoseg_hf.evaluation.audit import audit_results
from recoseg_hf.evaluation.paper.collecting import compared
from recoseg_hf.imaging.volume import Volume
from tests import factories
from tests.launching import ROOT, script

ROWS = ("unet2d_t1ce", "unet3d", "ddmm_synth", "recoseg_small")


@pytest.fixture(scope="module")
def reproduce():
    return script("reproduce_paper")


def arguments(cases: Path, output: Path, *systems: str) -> list[str]:
    return [
        "--data", f"Simulated={cases}", "--output_dir", str(output), "--systems", *systems, "--budget", "2",
        "--inference_steps", "2", "--train_batch_size", "2", "--patches", "1",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def cases(brats_like, tmp_path_factory) -> Path:
    """One subject to learn from, two to be judged on."""
    folder = shutil.copytree(brats_like, tmp_path_factory.mktemp("labelled") / "cases")
    split = json.loads((folder / "splits.json").read_text())
    first, *others = split["train"] + split["validation"]
    (folder / "splits.json").write_text(json.dumps(split | {"train": [first], "validation": others}))
    return folder


@pytest.fixture(scope="module")
def table(reproduce, cases, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    reproduce.main(arguments(cases, folder, *ROWS))
    return folder


def test_every_row_is_trained_and_judged_under_both_protocols(table):
    results = json.loads((table / "results.json").read_text())
    rows = results["results"]["Simulated"]
    assert list(rows) == sorted(ROWS)
    for name, row in rows.items():
        assert row["n"] == 2
        assert 0 <= row["volume"]["dice"]["value"] <= 1, name
        assert row["paper"]["protocol"] == "paper"
        assert row["surface"]["hd95_mm"] is not None
    differences = results["differences"]["Simulated"]
    assert set(differences) == set(ROWS) - {"unet2d_t1ce"}
    assert differences["ddmm_synth"]["volume"]["volume"]["dice"]["interval"] is not None
    assert set(rows["recoseg_small"]["regions"]) == {"tc", "et"}
    assert rows["recoseg_small"]["synthesis"]["psnr"]["value"] > 0
    assert rows["recoseg_small"]["cues"]["residual"]["wt"]["average_precision"]["n"] == 2
    expected = rows["ddmm_synth"]["volume"]["dice"]["value"] - rows["unet2d_t1ce"]["volume"]["dice"]["value"]
    assert differences["ddmm_synth"]["volume"]["volume"]["dice"]["value"] == pytest.approx(expected)


def rows_of(file):
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_the_table_says_what_was_run_and_names_nobody(table):
    text = (table / "table.md").read_text()
    assert "2 slices (3D nets: of 1 patch, without gradient accumulation), seed 0, precision no." in text
    assert "2D segmenters see 40 % of the slices without tumour" in text
    assert "2D systems have widths 32-64-128 on pixels folded 2 x 2 and 2 denoising steps" in text
    assert "## Simulated, n = 2 validation subjects" in text
    assert "| DDMM-Synth (as used by ReCoSeg++) |" in text
    assert "| all rows at the same threshold | Dice at 0.15 | minus UNet2D + T1ce |" in text
    lines = rows_of(table / "table.csv")
    assert [line["row"] for line in lines] == list(ROWS)  # as the table has them
    assert all(0 <= float(line["volume_dice"]) <= 1 for line in lines)
    shaped = {line["row"]: line for line in rows_of(table / "table_as_paper.csv")}
    assert float(shaped["unet2d_t1ce"]["Simulated_dice_percent"]) >= 0
    assert float(shaped["ddmm_synth"]["BraTS2021_published_dice_percent"]) == 90.9
    whole = json.loads((table / "results.json").read_text())
    assert set(whole["thresholds"]["Simulated"]) == set(ROWS)
    assert len(whole["equal_thresholds"]["Simulated"]["unet3d"]["0.5"]["by_subject"]) == 2
    for file in ("table.md", "table.csv", "results.json"):
        assert "sub-0" not in (table / file).read_text()


def test_claims_report_and_figures_come_with_it(table):
    text = (table / "table.md").read_text()
    assert "## Claims on Simulated" in text
    assert "DDMM-Synth" in text.partition("## Claims on Simulated")[2]
    pictures = {file.name for file in (table / "Simulated" / "figures").iterdir()}
    assert pictures >= {"masks.png", "thresholds.png", "calibration.png", "dice_by_threshold.png"}
    report = (table / "report.html").read_text()
    assert report.count("data:image/png;base64,") == len(pictures)
    assert "sub-0" not in report


def test_regions_are_compared_where_both_have_them(reproduce):
    labels = Volume(factories.labels(), factories.affine())
    empty = Volume(np.zeros_like(labels.data), labels.affine)

    def result(inner: Volume | None) -> dict:
        record = {"subject": "a", **compare_case(labels, labels)}
        regions = inner and {"et": aggregate([{"subject": "a", **compare_case(inner, labels, "et")}])}
        return aggregate([record]) | {"paper": aggregate([record], protocol="paper"), "regions": regions}

    enhancing = Volume((labels.data == 4).astype(np.uint8), labels.affine)
    rows = {"small_t1ce": result(empty), "recoseg_small": result(enhancing), "unet2d_t1ce": result(None)}
    found = compared(rows)
    assert found["recoseg_small"]["regions"]["et"]["volume"]["dice"]["value"] == 1
    assert found["recoseg_small"]["volume"]["volume"]["dice"]["value"] == 0
    assert "regions" not in found["small_t1ce"]
    assert "unet2d_t1ce" not in found


def test_the_audit_finds_nothing_impossible(table):
    audit = audit_results(json.loads((table / "results.json").read_text()))
    assert [finding for finding in audit.errors if finding.check == "impossible_pair"] == []
    assert {finding.check for finding in audit.findings} >= {"oracle_slices"}


def test_nothing_is_done_twice_and_no_row_is_lost(reproduce, cases, table, capfd):
    stages = {file: file.stat().st_mtime_ns for file in (table / "Simulated" / "stages").glob("*.json")}
    assert {file.stem for file in stages} == {
        "synthesizer_recoseg_plus_plus", "residuals_recoseg_plus_plus", "model_unet2d_t1ce", "model_ddmm_synth",
        "model_unet3d", "synthesizer_recoseg_small", "residuals_recoseg_small", "model_recoseg_small",
    }  # fmt: skip
    whole = json.loads((table / "results.json").read_text())
    reproduce.main(arguments(cases, table, "unet3d"))
    assert {file: file.stat().st_mtime_ns for file in stages} == stages
    assert "slice/s" not in capfd.readouterr().err
    assert json.loads((table / "results.json").read_text()) == whole


def test_another_budget_is_not_mixed_in(reproduce, cases, table):
    given = arguments(cases, table, "unet2d_t1ce")
    given[given.index("--budget") + 1] = "3"
    with pytest.raises(InputError, match=r"model_unet2d_t1ce\.json: done with .*max_train_steps 2 \(now 3\)"):
        reproduce.main(given)


def test_other_sizes_are_not_mixed_in(reproduce, cases, table):
    given = arguments(cases, table, "ddmm_synth")
    given[given.index("--inference_steps") + 1] = "3"
    with pytest.raises(InputError, match=r"ddmm_synth: made for other settings; expected the systems of this command"):
        reproduce.main(given)


def test_another_split_is_not_judged_by_nets_that_learnt_from_it(reproduce, cases, table, tmp_path):
    other = shutil.copytree(cases, tmp_path / "cases")
    split = json.loads((other / "splits.json").read_text())
    swapped = split | {"train": split["validation"], "validation": split["train"]}
    (other / "splits.json").write_text(json.dumps(swapped))
    with pytest.raises(InputError, match=r"made of other cases than .* holds now \(another split\)"):
        reproduce.main(arguments(other, table, "unet2d_t1ce"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--systems": "unet4d"}, "--systems: no row unet4d; expected some of unet2d, unet2d_t1ce"),
        ({"--data": "nameless"}, "--data nameless: no NAME=FOLDER"),
        ({"--data": "a/b=cases"}, "--data a/b=cases: the name 'a/b'; expected letters, digits, _, - and dots"),
    ],
)
def test_what_cannot_be_used_is_said_at_once(reproduce, brats_like, tmp_path, changes, message):
    given = arguments(brats_like, tmp_path, "unet2d")
    for flag, value in changes.items():
        given[given.index(flag) + 1] = value
    with pytest.raises(InputError, match=message):
        reproduce.main(given)


def test_every_row_is_a_system_that_there_is(reproduce):
    assert all((ROOT / "pipelines" / row.system / "model_index.json").is_file() for row in reproduce.ROWS.values())
    drawn = {row.drawn_by for row in reproduce.ROWS.values() if row.drawn_by}
    assert all(reproduce.ROWS[name].drawn_by == name for name in drawn)


def test_out_of_fold_residuals_come_of_a_training_for_each_fold(reproduce, brats_like, tmp_path):
    """The stages' flags, written down by scripts that do no more than that; `test_cache_residuals.py` has the rest."""
    given = [f"--data=Simulated={brats_like}", f"--output_dir={tmp_path}", "--budget=2", "--seed=5"]
    data = reproduce.DataSet(reproduce.parse_arguments(given), f"Simulated={brats_like}")
    for name in ("train_synthesizer", "cache_residuals"):
        (tmp_path / f"{name}.py").write_text("import sys")
    data.stages.scripts = tmp_path
    row = reproduce.ROWS["out_of_fold"]
    main = data.synthesizer(row.drawn_by)
    assert data.residuals(row.drawn_by, main, tmp_path / "slices", row.folds).name == "recoseg_plus_plus_3folds"
    stages = {file.stem: json.loads(file.read_text())["flags"] for file in data.stages.records.glob("*.json")}
    folds = [stages[f"synthesizer_recoseg_plus_plus_fold{fold}of3"] for fold in range(3)]
    assert [(flags["num_folds"], flags["fold"]) for flags in folds] == [("3", "0"), ("3", "1"), ("3", "2")]
    whole = stages["synthesizer_recoseg_plus_plus"]
    assert all(
        {name: flags[name] for name in whole} | {"output_dir": ""} == whole | {"output_dir": ""} for flags in folds
    )
    cache = stages["residuals_recoseg_plus_plus_3folds"]
    assert cache["pretrained_model_name_or_path"] == whole["output_dir"]
    assert cache["fold_models"] == [flags["output_dir"] for flags in folds]
