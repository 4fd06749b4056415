"""What spectra cost and how right they are, beside the peers.

python benchmarks/spectra.py [--only eigenpairs,trace] [--cases mlp,cnn]
    [--rounds 3] [--seeds 5] [--draws 500] [--peers DIR] [--write]

One thread, one process, the same networks for all; four of them have all eigenvalues
on file (benchmarks/known_spectra.py). ``--write`` puts the tables into
benchmarks/spectra.md, beside those of other sections that stand there.
"""

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path

import scipy
import torch
from pages import install_hint, processor, versions_of
from peers import INSTALL, Peer, found_in
from spectra_cases import CASES
from spectra_coverage import coverage, surveys
from spectra_data import data_coverage
from spectra_eigenpairs import eigenpairs, extremes, low_precision
from spectra_sums import density, diagonal, trace
from spectra_tables import Setting, Table

import theodolite as td

SECTIONS: dict[str, Callable[[Setting], Table]] = {
    "eigenpairs": eigenpairs,
    "extremes": extremes,
    "trace": trace,
    "diagonal": diagonal,
    "density": density,
    "coverage": coverage,
    "data": data_coverage,
    "low-precision": low_precision,
    "survey": surveys,
}

# headings in the order of the page
TITLES = [
    "Ten largest eigenvalues",
    "Largest and smallest eigenvalue",
    "Trace",
    "Diagonal",
    "Spectral density",
    "Coverage of 95 % intervals",
    "Coverage of the data's own error",
    "Models in bfloat16",
    "A survey's products",
]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SECTIONS), metavar="SECTIONS")
    parser.add_argument("--cases", default=",".join(CASES), metavar="NAMES")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--peers", metavar="DIR", help="where peers are installed")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    for option, known in (("only", SECTIONS), ("cases", CASES)):
        if set(getattr(chosen, option).split(",")) - set(known):
            parser.error(f"--{option} takes some of {','.join(known)}")
    if chosen.write and chosen.cases != parser.get_default("cases"):
        parser.error("--write takes all of --cases")
    return chosen


def about() -> str:
    """Where and how it was measured."""
    return (
        "Measured by\n\n"
        "    python benchmarks/spectra.py --peers peers --write\n\n"
        "(sections by themselves, with `--only`) "
        f"on {processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.machine()}, one thread, torch {torch.__version__}, Python "
        f"{platform.python_version()}, theodolite {td.__version__}. Times are CPU "
        "times, medians of interleaved ratios with quartiles in brackets. *mlp*, "
        "*cnn*, *gpt* and *deep linear* are trained networks whose Hessians were "
        "written out in float64 and diagonalised; elsewhere the truth is our own "
        "result in float64 to 1e-8."
    )


def page(tables: list[Table], peers: list[Peer], before: str) -> str:
    """The page that is kept; sections that were not measured stay as they were."""
    line = _peers_line(peers) if peers else install_hint()
    parts = ["# What spectra cost, and how right they are", about(), line]
    kept = {part.split("\n")[0]: part for part in before.split("\n## ")[1:]}
    new = {table.title: str(table).removeprefix("## ") for table in tables}
    sections = sorted((kept | new).items(), key=lambda part: TITLES.index(part[0]))
    bodies = (f"## {text.strip()}" for _, text in sections)
    return "\n\n".join([*parts, *bodies]) + "\n"


def _peers_line(peers: list[Peer]) -> str:
    return (
        f"Peers: {versions_of(peers)} and SciPy {scipy.__version__}, asked as their "
        "users ask them, on the same networks in float32, and installed beside this "
        f"project by\n\n    {INSTALL}"
    )


def main() -> None:
    chosen = arguments()
    torch.set_num_threads(1)
    peers = found_in(chosen.peers)
    setting = Setting(
        tuple(chosen.cases.split(",")), chosen.rounds, chosen.seeds, chosen.draws
    )
    kept = Path(__file__).with_suffix(".md")
    tables: list[Table] = []
    for name in chosen.only.split(","):
        tables.append(SECTIONS[name](setting))
        print(f"\n{tables[-1]}", flush=True)
        if chosen.write:
            before = kept.read_text() if kept.exists() else ""
            kept.write_text(page(tables, peers, before))


if __name__ == "__main__":
    main()
