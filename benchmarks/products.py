"""What one product with a network's curvature costs, in gradients.

python benchmarks/products.py [--only mlp,resnet] [--rounds 11] [--peers DIR] [--write]

One thread; a process for each network, in which everything is interleaved; medians of
ratios of CPU time. The unit is torch's own gradient: forward, loss,
``torch.autograd.grad``. ``--write`` puts the tables into benchmarks/products.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from measuring import Cells, measured
from pages import about, install_hint, peers_line, shown, table
from peers import Peer, found_in

from networks import NAMES, heading

ROUNDS = 11


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(NAMES), metavar="NAMES")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peers", metavar="DIR", help="where peers are installed")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    unknown = set(chosen.only.split(",")) - set(NAMES)
    if unknown or (chosen.write and chosen.only != parser.get_default("only")):
        parser.error(f"--only takes {','.join(NAMES)}; --write takes all of them")
    return chosen


def in_its_own_process(name: str, chosen: argparse.Namespace) -> Cells:
    """Everything about one network, compiled from scratch."""
    command = [sys.executable, __file__, "--one", name, "--rounds", str(chosen.rounds)]
    command += ["--peers", chosen.peers] if chosen.peers else []
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
    return json.loads(done.stdout.splitlines()[-1])


def page(found: dict[str, Cells], rounds: int, peers: list[Peer]) -> str:
    """The page that is kept."""
    names = [peer.name for peer in peers]
    parts = [
        "# What one product costs",
        about(rounds),
        peers_line(peers) if peers else install_hint(),
    ]
    for name, cells in found.items():
        parts += [f"## {heading(name)}", table(name, cells, names)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    chosen = arguments()
    torch.set_num_threads(1)
    peers = found_in(chosen.peers)
    if chosen.one:
        print(json.dumps(measured(chosen.one, chosen.rounds, peers, chosen.peers)))
        return
    found = {}
    for name in chosen.only.split(","):
        found[name] = in_its_own_process(name, chosen)
        print(shown(name, found[name], [peer.name for peer in peers]), flush=True)
    if chosen.write:
        text = page(found, chosen.rounds, peers)
        Path(__file__).with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
