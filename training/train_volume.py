"""Train a 3D baseline: MONAI's U-Net on random patches of volumes, with gradient accumulation.

    accelerate launch training/train_volume.py --pretrained_model_name_or_path pipelines/unet3d_t1ce \
        --train_data_dir DATA --output_dir runs/unet3d_t1ce

DATA is a folder made by `recoseg prepare`, or a BraTS-style folder, whose slices are then made first; the volumes are
put together from the slices that the 2D systems are trained on. A system with a residual also needs DATA made by
`training/cache_residuals.py` and, as `--synthesizer_model`, the 2D model that drew it. The result is a pipeline folder
for `recoseg_hf.load_pipeline`. Needs the `eval` extra beside `train`.
"""

from dataclasses import dataclass
from pathlib import Path

from recoseg_hf.cli.scripts import run_script
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.baselines import VolumePipeline
from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.options import TrainingOptions, option
from recoseg_hf.learning.residual_origin import check_residuals
from recoseg_hf.learning.segmentation import SourceMix, cached_columns
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.slices import SliceSettings
from recoseg_hf.learning.start import load_or_build
from recoseg_hf.learning.training_data import TrainingData, open_training_data
from recoseg_hf.learning.training_loop import TrainingRun
from recoseg_hf.learning.volume_patches import VolumeDataset
from recoseg_hf.learning.volume_segmentation import validate_volumes, volume_step_loss
from recoseg_hf.process import tune_process


@dataclass
class VolumeOptions(TrainingOptions):
    """Options of a 3D baseline's training beside the common ones."""

    train_batch_size: int = option(2, "Patches per micro-batch and process, each of another subject (paper: 2).")
    gradient_accumulation_steps: int = option(2, "Micro-batches per optimiser step.")
    tumour_share: float = option(0.33, "Share of patches around a voxel of tumour; the others lie anywhere.")
    synthesizer_model: str = option("", "2D model that drew the residuals of --train_data_dir, if they are used.")
    allow_other_synthesizer: bool = option(False, "Train on residuals of another synthesizer than that model's.")

    def __post_init__(self) -> None:
        super().__post_init__()
        fixed = {"freeze": "none", "gradient_checkpointing": False, "validation_every": 1, "push_to_hub": False}
        asked = {name: getattr(self, name) for name, value in fixed.items() if getattr(self, name) != value}
        if asked:
            listed = ", ".join(f"{name}={value}" for name, value in asked.items())
            raise ValueError(f"{listed}; not for the 3D baselines, which are trained and validated whole, and kept.")
        if not 0 <= self.tumour_share <= 1:
            raise ValueError(f"tumour_share={self.tumour_share}; expected 0 to 1.")

    def starts(self) -> list[str]:
        """See `TrainingOptions`."""
        return [*super().starts(), *filter(None, [self.synthesizer_model])]


def open_pipeline(options: VolumeOptions) -> VolumePipeline:
    """The 3D system, with its weights or fresh ones, and with the synthesizer of the 2D model where one is named."""
    folder = Path(options.pretrained_model_name_or_path)
    if not (folder / "model_index.json").is_file():
        raise InputError(folder, "no model_index.json", "a folder of a 3D system", "Name one of pipelines/ or a run.")
    trained = any(folder.glob("*/*.safetensors"))
    try:
        if trained:
            pipeline = VolumePipeline.from_pretrained(folder)
        else:
            pipeline = VolumePipeline.from_config_folder(folder, options.seed)
        if options.synthesizer_model:
            pipeline = pipeline.with_synthesizer_of(load_or_build(options.synthesizer_model, options.seed))
    except (TypeError, ValueError) as error:
        remedy = "Name pipelines/unet3d or another 3D system, and a 2D model of its grid."
        raise InputError(folder, str(error), "a 3D system", remedy) from error
    if pipeline.synthesizer is not None and not (trained or options.synthesizer_model):
        remedy = "Name the model that training/cache_residuals.py drew them with: --synthesizer_model."
        raise InputError(folder, "its synthesizer has fresh weights", "the one that drew the residuals", remedy)
    return pipeline


def open_data(options: VolumeOptions, pipeline: VolumePipeline) -> TrainingData:
    """Everybody that the run learns from and is judged on, as volumes."""
    columns = cached_columns(pipeline.channels, SourceMix(measured=1, ensemble=0, none=0))
    slices = open_training_data(options, SliceSettings.of_pipeline(pipeline.config), columns=columns)
    slices.check_labels("train", "validation")
    if columns:
        judged = slices.validation.chosen_subjects()
        check_residuals(options.train_data_dir, pipeline, judged, options.allow_other_synthesizer)

    def volumes(part: SliceDataset) -> VolumeDataset:
        config = pipeline.config
        return VolumeDataset(part, pipeline.channels, config.residual_clip, config.slice_spacing, config.patch_size)

    return TrainingData(volumes(slices.train), volumes(slices.validation), source=slices.source)


def main(options: VolumeOptions) -> None:
    """The whole run."""
    tune_process()
    pipeline = open_pipeline(options)
    augmentation = None if options.no_augmentation else AugmentationSettings()

    run = TrainingRun(options, pipeline.segmenter, higher_is_better=True)
    run.accelerator.print(run.describe())
    with run.accelerator.main_process_first():
        data = open_data(options, pipeline)
    run.resume(data, pipeline)
    bar = run.progress_bar()
    for step, batches in run.steps(data.train):
        for micro_step, batch in enumerate(batches):
            with run.accumulate(micro_step):
                randomness = run.randomness(step, micro_step)
                run.backward(
                    volume_step_loss(run.net, pipeline, batch, randomness, augmentation, options.tumour_share)
                )
        bar.set_postfix(loss=f"{run.update():.4f}")
        bar.update(run.slices_per_step)
        if run.validates():
            with run.average.applied():
                scores = validate_volumes(pipeline, data.validation, share=run.share)
            run.judge(scores, by="dice_wt")
        run.save_if_due()

    bar.close()
    pipeline.segmenter = run.bare_net
    run.finish(pipeline)
    if options.dry_run:
        run.accelerator.print(run.estimate())


if __name__ == "__main__":
    run_script(main, VolumeOptions)
