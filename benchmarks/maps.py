"""What maps cost and how right they are, beside the peers.

python benchmarks/maps.py [--only planes,basins] [--rounds 11] [--peers DIR] [--write]

One thread, one process, the same networks for all. ``--write`` puts the tables into
benchmarks/maps.md, beside those of other sections that stand there.
"""

import argparse
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy
import torch
from maps_adaptive import adaptive
from maps_basins import basins
from maps_connections import connections
from maps_faults import faults
from maps_first_layer import first_layer
from maps_peers import INSTALL, MapPeer, found_in
from maps_planes import equal_grids, loaders
from pages import processor
from spectra_tables import Table

import theodolite as td

ROUNDS = 11

# in the order of the page
SECTIONS: dict[str, Callable[[int], list[Table]]] = {
    "planes": equal_grids,
    "loaders": loaders,
    "faults": faults,
    "adaptive": adaptive,
    "first-layer": first_layer,
    "basins": basins,
    "connections": connections,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SECTIONS), metavar="SECTIONS")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peers", metavar="DIR", help="where peers are installed")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    if set(chosen.only.split(",")) - set(SECTIONS):
        parser.error(f"--only takes some of {','.join(SECTIONS)}")
    return chosen


def about() -> str:
    """Where and how it was measured."""
    return (
        "Measured by\n\n"
        "    python benchmarks/maps.py --peers peers --write\n\n"
        "(sections by themselves, with `--only`) "
        f"on {processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.machine()}, one thread, torch {torch.__version__}, Python "
        f"{platform.python_version()}, theodolite {td.__version__}. Times are CPU "
        "times from model and data to the surface, medians of interleaved ratios with "
        "quartiles in brackets; ✓ where a median reaches its aim."
    )


def peers_line(peers: list[MapPeer]) -> str:
    """Which peers were there, and how to have them."""
    if not peers:
        return f"Peers are not installed; to compare with them:\n\n    {INSTALL}"
    versions = ", ".join(f"{peer.name} {peer.version}" for peer in peers)
    return (
        f"Peers: {versions}, asked as their documentation says, installed beside this "
        f"project and matplotlib by\n\n    {INSTALL}\n\n"
        "topopy, which landscaper needs, asks for numpy below 2 and networkx below 3: "
        "without `--no-deps` pip takes them back. All of them ran as they are beside "
        f"numpy {numpy.__version__} and networkx {version('networkx')}."
    )


def page(sections: dict[str, list[Table]], peers: list[MapPeer], before: str) -> str:
    """The page that is kept; sections that were not measured stay as they were."""
    parts = ["# What maps cost, and how right they are", about(), peers_line(peers)]
    kept = _bodies(before)
    for name in SECTIONS:
        if name in sections:
            parts += [f"<!-- {name} -->", *map(str, sections[name])]
        elif name in kept:
            parts += [f"<!-- {name} -->", kept[name]]
    return "\n\n".join(parts) + "\n"


def _bodies(text: str) -> dict[str, str]:
    """What stands in each section."""
    found = {}
    for part in text.split("\n<!-- ")[1:]:
        name, _, body = part.partition(" -->")
        found[name] = body.strip()
    return found


def main() -> None:
    chosen = arguments()
    torch.set_num_threads(1)
    peers = found_in(chosen.peers)
    kept = Path(__file__).with_suffix(".md")
    sections: dict[str, list[Table]] = {}
    for name in chosen.only.split(","):
        sections[name] = SECTIONS[name](chosen.rounds)
        print(*(f"\n{table}" for table in sections[name]), sep="\n", flush=True)
        if chosen.write:
            before = kept.read_text() if kept.exists() else ""
            kept.write_text(page(sections, peers, before))


if __name__ == "__main__":
    main()
