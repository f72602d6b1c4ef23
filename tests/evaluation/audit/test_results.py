"""Results that cannot be true are found, whatever their arrangement; those of real masks never are."""

import json

import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation import aggregate, compare_case, compare_case_as_paper, paired_differences
from recoseg_hf.evaluation.audit import audit_results, read_results
from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.files import shipped_folder, write_json
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.learning.subjects import subject_hash


def checks(audit):
    return [(finding.level, finding.check, finding.where) for finding in audit.findings]


def cohort(seed=0, protocol="volume"):
    """Four subjects, one of them missed."""
    compare = {"volume": compare_case, "paper": compare_case_as_paper}[protocol]
    records = []
    for k, subject in enumerate("abcd"):
        generator = np.random.default_rng([seed, k])
        masks = [generator.random((24, 24, 4)) < share for share in (0.5 if k else 0, 0.6)]
        volumes = (Volume(mask.astype(np.uint8), np.eye(4)) for mask in masks)
        records.append({"subject": subject} | compare(*volumes))
    return aggregate(records, resamples=50, protocol=protocol)


class TestPaperTable:
    def test_two_pairs_are_impossible_and_the_other_eight_are_not(self):
        audit = audit_results(paper_table())
        assert len(audit.pairs) == 10
        impossible = [pair.where for pair in audit.pairs if not pair.possible]
        assert impossible == ["rows[ReCoSeg, BraTS2021]", "rows[ReCoSeg++, BraTS2021]"]
        assert [finding.where for finding in audit.errors] == impossible

    def test_it_says_why(self):
        messages = {finding.where: finding.message for finding in audit_results(paper_table()).errors}
        assert messages["rows[ReCoSeg++, BraTS2021]"] == (
            "Dice 93.02 % and IoU 86.7 % are not of one set of cases: with this Dice, the IoU lies between 86.94 % "
            "and 93.03 %, rounding allowed for."
        )

    def test_no_row_has_n(self):
        warnings = [finding for finding in audit_results(paper_table()).findings if finding.level == "warning"]
        assert [warning.check for warning in warnings] == ["missing_n"]
        assert warnings[0].message.startswith("10 of 10 do not say on how many cases they stand: rows[UNet2D, ")


class TestOurResults:
    @pytest.mark.parametrize("seed", range(3))
    def test_are_possible(self, seed, tmp_path):
        write_json(tmp_path / "metrics.json", cohort(seed))
        audit = audit_results(read_results(tmp_path / "metrics.json"))
        assert audit.findings == ()
        assert [pair.where for pair in audit.pairs] == ["pooled", "slice", "volume"]
        assert [pair.pooled for pair in audit.pairs] == [True, False, False]

    def test_those_of_the_benchmarks_are_possible(self):
        folder = shipped_folder("benchmarks") / "results"
        audits = {file.name: audit_results(read_results(file)) for file in folder.glob("*.json")}
        assert len(audits["accuracy.json"].pairs) >= 3
        assert {name: found.errors for name, found in audits.items()} == dict.fromkeys(audits, ())

    def test_slices_chosen_by_the_reference_are_named(self):
        audit = audit_results(cohort() | {"paper": cohort(protocol="paper")})
        assert checks(audit) == [("warning", "oracle_slices", "paper")]
        assert {pair.where: pair.oracle_slices for pair in audit.pairs} == {
            "volume": False, "slice": False, "pooled": False,
            "paper.volume": True, "paper.slice": True, "paper.pooled": True,
        }  # fmt: skip

    def test_a_subject_s_own_pair_is_shown_only_where_it_is_impossible(self):
        result = cohort()
        result["subjects"][2]["iou"] = result["subjects"][2]["dice"]  # possible for a mean, not for one case
        audit = audit_results(result)
        assert checks(audit) == [("error", "impossible_pair", "subjects[wt, c]")]
        assert "are not of pooled voxels or one case" in audit.errors[0].message
        assert "subjects[wt, c]" in [pair.where for pair in audit.pairs]

    def test_pooled_scores_have_one_iou(self):
        result = cohort()
        result["pooled"]["iou"]["value"] += 0.001
        assert checks(audit_results(result)) == [("error", "impossible_pair", "pooled")]

    def test_differences_of_scores_are_no_scores(self):
        found = paired_differences(cohort(), cohort(1), resamples=50)
        assert audit_results({"difference": found}).pairs == ()


