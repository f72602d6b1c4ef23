"""Train the synthesizer: a conditional DDPM that draws T1ce from FLAIR, T1 and T2.

    accelerate launch training/train_synthesizer.py training/configs/recoseg_small_synthesizer.yaml \
        --train_data_dir DATA --output_dir runs/synthesizer

DATA is a folder made by `recoseg prepare` or a BraTS-style folder. The result is a pipeline folder with the trained
synthesizer; the segmenter in it is as it was.
"""

from dataclasses import dataclass

from recoseg_hf.cli.scripts import run_script
from recoseg_hf.errors import InputError
from recoseg_hf.hub import push_model
from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.options import TrainingOptions, option
from recoseg_hf.learning.pictures import synthesis_picture, watched_slices
from recoseg_hf.learning.slice_batches import SYNTHESIS_DOMAINS
from recoseg_hf.learning.slices import SliceSettings
from recoseg_hf.learning.start import load_or_build
from recoseg_hf.learning.synthesis import NoiseLevels, synthesis_loss, validate_synthesis
from recoseg_hf.learning.training_data import TrainingData, open_training_data
from recoseg_hf.learning.training_loop import TrainingRun
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process


@dataclass
class SynthesizerOptions(TrainingOptions):
    """Options of the synthesizer's training beside the common ones."""

    reconstruction_loss: str = option("weighted", "L_recon: weighted (by alpha_bar), paper (literal) or none.")
    num_inference_steps: int = option(0, "Denoising steps of the validation; 0 takes the pipeline's default.")
    few_steps: int = option(1, "Denoising steps whose noise levels --few_step_share learns at.")
    few_step_share: float = option(0.0, "Share of slices that learn at those noise levels; 0 (paper): any, evenly.")
    synthesis_domain: str = option(
        "all", "Slices to learn from: all, tumour (those with some; the paper's filter) or healthy (those without)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.synthesis_domain not in SYNTHESIS_DOMAINS:
            expected = ", ".join(SYNTHESIS_DOMAINS)
            raise ValueError(f"synthesis_domain={self.synthesis_domain!r}; expected one of {expected}.")
        self.levels()

    def levels(self) -> NoiseLevels:
        """The noise levels to learn at."""
        return NoiseLevels(self.few_steps, self.few_step_share)


def open_data(options: SynthesizerOptions, pipeline: ReCoSegPipeline) -> TrainingData:
    """Everybody that the run learns from and is judged on.

    The paper drops slices without tumour before either stage, which is `--synthesis_domain tumour`: such a net learns
    to draw enhancement, and R marks where it guessed wrong. After `healthy`, R marks what healthy tissue does not
    explain. The default is `all`: neither stage's input is filtered at inference, and stage 1 then needs no reference.
    Whatever the net learns from, it is judged on all validation slices, so that the scores of runs can be compared.
    """
    data = open_training_data(options, SliceSettings.of_pipeline(pipeline.config))
    if options.synthesis_domain != "all":  # else no label is looked at
        data.check_labels("train")
    try:
        data.train.keep_domain(options.synthesis_domain)
    except ValueError as error:
        remedy = "Train on all, or on other subjects."
        raise InputError(options.train_data_dir, str(error).rstrip("."), "slices to learn from", remedy) from error
    return data


def main(options: SynthesizerOptions) -> None:
    """The whole run."""
    tune_process()
    pipeline = load_or_build(options.pretrained_model_name_or_path, options.seed)
    augmentation = None if options.no_augmentation else AugmentationSettings()
    inference_steps = options.num_inference_steps or pipeline.config.num_inference_steps
    form, levels = options.reconstruction_loss, options.levels()

    run = TrainingRun(options, pipeline.synthesizer, higher_is_better=True)
    run.accelerator.print(run.describe())
    with run.accelerator.main_process_first():
        data = open_data(options, pipeline)
    run.resume(data, pipeline)
    watched = watched_slices(data.validation)
    bar = run.progress_bar()
    for step, batches in run.steps(data.train):
        for micro_step, batch in enumerate(batches):
            with run.accumulate(micro_step):
                randomness = run.randomness(step, micro_step)
                run.backward(synthesis_loss(run.net, pipeline, batch, randomness, augmentation, form, levels))
        bar.set_postfix(loss=f"{run.update():.4f}")
        bar.update(run.slices_per_step)
        if run.validates():
            with run.average.applied():
                scores = validate_synthesis(
                    pipeline, data.validation, inference_steps, options.train_batch_size, share=run.share
                )
                run.records.picture(
                    run.step,
                    "flair, t1ce, synthetic, difference",
                    lambda: synthesis_picture(pipeline, data.validation, watched, inference_steps),
                )
            run.judge(scores, by="psnr")
        run.save_if_due()

    bar.close()
    pipeline.synthesizer = run.bare_net
    run.finish(pipeline)
    if options.dry_run:
        run.accelerator.print(run.estimate())
    elif options.push_to_hub and run.accelerator.is_main_process:
        print(push_model(options.output_dir, options.hub_model_id, options.hub_private_repo))


if __name__ == "__main__":
    run_script(main, SynthesizerOptions)
