"""The commands together, and what the process exits with.

0: done. 2: wrong usage. 3: an input cannot be used. 70: a fault of ours. 130: interrupted. 143: told to end.
"""

from __future__ import annotations

import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import recoseg_hf
from recoseg_hf.cli.audit import audit
from recoseg_hf.cli.check import check
from recoseg_hf.cli.dataset_card import dataset_card
from recoseg_hf.cli.demo import demo
from recoseg_hf.cli.doctor import doctor
from recoseg_hf.cli.ending import Terminated, ending_in_order
from recoseg_hf.cli.evaluate import evaluate
from recoseg_hf.cli.exit_codes import EXIT_BAD_INPUT, EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_TERMINATED
from recoseg_hf.cli.export import export
from recoseg_hf.cli.predict import predict
from recoseg_hf.cli.prepare import prepare
from recoseg_hf.cli.push import push
from recoseg_hf.cli.push_dataset import push_dataset
from recoseg_hf.cli.report import report
from recoseg_hf.errors import RecosegError

_HOW_TO_REPORT = (
    "This is a fault of recoseg_hf {version}, not of your data. Run `recoseg --debug {command} ...` again and report "
    "what it prints, without patient data."
)


class Commands(TyperGroup):
    """Turns every command's errors into a plain line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with ending_in_order():
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except KeyboardInterrupt as ended:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(EXIT_TERMINATED if isinstance(ended, Terminated) else EXIT_INTERRUPTED) from None
        except RecosegError as error:
            _explain(ctx, str(error))
            raise typer.Exit(EXIT_BAD_INPUT) from error
        except OSError as error:  # a full disk, say: what the library could foresee it has made an InputError
            _explain(ctx, f"{error.filename or 'system'}: {error.strerror or error}")
            raise typer.Exit(EXIT_BAD_INPUT) from error
        except Exception as error:
            if _is_out_of_memory(error):
                _explain(ctx, "out of memory. Free memory or end other programs, and give the same command again.")
                raise typer.Exit(EXIT_BAD_INPUT) from error
            _explain(ctx, f"internal error: {type(error).__name__}: {error}")
            typer.echo(_HOW_TO_REPORT.format(version=recoseg_hf.__version__, command=ctx.invoked_subcommand), err=True)
            raise typer.Exit(EXIT_INTERNAL) from error


def _is_out_of_memory(error: Exception) -> bool:
    if not isinstance(error, RuntimeError):  # torch need not be loaded to tell
        return isinstance(error, MemoryError)
    from recoseg_hf.pipeline.memory import is_out_of_memory

    return is_out_of_memory(error)


def _explain(ctx: Any, message: str) -> None:
    if ctx.params.get("debug"):
        typer.echo(traceback.format_exc(), err=True)
    typer.echo(message, err=True)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"recoseg {recoseg_hf.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # rich takes twice as long to load as the rest of the help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    check, doctor, predict, demo, evaluate, audit, report, prepare,
    export, push, dataset_card, push_dataset,
):  # fmt: skip
    app.command()(command)


@app.callback()
def recoseg(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
) -> None:
    """Residual-guided brain tumour segmentation (ReCoSeg++). Research use only; not a medical device.

    Exit codes: 0 done, 2 wrong usage, 3 an input cannot be used, 70 internal error, 130 interrupted,
    143 told to end (SIGTERM).
    """


def main() -> None:
    """Run the command line; exits the process."""
    app(prog_name="recoseg")
