"""How turns are taken and what is made of them; tests/benchmarks/test_performance_run.py runs all of it."""

import json
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from benchmarks.performance import on_paper, tables
from benchmarks.performance.contestants import Contestant
from benchmarks.performance.floors import floor_of
from benchmarks.performance.gates import gates
from benchmarks.performance.quality import dice_quality
from benchmarks.performance.record import Record
from benchmarks.performance.result import assemble
from benchmarks.performance.rounds import scaled, summary, take_turns
from benchmarks.performance.workers import Here
from benchmarks.performance.workload import Workload, brain_slices, thinned
from recoseg_hf.imaging.phantom import simulate_case

STAGES = {"read": 0.1, "preprocess": 0.1, "synthesize": 0.5, "segment": 1.0, "restore": 0.2, "write": 0.1}
NETS = {"synthesizer": 0.5, "segmenter": 1.0}
WORK = {
    "synthesizer": {"slices": 100, "flops": 2 * 10**11, "bytes": 10**9},
    "segmenter": {"slices": 100, "flops": 4 * 10**11, "bytes": 10**9},
}
PEAKS = {
    "gemm_gflops": {"fp32": 100.0, "bf16": 1000.0},
    "conv_gflops": {"fp32": 80.0, "bf16": 500.0},
    "copy_gbs": 20.0,
}


def turn(seconds: float, number: int = 0, **rest) -> dict:
    place = {"group": "3D", "round": number, "foreign_cpu_seconds": 0.02 * seconds}
    return {"seconds": seconds, "peak_mib": 1000.0, **place, **rest}


def our_turn(number: int, slower: float = 1.0) -> dict:
    stages = {name: slower * seconds for name, seconds in STAGES.items()}
    return turn(2.0 * slower, number, stages=stages, nets={name: slower * value for name, value in NETS.items()})


@pytest.fixture
def raw() -> dict:
    """A record in round numbers: a subject takes 2 s, of which 1.5 in the nets, and in the last round twice that."""
    ours = {"precision": "bfloat16", "nets": WORK, "flops": 6 * 10**11, "steps": 2}
    others = {
        "segresnet_pass_stock": ([20.0, 22.0, 38.0], "mask", 12 * 10**11),
        "segresnet_pass_tuned": ([9.9], "mask", 12 * 10**11),
        "compose_stock": ([1.8], "input", None),
        "compose_cropped_stock": ([1.6], "input", None),
        "same_steps_folded_stock": ([2.0], "synthesize", 2 * 10**11),
        "ddpm_folded_stock": ([2.0], "synthesize", 2 * 10**11),
        "ddpm_plain_stock": ([8.0], "synthesize", 2 * 10**12),
        "import_recoseg": ([0.31], "", None), "imports": ([4.0], "", None), "imports_lean": ([3.0], "", None),
        "cold_mask": ([4.6], "", None),
    }  # fmt: skip
    answers = {name: [turn(value, number) for number, value in enumerate(found[0])] for name, found in others.items()}
    answers |= {name: [our_turn(0), our_turn(1), our_turn(2, 2.0)] for name in ("ours_mask", "ours_all")}
    answers["inflate"] = [turn(0.1, by_library={"zlib": 0.1})]
    answers["peaks"] = [turn(1.0, peaks={"2": PEAKS})]
    names = [*answers]
    contestants = [
        Contestant(name, name, "stock" if name in others else "ours", against=others.get(name, (0, ""))[1],
                   times=500.0 if name.startswith("ddpm") else 1.0, basis="2 of 1000" if "ddpm" in name else "")
        for name in names
    ]  # fmt: skip
    abouts = {name: {"flops": others[name][2]} if name in others else {} for name in names}
    return {
        "contestants": [one.described() for one in contestants],
        "about": abouts | {"ours_mask": ours, "ours_all": ours},
        "answers": answers,
        "failed": {},
        "scale": {
            "cohort": [
                {"cases": cases, "peak_mib": peak, "seconds": 3.0 * cases}
                for cases, peak in ((1, 900.0), (4, 1000.0), (8, 1060.0))
            ]
        },
        "scale_failed": {},
        "minutes": 1.0,
        "quick": False,
        "machine": {
            "threads": 2, "processor": "a processor", "cores": 2, "instructions": [], "memory_gib": 8.0,
            "versions": {"torch": "2", "isal": None}, "busy_cores_before": 0.01,
        },
        "case": {
            "name": "a-case", "shape": [10, 10, 10], "voxels": 10**9, "scans": 4,
            "slices_with_brain": 100, "slices_seen": 50, "compressed_mib": 1.0, "grid": 1000, "regions": 3,
        },
    }  # fmt: skip


