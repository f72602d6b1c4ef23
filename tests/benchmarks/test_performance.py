"""How turns are taken and what is made of them; tests/benchmarks/test_performance_run.py runs all of it."""

import sys
from pathlib import Path

import pytest

from benchmarks.performance import on_paper, tables
from benchmarks.performance.contestants import Contestant
from benchmarks.performance.gates import gates
from benchmarks.performance.programs import Program
from benchmarks.performance.result import compared, parts_of, row_of, stages_of
from benchmarks.performance.rounds import Measured, scaled, summary, take_turns
from benchmarks.performance.workload import Workload, brain_slices, thinned
from recoseg_hf.imaging.phantom import simulate_case


def once(value: float) -> dict:
    return summary([value])


def row(name: str, seconds: float, against: str = "", **about) -> dict:
    return {
        "name": name, "title": name, "setting": "stock", "basis": "", "seconds": once(seconds), "against": against,
        "peak_mib": 1000.0, "about": about,
    }  # fmt: skip


@pytest.fixture
def result() -> dict:
    """A run in round numbers: a subject takes 2 s, of which 1.5 in the nets."""
    nets = {
        name: {"slices": 100, "flops": flops, "bytes": 10**9}
        for name, flops in (("synthesizer", 2e11), ("segmenter", 4e11))
    }
    stages = {"read": 0.1, "preprocess": 0.1, "synthesize": 0.5, "segment": 1.0, "restore": 0.2, "write": 0.1}
    own = {
        "stages": {name: once(value) for name, value in stages.items()},
        "nets": {"synthesizer": once(0.5), "segmenter": once(1.0)},
        "share_without_nets": once(0.25),
    }
    floor_nets = {
        name: net
        | {"seconds": 1.0, "least_seconds": {"flops": share, "bytes": 0.1}, "gflops": 400.0, "share_of_peak": share}
        for (name, net), share in zip(nets.items(), (0.7, 0.69), strict=True)
    }
    found = {
        "ours": {"ours_mask": own, "ours_all": own},
        "floor": {"dtype": "bf16", "nets": floor_nets, "inflate_seconds": once(0.1), "mask_seconds": 1.0},
        "machine": {"threads": 2},
        "scale": {"cohort": [{"cases": count, "peak_mib": peak} for count, peak in ((1, 900), (4, 1000), (16, 1060))]},
        "rows": [
            row("ours_mask", 2.0, nets=nets, flops=6e11, steps=2),
            row("ours_all", 3.0, nets=nets, flops=6e11),
            row("segresnet_pass_stock", 20.0, "mask", flops=12e11),
            row("segresnet_pass_tuned", 9.9, "mask", flops=12e11),
            row("compose_stock", 1.6, "input"),
            row("same_steps_folded_stock", 2.0, "synthesize", flops=2e11),
            row("same_steps_folded_tuned", 1.0, "synthesize", flops=2e11),
            *(row(f"ddpm_folded_{setting}", 1000.0, "synthesize") for setting in ("stock", "tuned")),
            *(row(f"ddpm_plain_{setting}", 4000.0, "synthesize") for setting in ("stock", "tuned")),
            row("imports", 4.0), row("import_recoseg", 0.31), row("cold_mask", 7.5),
        ],
    }  # fmt: skip
    for one in found["rows"]:
        one |= compared(one, found)
    return found


def test_each_bar_is_held_against_the_run(result):
    found = {gate["name"]: (round(gate["found"], 2), gate["met"]) for gate in gates(result)}
    assert found == {
        "segresnet_stock": (10, True), "segresnet_tuned": (4.95, False), "compose": (8, True), "same_steps": (4, True),
        "ddpm": (2000, True), "inflate": (50, True), "synthesizer": (70, True), "segmenter": (69, False),
        "rest": (25, True), "cold_start": (5.5, True), "cold_subject": (7.5, False), "import": (0.31, False),
        "memory_ours_mask": (1000, True), "memory_ours_all": (1000, True),
        "cohort": (6, False),
    }  # fmt: skip


def test_a_missed_bar_is_said_to_be(result):
    lines = tables.gates({"gates": gates(result)}).splitlines()
    (line,) = [line for line in lines if "SegResNet with our settings" in line]
    assert line.endswith("| at least 5.00 x | 4.95 x | **missed** |")


def test_a_ratio_is_less_work_times_faster_work(result):
    (net,) = [one for one in result["rows"] if one["name"] == "segresnet_pass_stock"]
    assert net["ratio"] == pytest.approx(10)
    assert net["ratio_less_work"] == pytest.approx(2)
    assert net["ratio_faster_work"] == pytest.approx(5)
    (reading,) = [one for one in result["rows"] if one["name"] == "compose_stock"]
    assert reading["ratio"] == pytest.approx(8)
    assert "ratio_less_work" not in reading