class TestNumberOfCases:
    def test_it_may_stand_with_the_score_beside_it_or_around_it(self):
        own = {"dice": {"value": 0.8, "n": 5}, "iou": {"value": 0.7, "n": 5}}
        beside = {"dice": 0.8, "iou": 0.7, "n": 5}
        around = {"n": 5, "rows": [{"dice": 0.8, "iou": 0.7}]}
        for content in (own, beside, around):
            audit = audit_results(content)
            assert (audit.findings, audit.pairs[0].n) == ((), 5)

    @pytest.mark.parametrize("content", [{"dice": 0.8}, {"dice": 0.8, "iou": 0.7, "n": 0}, {"n": None, "iou": "70 %"}])
    def test_without_it_there_is_a_warning(self, content):
        assert checks(audit_results(content)) == [("warning", "missing_n", "n")]
        assert (
            "1 of 1 do not say on how many cases they stand: the file." in audit_results(content).findings[0].message
        )

    def test_two_numbers_of_cases_are_no_pair(self):
        audit = audit_results({"a": {"dice": {"value": 0.8, "n": 5}, "iou": {"value": 0.1, "n": 4}}})
        assert checks(audit) == [("warning", "different_n", "a")]
        assert audit.pairs == ()

    def test_undefined_scores_are_none(self):
        assert audit_results({"dice": {"value": None, "n": 0}, "iou": {"value": None, "n": 0}}).findings == ()


class TestSubjects:
    def test_in_two_parts_of_a_split_by_name_or_hash(self):
        content = {"train": ["a", "b"], "validation": [subject_hash("b"), "c"], "sites": {"x": ["a"]}}
        audit = audit_results({"split": content})
        assert checks(audit) == [("error", "shared_subjects", "split")]
        assert audit.errors[0].message == "1 subject is in both train and validation: b."
        assert audit_results({"train": ["a"], "validation": ["b"], "n": 2}).findings == ()

    def test_lists_that_are_no_split(self):
        assert audit_results({"heads": ["wt", "et"], "regions": ["wt"]}).findings == ()
        assert audit_results({"train": [1, 2], "validation": [1]}).findings == ()

    def test_evaluated_though_trained_on(self):
        result = cohort()
        message = "2 subjects are evaluated, and the model was trained on them: b, d."
        hashes = [subject_hash(name) for name in "bd"]
        for content in (
            result | {"subjects_seen": hashes},
            {"model": {"subjects_seen": hashes}, "accuracy": result},
        ):
            assert [finding.message for finding in audit_results(content).errors] == [message]
        assert [finding.message for finding in audit_results(result, seen=["b", "d", "z"]).errors] == [message]
        assert audit_results(result, seen=["z"]).findings == ()

    def test_one_model_s_subjects_are_another_s_business(self):
        systems = {"one": {"subjects_seen": ["a"]}, "other": cohort()}
        assert audit_results(systems).findings == ()

    def test_one_scan_under_two_names(self):
        manifest = {
            "subjects": {"train": ["a", "b"], "validation": ["c"]},
            "sha256": {"a/a_t1.nii.gz": "1", "x/b/b_t1.nii.gz": "2", "y/c/c_t1.nii.gz": "2"},
        }
        audit = audit_results(manifest)
        assert checks(audit) == [("error", "shared_subjects", "the file")]
        assert audit.errors[0].message == "One scan under several names in different parts: b (train), c (validation)."
        manifest["sha256"]["y/c/c_t1.nii.gz"] = "3"
        assert audit_results(manifest).findings == ()


class TestReading:
    def test_digits_are_kept(self, tmp_path):
        (tmp_path / "table.json").write_text('{"dice": 93.0, "iou": 86.7, "n": 3}')
        pair = audit_results(read_results(tmp_path / "table.json")).pairs[0]
        assert (pair.dice.printed, pair.dice.percent, pair.possible) == ("93.0", True, False)
        assert audit_results(json.loads('{"dice": "93", "iou": "86.7", "n": 3}')).pairs[0].possible

    def test_percent_may_be_said(self):
        assert (
            audit_results({"unit": "percent", "n": 3, "rows": [{"dice": "0.9", "iou": "0.5"}]}).pairs[0].dice.percent
        )
        assert not audit_results({"n": 3, "dice": "0.9", "iou": "0.8"}).pairs[0].dice.percent

    def test_what_cannot_be_read(self, tmp_path):
        with pytest.raises(InputError, match="No such file or directory; expected a JSON file with results"):
            read_results(tmp_path / "nothing.json")
        (tmp_path / "text.json").write_text("Dice 0.9")
        with pytest.raises(InputError, match=r"text\.json: it is no JSON"):
            read_results(tmp_path / "text.json")
        (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InputError, match=r"binary\.json: it is no JSON"):
            read_results(tmp_path / "binary.json")

    @pytest.mark.parametrize("content", [None, 3, "text", [], {}, [[1, [2]]], {"dice": {"value": "?"}, "iou": []}])
    def test_json_without_scores(self, content):
        assert audit_results(content).findings == ()