@pytest.fixture
def result(raw) -> dict:
    return assemble(raw)


def row(result: dict, name: str) -> dict:
    return next(one for one in result["rows"] if one["name"] == name)


def test_each_bar_is_held_against_the_run(result):
    found = {gate["name"]: (round(gate["found"], 2), gate["met"]) for gate in gates(result)}
    assert found == {
        "segresnet_stock": (10, True), "segresnet_tuned": (4.95, False), "compose": (8, True), "same_steps": (4, True),
        "ddpm": (2000, True), "inflate": (50, True), "synthesizer": (80, True), "segmenter": (80, True),
        "rest": (25, True), "cold_subject": (4.6, False), "cold_subject_all_imports": (4.6, True),
        "import": (0.31, False), "memory_ours_mask": (1000, True), "memory_ours_all": (1000, True),
        "cohort": (6, False),
    }  # fmt: skip


def test_a_missed_bar_is_said_to_be(result):
    lines = tables.gates({"gates": gates(result)}).splitlines()
    (line,) = [line for line in lines if "SegResNet with our settings" in line]
    assert "| at least 5.00 x | 4.95 x | **missed** |" in line
    assert any("40 % of GEMM" in line for line in lines)


def curve(weights: str, dices: dict[int, float], psnr: float) -> dict:
    def dice(value: float) -> dict:
        return {"volume": {"dice": {"value": value}}}

    return {
        "own_solver": "DDIM",
        "measurement": {"model": {"weights_sha256": weights}, "dtype": "bfloat16"},
        "steps": {str(count): {**dice(0.9), "regions": {"et": dice(value)}} for count, value in dices.items()},
        "slabs": {},
        "against_all_timesteps": {"2": {"psnr": {"value": psnr, "n": 6}}},
    }


def test_a_bar_is_met_only_by_a_setting_that_is_as_good(raw):
    raw["about"]["ours_mask"] |= {"model": {"weights_sha256": "of this model"}}
    result = assemble(raw)

    def found(steps: dict | None) -> dict:
        return {gate["name"]: (gate["met"], gate["quality"]) for gate in gates(result, steps)}

    good = found(curve("of this model", {2: 0.7, 10: 0.7015}, 0.5))
    said = "Dice at most 0.15 points below the best setting's (DDIM, 10 steps; ET)"
    assert good["segresnet_stock"] == (True, said)
    assert good["ddpm"][0]
    assert good["ddpm"][1].endswith("; PSNR +0.50 dB against our DDPM with all timesteps, n = 6")
    worse = found(curve("of this model", {2: 0.7, 10: 0.703}, -0.5))
    said = "Dice at most 0.30 points below the best setting's (DDIM, 10 steps; ET) (in one region alone: "
    assert worse["segresnet_stock"] == (False, said + "ET 0.30 points below DDIM, 10 steps)")
    assert [worse[name][0] for name in ("ddpm", "compose", "import")] == [False, True, False]
    assert not found(curve("of this model", {2: 0.7}, -0.5))["ddpm"][0]
    assert found(curve("of another", {2: 0.7}, 0.5))["ddpm"] == (
        True,
        "not measured with this model and this dtype",
    )
    assert found(None)["ddpm"] == (True, "not measured")


