"""The command line: `python -m search.run pix2pix`.

Nothing heavy is imported before the arguments are known to be good.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import tyro
from rich.console import Console

from search.config import ConfigError, Open, StudyConfig
from search.signals import INTERRUPTED, interrupting


@dataclass(frozen=True)
class Command:
    """Search the best settings of an image-colorization model: pix2pix or cnn."""

    study: tyro.conf.OmitArgPrefixes[StudyConfig]

    resume: Open[str] = None
    """Go on with the study of this name, with the settings it was begun with. More --trials, --epochs, --time-budget
    or --gpu-hours extend it."""

    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show what would be done, and do nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    The exit status is 0, 2 for what cannot be used, 1 if every trial failed, and after a signal that asks to end 128
    and its number: 130 after Ctrl-C.
    """
    console, errors = Console(), Console(stderr=True)
    if sys.platform == "win32":
        errors.print("error: this needs Linux or macOS: on Windows, run it in WSL (wsl --install).")
        return 2
    from results.store import StudyError
    from search.live import say
    from trainables.data.sources import DataError

    try:
        with interrupting() as ending:
            _refuse_empty(sys.argv[1:] if arguments is None else arguments)
            return _run(_parse(arguments), console, arguments)
    except (ConfigError, DataError, StudyError) as error:
        say(errors, f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say(errors, "Stopped at once; what a study has recorded is kept.")
        return ending.status or INTERRUPTED


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse what a shell makes of a variable that is not set, which would pass for the default."""
    for before, argument in pairwise(("the model", *arguments)):
        if not argument:
            empty = before
        elif argument.startswith("--") and argument.endswith("="):
            empty = argument[:-1]
        else:
            continue
        raise ConfigError(f"{empty} is '', but must not be empty: give it a value, or leave it out.")


def _parse(arguments: Sequence[str] | None, recorded: StudyConfig | None = None) -> Command:
    """Read the command; what is not given is as `recorded`, where that is there."""
    return tyro.cli(
        Command,
        args=arguments,
        prog="python -m search.run",
        default=tyro.MISSING_NONPROP if recorded is None else Command(recorded),
        config=(tyro.conf.DisallowNone,),
    )


def _run(command: Command, console: Console, arguments: Sequence[str] | None) -> int:
    from search.admission import admit, extended, recorded_config, settle
    from search.report import print_beginning, print_end, print_plan

    if command.resume is not None:
        recorded = recorded_config(command.resume, command.study.storage)
        # Read again from there, for what is given to differ from what was, be it a default or not.
        config = extended(recorded, settle(_parse(arguments, recorded).study))
    elif command.study.model is None:
        raise ConfigError("no model is named: type pix2pix or cnn, or --resume NAME.")
    else:
        config = settle(command.study)
        plan = admit(config)
        if command.dry_run:
            print_plan(console, plan)
            return 0
    from results.store import read_trials
    from search.study import run

    outcome = run(config, console, announce=lambda *facts: print_beginning(console, *facts))
    print_end(console, outcome)
    states = read_trials(outcome.folder)["state"].to_pylist()
    return outcome.end.status or int(set(states) == {"FAIL"})


if __name__ == "__main__":
    sys.exit(main())
