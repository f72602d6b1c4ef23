from dataclasses import dataclass, fields

import pytest

from recoseg_hf.learning.options import TrainingOptions, option, parse_options

NEEDED = ["--pretrained_model_name_or_path", "model", "--train_data_dir", "data", "--output_dir", "out"]


@dataclass
class Own(TrainingOptions):
    """Options of a script of its own."""

    share: float = option(0.5, "A share.")


def test_flags_become_typed_fields():
    options = parse_options(Own, [*NEEDED, "--learning_rate", "1e-3", "--seed", "7", "--share", "0.2"])
    assert (options.learning_rate, options.seed, options.share) == (1e-3, 7, 0.2)
    assert (options.pretrained_model_name_or_path, options.max_train_steps) == ("model", 10_000)


@pytest.mark.parametrize(("flags", "value"), [([], False), (["--no_augmentation"], True)])
def test_switches_need_no_value(flags, value):
    assert parse_options(TrainingOptions, NEEDED + flags).no_augmentation is value


def test_flags_win_over_the_file(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("seed: 3\nlearning_rate: 1e-4\nno_augmentation: true\noutput_dir: elsewhere\n")
    options = parse_options(TrainingOptions, [str(config), *NEEDED, "--seed", "4"])
    assert (options.seed, options.learning_rate, options.no_augmentation) == (4, 1e-4, True)
    assert options.output_dir == "out"


def test_an_empty_file_changes_nothing(tmp_path):
    config = tmp_path / "run.yml"
    config.write_text("# nothing yet\n")
    assert parse_options(TrainingOptions, [str(config), *NEEDED]) == parse_options(TrainingOptions, NEEDED)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seed", "x"], "invalid int value: 'x'"),
        (["--lernrate", "1"], "--lernrate"),
        (["--lr_scheduler", "plateu"], "lr_scheduler='plateu'; expected one of plateau, cosine, constant."),
        (["--mixed_precision", "int8"], "mixed_precision='int8'; expected one of no, bf16, fp16."),
        (["--report_to", "paper"], "report_to='paper'; expected one of tensorboard, none."),
        (["--validation_steps", "0"], "validation_steps=0; expected 1 or more."),
        (["--gradient_accumulation_steps", "-1"], "gradient_accumulation_steps=-1; expected 1 or more."),
    ],
)
def test_unusable_options_end_the_program_with_the_reason(flags, message, capsys):
    with pytest.raises(SystemExit) as ending:
        parse_options(TrainingOptions, NEEDED + flags)
    assert ending.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["--pretrained_model_name_or_path", "--train_data_dir", "--output_dir"])
def test_the_three_folders_are_needed(missing, capsys):
    place = NEEDED.index(missing)
    with pytest.raises(SystemExit):
        parse_options(TrainingOptions, NEEDED[:place] + NEEDED[place + 2 :])
    assert f"{missing} is needed" in capsys.readouterr().err


def test_every_option_explains_itself():
    assert all(field.metadata["help"].endswith(".") for field in fields(TrainingOptions))