def test_the_best_setting_is_one_and_where_another_is_better_alone_it_is_said():
    steps = curve("of this model", {2: 0.7, 10: 0.69}, 0.5)
    steps["proposed"] = {"DDPM": {"50": curve("", {50: 0.71}, 0)["steps"]["50"]}}
    steps["proposed"]["DDPM"]["50"]["volume"]["dice"]["value"] = 0.88
    about = {"model": {"weights_sha256": "of this model"}, "precision": "bfloat16", "steps": 2}
    found = dice_quality(about, steps)
    said = "Dice is that of the best setting (in one region alone: ET 1.00 points below DDPM, 50 steps)"
    assert (found.met, found.words) == (True, said)
    steps["proposed"]["DDPM"]["50"]["volume"]["dice"]["value"] = 0.90
    found = dice_quality(about, steps)
    assert not found.met
    assert found.words.startswith("Dice at most 1.00 points below the best setting's (DDPM, 50 steps; ET)")
    assert dice_quality(about | {"steps": 3}, steps).words == "Dice of 3 steps: not measured"
    steps["proposed"]["DDPM"]["50"]["regions"]["et"]["volume"]["dice"]["value"] = None
    assert dice_quality(about, steps).words == "Dice is that of the best setting"


def test_each_turn_is_held_against_ours_of_the_same_round(result):
    found = row(result, "segresnet_pass_stock")
    assert found["ratios"] == {"median": 10, "min": pytest.approx(9.5), "max": 11, "n": 3}
    assert found["ratio"] == 10


def test_a_ratio_is_less_work_times_faster_work(result):
    net = row(result, "segresnet_pass_stock")
    assert net["ratio_less_work"] == pytest.approx(2)
    assert net["ratio_faster_work"] == pytest.approx(5)
    reading = row(result, "compose_stock")
    assert reading["ratio"] == pytest.approx(9)
    assert "ratio_less_work" not in reading


def test_ours_being_slower_is_said(raw):
    raw["answers"]["compose_stock"][0]["seconds"] = 0.1
    lines = tables.contestants(assemble(raw)).splitlines()
    (line,) = [line for line in lines if line.startswith("| compose_stock |")]
    assert "| **ours slower**, 0.50x (0.50 to 0.50) |" in line


def test_the_ratio_to_a_thousand_steps_is_the_product_of_its_parts(result):
    (stock,) = result["parts"]
    assert stock["setting"] == "stock"
    assert (stock["folding"], stock["fewer_steps"], stock["engineering"]) == (4, 500, 4)
    assert stock["whole"] == stock["folding"] * stock["fewer_steps"] * stock["engineering"] == 8000
    assert stock["engineering_same_steps"] == 4


def test_what_is_extrapolated_is_multiplied_and_says_so(result):
    found = row(result, "ddpm_folded_stock")
    assert found["seconds"] == {"median": 1000, "min": 1000, "max": 1000, "n": 1}
    assert found["measured_seconds"]["median"] == 2
    assert found["about"]["flops"] == 10**14
    (_, _, line) = tables.contestants({"rows": [found]}).splitlines()
    assert "1,000 (1,000 to 1,000, n = 1) **extrapolated** from 2 of 1000" in line


def test_what_is_no_net_is_what_the_nets_leave(result):
    found = result["ours"]["ours_mask"]
    assert found["share_without_nets"]["median"] == pytest.approx(0.25)
    assert [found["stages"][name]["median"] for name in ("read", "synthesize")] == [0.1, 0.5]


def test_each_stage_has_a_floor(result):
    floor = result["floor"]
    assert floor["nets"]["synthesizer"]["least_seconds"] == {"flops": pytest.approx(0.2), "bytes": pytest.approx(0.05)}
    assert floor["stages"] == {
        "read": 0.1, "synthesize": pytest.approx(0.2), "segment": pytest.approx(0.4),
        "preprocess": pytest.approx(0.44), "restore": pytest.approx(0.08),
    }  # fmt: skip
    assert floor["mask_seconds"] == pytest.approx(1.22)
    (line,) = [line for line in tables.stages(result).splitlines() if line.startswith("| segment")]
    assert line.endswith("| 0.40 (FLOPs at the peak), 0.05 (bandwidth) | 2.50x |")


