"""The head of a card, which the Hub reads: licence, tags, and the measured scores as `model-index`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_TAGS = ("medical", "MRI", "brain-tumour", "BraTS", "diffusion", "recoseg")
# Section and score of an evaluation, the Hub's type of metric, and its name.
_METRICS = (
    ("volume", "dice", "dice", "whole-tumour Dice per volume"),
    ("volume", "iou", "mean_iou", "whole-tumour IoU per volume"),
    ("surface", "hd95_mm", "hausdorff_distance", "whole-tumour HD95 in mm"),
    ("synthesis", "psnr", "psnr", "PSNR of the synthetic T1ce in the brain, in dB"),
    ("synthesis", "ssim", "ssim", "SSIM of the synthetic T1ce in the brain"),
)
_REGIONS = {"tc": "tumour-core Dice per volume", "et": "enhancing-tumour Dice per volume"}


def front_matter(name: str, values: Mapping[str, Any]) -> str:
    """Return a card's YAML head, without its dashes.

    Args:
        name: of the model.
        values: of the card: what `hub.card.render` gives to its template.
    """
    from huggingface_hub import ModelCardData

    measured = list(_evaluated(values))
    data = ModelCardData(
        license="other",
        license_name="research-use-only" if "results" in values else "see-license-file",
        license_link="LICENSE.md",
        library_name="diffusers",
        pipeline_tag="image-segmentation",
        tags=list(_TAGS),
        metrics=sorted({one.metric_type for one in measured}) or None,
        model_name=name,
        eval_results=measured or None,
    )
    return data.to_yaml()


def _evaluated(values: Mapping[str, Any]) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    if "results" in values:
        result, regions = values["accuracy"], values["results"]["accuracy"]["regions"]
        dataset = {"dataset_type": "brats2018", "dataset_name": f"BraTS 2018, {result['n']} validation subjects"}
    elif values["evaluation"]:
        result, regions = values["evaluation"], values["evaluation"].get("regions") or {}
        dataset = {"dataset_type": "other", "dataset_name": f"{values['dataset']}, {result['n']} subjects"}
    else:
        return
    scores = [(_section(result, section).get(score), kind, name) for section, score, kind, name in _METRICS]
    scores += [(regions[key]["volume"]["dice"], "dice", name) for key, name in _REGIONS.items() if key in regions]
    for score, kind, name in scores:
        if score and score["value"] is not None:
            # A plain float: of numpy's YAML makes a tag that asks its reader to build Python objects.
            value = round(float(score["value"]), 4)
            yield EvalResult(
                task_type="image-segmentation", metric_type=kind, metric_name=name, metric_value=value, **dataset
            )


def _section(result: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return result.get(name) or {}