def test_the_ratio_to_a_thousand_steps_is_the_product_of_its_parts(result):
    stock, tuned = parts_of(result, None)
    assert (stock["setting"], tuned["setting"]) == ("stock", "tuned")
    assert (stock["folding"], stock["fewer_steps"], stock["engineering"]) == (4, 500, 4)
    assert stock["whole"] == stock["folding"] * stock["fewer_steps"] * stock["engineering"] == 8000
    assert (stock["engineering_same_steps"], tuned["engineering_same_steps"]) == (4, 2)


def test_what_is_extrapolated_is_multiplied_and_says_so():
    one = Contestant("windows", "a net", "stock", times=18, basis="1 of 18 windows", against="mask")
    answers = [{"seconds": seconds, "peak_mib": peak} for seconds, peak in ((1.0, 10.0), (3.0, 30.0), (2.0, 20.0))]
    found = row_of(one, Measured({"flops": 7}, answers))
    assert found["seconds"] == {"median": 36, "min": 18, "max": 54, "n": 3}
    assert found["measured_seconds"]["median"] == 2
    assert (found["peak_mib"], found["about"]["flops"]) == (30, 126)
    (_, _, line) = tables.contestants({"rows": [found]}).splitlines()
    assert "36.0 (18.0 to 54.0, n = 3) **extrapolated** from 1 of 18 windows" in line


def test_what_is_no_net_is_what_the_nets_leave():
    stages = {"read": 1.0, "synthesize": 2.0}
    answer = {"seconds": 4.0, "stages": stages, "nets": {"synthesizer": 2.0, "segmenter": 1.0}}
    found = stages_of(Measured({}, [answer]))
    assert found["share_without_nets"]["median"] == pytest.approx(0.25)
    assert [found["stages"][name]["median"] for name in ("read", "synthesize", "write")] == [1, 2, 0]


def test_ours_take_turns_with_each_group():
    def program(name: str, group: str) -> Contestant:
        return Contestant(name, name, "process", program=(sys.executable, "-c", ""), group=group)

    said = []
    everybody = [program("ours", ""), program("a", "A"), program("b", "B"), program("c", "B")]
    found, loads = take_turns(everybody, workload((240, 240, 155), quick=True), said.append)
    assert {name: len(one.answers) for name, one in found.items()} == {"ours": 2, "a": 1, "b": 1, "c": 1}
    assert [line for line in said if "round" in line] == [
        "A, round 1: ours", "A, round 1: a", "B, round 1: ours", "B, round 1: b", "B, round 1: c"
    ]  # fmt: skip
    assert len(loads) == 2


def test_a_summary_has_its_range_and_n():
    assert summary([3.0, 1.0, 2.0]) == {"median": 2, "min": 1, "max": 3, "n": 3}
    assert scaled(summary([3.0, 1.0]), 10) == {"median": 20, "min": 10, "max": 30, "n": 2}


def test_the_cost_on_gpus_is_flops_over_an_assumed_rate(result):
    found = on_paper.calculated(result)
    first, eighth = found["rows"][:2]
    assert found["host_core_seconds_a_case"] == pytest.approx(3.0)  # 3 s, 1.5 in the nets, two threads
    assert first["host_minutes"] == pytest.approx(10_000 * 3 / 8 / 60)
    assert first["net_minutes"][0] == pytest.approx(10_000 * 6e11 / (0.1 * 989e12) / 60)
    assert eighth["minutes"] == pytest.approx(first["minutes"] / 8)
    text = tables.on_paper({"scale": {"on_paper": found}})
    assert "Calculated, not measured" in text


def test_a_program_is_timed_with_its_memory_and_its_failure_is_told():
    found = Program((sys.executable, "-c", "import time; held = bytes(64 * 2**20); time.sleep(0.2)")).run()
    assert found["seconds"] > 0.2
    assert found["peak_mib"] > 64
    with pytest.raises(RuntimeError, match=r"exit code 3: no such thing"):
        Program((sys.executable, "-c", "import sys; sys.stderr.write('no such thing'); sys.exit(3)")).run()


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
    from benchmarks.performance.work import NetWork, net_work

    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert count_flops(layer, lambda net: net(torch.empty(1, 3, 8, 8, device="meta"))) == 2 * 9 * 3 * 5 * 64
    found = net_work(tiny_pipeline.synthesizer, (16, 8, 8))
    first = 2 * 9 * 16 * 8 * 64  # its first convolution alone
    assert found.flops > 4 * first
    assert found.bytes > sum(
        parameter.nbytes for parameter in tiny_pipeline.synthesizer.parameters() if parameter.ndim == 4
    )
    twice = NetWork()
    twice.add(2, found)
    assert vars(twice) == {"slices": 2, "flops": 2 * found.flops, "bytes": 2 * found.bytes}


def test_a_thinned_case_holds_its_middle_slices():
    whole = simulate_case(0, (60, 60, 39))
    thin = thinned(whole, 3)
    assert thin.flair.shape == (60, 60, 3)
    assert (thin.t1.data == whole.t1.data[:, :, 18:21]).all()
    assert thin.t1.affine[2, 3] == whole.t1.affine[2, 3] + 18 * whole.t1.affine[2, 2]
    assert brain_slices(thin) == 12
    assert workload((240, 240, 155)).padded == (240, 240, 160)