def test_what_was_not_measured_is_said_and_loses_nothing_else(raw):
    for name in ("peaks", "cold_mask", "segresnet_pass_stock"):
        del raw["answers"][name]
    raw["failed"] = {"cold_mask": "TimeoutError: not done after 120 s"}
    raw["scale"] = {}
    result = assemble(raw)
    result |= {"gates": gates(result), "on_paper": on_paper.calculated(result)}
    met = {gate["name"]: gate["met"] for gate in result["gates"]}
    assert [name for name, one in met.items() if one is None] == [
        "segresnet_stock", "nets", "cold_subject", "cold_subject_all_imports", "cohort"
    ]  # fmt: skip
    assert met["compose"]
    said = tables.in_words(result)
    assert "- `cold_mask`: TimeoutError: not done after 120 s" in said
    assert "| at least 10.0 x | not measured | not measured |" in said


def test_without_ours_there_is_still_a_table(raw):
    for name in ("ours_mask", "ours_all", "inflate"):
        del raw["answers"][name], raw["about"][name]
    result = assemble(raw)
    result |= {"gates": gates(result), "on_paper": on_paper.calculated(result)}
    assert floor_of(raw)["mask_seconds"] is None
    assert "| segresnet_pass_stock | as its users run it | 22.0 (20.0 to 38.0, n = 3) |" in tables.in_words(result)


def program(name: str, group: str, code: str = "") -> Contestant:
    return Contestant(name, name, "process", program=(sys.executable, "-c", code), group=group)


def test_ours_take_turns_with_each_group(tmp_path):
    said = []
    record = Record(tmp_path / "raw.json", None, said.append)
    everybody = [program("ours", ""), program("a", "3D"), program("b", "plain"), program("c", "plain")]
    take_turns(everybody, workload((240, 240, 155), quick=True), record, 1)
    answers = record.values["answers"]
    assert {name: len(found) for name, found in answers.items()} == {"ours": 2, "a": 1, "b": 1, "c": 1}
    assert [line for line in said if "round" in line] == [
        "3D, round 1: ours", "3D, round 1: a", "plain, round 1: ours", "plain, round 1: b", "plain, round 1: c"
    ]  # fmt: skip
    assert [(one["group"], one["round"]) for one in answers["ours"]] == [("3D", 0), ("plain", 0)]


def test_who_fails_is_left_out_and_what_was_measured_is_kept(tmp_path):
    said = []
    record = Record(tmp_path / "raw.json", None, said.append)
    everybody = [program("good", "3D"), program("bad", "3D", "raise SystemExit('broken')")]
    take_turns(everybody, workload((240, 240, 155), quick=True), record, 2)
    kept = json.loads((tmp_path / "raw.json").read_text(encoding="utf-8"))
    assert [len(kept["answers"].get(name, [])) for name in ("good", "bad")] == [2, 0]
    assert "broken" in kept["failed"]["bad"]
    assert sum("bad FAILED" in line for line in said) == 1


def test_no_group_is_begun_late():
    record = Record(None, 0.0, lambda said: None)
    take_turns([program("ours", ""), program("a", "3D")], workload((240, 240, 155), quick=True), record, 3)
    assert record.values["answers"] == {}
    assert record.values["failed"] == {"a": "no time was left"}


def test_what_takes_long_takes_part_in_fewer_rounds():
    record = Record(None, None, lambda said: None)
    slow = Contestant("slow", "slow", "process", program=(sys.executable, "-c", ""), group="3D", most=1)
    take_turns([program("ours", ""), program("a", "3D"), slow], workload((240, 240, 155), quick=True), record, 2)
    assert {name: len(found) for name, found in record.values["answers"].items()} == {"ours": 2, "a": 2, "slow": 1}


