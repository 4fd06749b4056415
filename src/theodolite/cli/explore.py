"""``theodolite explore``."""

import os
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import typer
from rich.console import Console

from theodolite.cli.announcing import Announcing
from theodolite.exploring.course import lessons
from theodolite.exploring.frontispiece import frontispiece
from theodolite.exploring.lesson import Detail
from theodolite.exploring.page import Language, render
from theodolite.progress import Silent
from theodolite.storage.files import wrapped, write_file

FOLDER, PAGE = Path("explore"), "explore.html"
INTERRUPTED = 130


def run_explore(
    out: Path | None, *, open_page: bool, quiet: bool, detail: Detail | None = None
) -> int:
    """Measure the lessons, write their page, say where it lies; return the exit code.

    Parameters
    ----------
    out : Path or None
        The folder; ``explore`` here by default. An older page in it is replaced, in
        one step, when the new one is complete.
    open_page : bool
        Whether a browser is asked to show it.
    quiet : bool
        Whether only the page's place is printed.
    detail : Detail, optional
        How finely it is measured.

    Raises
    ------
    RunFolderError
        When the page cannot be written.
    """
    folder = FOLDER if out is None else out
    path = folder / PAGE
    with wrapped(folder):
        folder.mkdir(parents=True, exist_ok=True)
    fine = Detail() if detail is None else detail
    console = Console(stderr=True)
    if not quiet:
        console.print("Measuring the landscapes of the lessons …", highlight=False)
    try:
        with one_thread():
            made = lessons(fine, Silent() if quiet else Announcing(console))
            page = render(made, frontispiece(fine), language=spoken())
        write_file(path, page)
    except KeyboardInterrupt:
        typer.echo("theodolite: interrupted; no page was written.", err=True)
        return INTERRUPTED
    # not wrapped: a path is meant to be copied
    Console().print(f"Explorer: {path}", highlight=False, soft_wrap=True, markup=False)
    if open_page and not webbrowser.open(path.resolve().as_uri()):
        console.print("No browser was found; open that file in one.", highlight=False)
    return 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several threads, and far slower on busy ones."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def spoken() -> Language:
    """Chinese where the system speaks it, English elsewhere."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    said = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "zh" if said.startswith("zh") else "en"
