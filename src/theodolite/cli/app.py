"""``theodolite``: the commands, and how their errors look."""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from theodolite.errors import TheodoliteError
from theodolite.version import __version__

app = typer.Typer(
    name="theodolite",
    help="Survey the loss landscape of neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

TARGET = (
    "A built-in name (digits-mlp, digits-cnn, digits-vit, linear-regression, saddle), "
    "path/to/file.py:function, or package.module:function. The function returns a "
    "theodolite.Landscape."
)

CHECKPOINT = (
    "A .safetensors or torch file of weights, or another target of the same "
    "architecture; digits-cnn@1 is digits-cnn trained from seed 1."
)

Budget = Annotated[str | None, typer.Option(help="Time it may take, like 60s or 5min.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from what --out holds.")]
QuietNumbers = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only where the numbers lie.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit
    return wanted


@app.callback()
def _everything(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_version
        ),
    ] = False,
) -> None:
    del version


@app.command("survey")
def _survey(
    target: Annotated[
        str,
        typer.Argument(help=TARGET),
    ],
    budget: Budget = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; survey-TARGET by default.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only where the report lies.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Measure everything about one point, and write a report."""
    from theodolite.cli.survey import run_survey

    del debug
    raise typer.Exit(
        run_survey(target, budget, out, resume=resume, seed=seed, quiet=quiet)
    )


@app.command("map")
def _map(
    target: Annotated[str, typer.Argument(help=TARGET)],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help="A checkpoint (a .safetensors or torch file, or another target); one "
            "makes a line, two a plane through all three.",
        ),
    ] = None,
    directions: Annotated[
        str,
        typer.Option(
            help="Of a plane: filter, layer, random, eigen, eigen-bottom, eigen-ends."
        ),
    ] = "filter",
    along: Annotated[
        str | None,
        typer.Option(
            help="A line instead: filter, layer, random, eigen, eigen-bottom."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Points along each axis.")] = 51,
    span: Annotated[
        float | None,
        typer.Option(help="How far it reaches; by default until the loss has doubled."),
    ] = None,
    rtol: Annotated[
        float,
        typer.Option(
            help="Error allowed, by the loss's range; 0 measures every point."
        ),
    ] = 0.01,
    quantity: Annotated[
        list[str] | None,
        typer.Option(help="Also error, gradient_norm, largest_eigenvalue, hessian."),
    ] = None,
    batch_norm: Annotated[
        str, typer.Option(help="frozen, interpolated or re-estimated.")
    ] = "frozen",
    budget: Budget = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; map-TARGET by default.")
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only where the map lies.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Draw the loss along a line or over a plane."""
    from theodolite.cli.map import MapOptions, run_map

    del debug
    options = MapOptions(
        to=to or [],
        directions=directions,
        along=along,
        steps=steps,
        span=span,
        rtol=rtol,
        quantities=quantity or [],
        batch_norm=batch_norm,
        budget=budget,
    )
    raise typer.Exit(
        run_map(target, options, out, resume=resume, seed=seed, quiet=quiet)
    )


@app.command("connect")
def _connect(
    a: Annotated[str, typer.Argument(help=TARGET)],
    b: Annotated[str, typer.Argument(help=CHECKPOINT)],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="straight, aligned, bezier, polychain or neb; all by default."
        ),
    ] = None,
    batch_norm: Annotated[
        str | None,
        typer.Option(
            help="frozen, interpolated or re-estimated; what suits by default."
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time that each way may take, like 60s.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; connect-A by default.")
    ] = None,
    seed: Seed = 0,
    quiet: QuietNumbers = False,
    debug: Debug = False,
) -> None:
    """Find ways of low loss between two checkpoints, and their barriers."""
    from theodolite.cli.connect import run_connect

    del debug
    run_connect(a, b, method or [], batch_norm, budget, out, seed=seed, quiet=quiet)


@app.command("compare")
def _compare(
    checkpoints: Annotated[
        list[str],
        typer.Argument(help=f"First a target. {TARGET} Then others. {CHECKPOINT}"),
    ],
    method: Annotated[
        str, typer.Option(help="Between each two: straight, bezier, polychain, neb.")
    ] = "straight",
    budget: Budget = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; compare-A by default.")
    ] = None,
    seed: Seed = 0,
    quiet: QuietNumbers = False,
    debug: Debug = False,
) -> None:
    """Put checkpoints side by side: loss, error, sharpness, spectrum, barriers."""
    from theodolite.cli.compare import run_compare

    del debug
    run_compare(checkpoints, method, budget, out, seed=seed, quiet=quiet)


@app.command("report")
def _report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders: of surveys, maps, connect or compare."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The page; report.html in the folder, or here for several."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Make one page of one run folder, or of several side by side."""
    from theodolite.cli.report import run_report

    del debug
    run_report(runs, out)


@app.command("explore")
def _explore(
    out: Annotated[
        Path | None, typer.Option(help="The folder of the page; explore by default.")
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Show it in a browser.")
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only where the page lies.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Make a page of landscapes to walk on and learn from, in English and Chinese."""
    from theodolite.cli.explore import run_explore

    del debug
    raise typer.Exit(run_explore(out, open_page=open_page, quiet=quiet))


@app.command("doctor")
def _doctor(debug: Debug = False) -> None:
    """Print versions and devices, and check the products."""
    from theodolite.cli.doctor import run_doctor

    del debug
    raise typer.Exit(run_doctor())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of the library end it with code 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=given, prog_name="theodolite")
    except TheodoliteError as error:
        if "--debug" in given:
            traceback.print_exc()
        typer.echo(f"theodolite: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("theodolite: interrupted before anything was measured.", err=True)
        sys.exit(130)
    except Exception as error:  # the last place before the user sees a traceback
        if "--debug" in given:
            raise
        typer.echo(
            f"theodolite: unexpected {type(error).__name__}: {error}\n"
            "→ This is a fault of theodolite's or of the target's; run it again with "
            "--debug to see where.",
            err=True,
        )
        sys.exit(1)