def test_a_summary_has_its_range_and_n():
    assert summary([3.0, 1.0, 2.0]) == {"median": 2, "min": 1, "max": 3, "n": 3}
    assert scaled(summary([3.0, 1.0]), 10) == {"median": 20, "min": 10, "max": 30, "n": 2}


def test_the_cost_on_gpus_is_flops_over_an_assumed_rate(result):
    row(result, "ours_all")["seconds"] = summary([3.0])
    found = on_paper.calculated(result)
    first, eighth = found["rows"][:2]
    assert found["host_core_seconds_a_case"] == pytest.approx(3.0)  # 3 s, 1.5 in the nets, two threads
    assert first["host_minutes"] == pytest.approx(10_000 * 3 / 8 / 60)
    assert first["net_minutes"][0] == pytest.approx(10_000 * 6e11 / (0.1 * 989e12) / 60)
    assert eighth["minutes"] == pytest.approx(first["minutes"] / 8)
    text = tables.on_paper({"on_paper": found})
    assert "Calculated, not measured" in text


def workload(shape, **rest) -> Workload:
    return Workload(Path("case"), None, shape, 1, 1, **rest)


def test_windows_are_counted_as_monai_does():
    patches = pytest.importorskip("monai.data.utils").dense_patch_slices
    from benchmarks.performance.peers_volume import count_windows

    assert count_windows(workload((240, 240, 155))) == 18
    for shape in ((240, 240, 155), (128, 192, 200), (256, 256, 129)):
        assert count_windows(workload(shape)) == len(patches(shape, (128,) * 3, (64,) * 3))


def test_a_nets_work_is_that_of_its_convolutions(tiny_pipeline):
    from benchmarks.performance.precision import count_flops
    from benchmarks.performance.work import noted_calls, work_of

    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert count_flops(layer, lambda net: net(torch.empty(1, 3, 8, 8, device="meta"))) == 2 * 9 * 3 * 5 * 64
    with noted_calls({"layer": layer}) as calls:
        for slices in (4, 4, 1):
            layer(torch.zeros(slices, 3, 8, 8))
    found = work_of(layer, calls["layer"])
    weights, slice_bytes = 4 * (5 * 3 * 9 + 5), 4 * (3 + 5) * 64
    assert vars(found) == {"slices": 9, "flops": 9 * 2 * 9 * 3 * 5 * 64, "bytes": 3 * weights + 9 * slice_bytes}
    net = tiny_pipeline.synthesizer
    with noted_calls({"net": net}) as calls:
        net(sample=torch.zeros(2, 16, 8, 8), timestep=3)
    assert work_of(net, calls["net"]).flops > 2 * 4 * 2 * 9 * 16 * 8 * 64  # twice its first convolution, four times


def test_a_thinned_case_holds_its_middle_slices():
    whole = simulate_case(0, (60, 60, 39))
    thin = thinned(whole, 3)
    assert thin.flair.shape == (60, 60, 3)
    assert (thin.t1.data == whole.t1.data[:, :, 18:21]).all()
    assert thin.t1.affine[2, 3] == whole.t1.affine[2, 3] + 18 * whole.t1.affine[2, 2]
    assert brain_slices(thin) == 12
    assert workload((240, 240, 155)).padded == (240, 240, 160)


class Threaded:
    """A task that tells how many threads it has, and takes others."""

    about: ClassVar = {}

    def run(self) -> dict:
        found = {"threads": torch.get_num_threads()}
        torch.set_num_threads(3)
        return found


def test_what_stands_in_for_a_worker_leaves_torch_its_threads(threads):
    threads(2)
    here = Here(Threaded, threads=1)
    assert [here.run()["threads"], here.run()["threads"]] == [1, 1]
    assert torch.get_num_threads() == 2
