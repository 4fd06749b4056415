"""What the documents show runs, and what they name exists."""

import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import theodolite as td

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
METHODS = (ROOT / "docs" / "methods.md").read_text("utf-8")


def blocks(text: str) -> list[str]:
    """All Python code of a document."""
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_readmes_code_runs(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # it writes files where it runs
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        data = (torch.randn(20, 3), torch.randint(0, 2, (20,)))
    names = {
        "model": model,
        "loss": nn.CrossEntropyLoss(),
        "data": data,
        "torch": torch,
    }
    for block in blocks(README):
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "SpeedLimit" in printed
    assert "largest eigenvalues" in printed
    assert "slope" in printed
    assert "MergeTree" in printed
    assert (tmp_path / "plane.vtp").exists()


@pytest.mark.parametrize("text", [README, METHODS], ids=["README", "methods"])
def test_every_public_name_in_the_documents_exists(text: str) -> None:
    for name in set(re.findall(r"\btd\.(\w+(?:\.\w+)?)", text)):
        found: object = td
        for part in name.split("."):
            assert hasattr(found, part), name
            found = getattr(found, part)


def test_every_estimator_has_its_line_in_the_methods_page() -> None:
    plain = [n for n in td.__all__ if n[0].islower() and n not in ("builtin", "maps")]
    within = [f"maps.{n}" for n in td.maps.__all__ if n[0].islower()]
    for name in [*plain, *within]:
        if name != "maps.read_map":
            assert f"td.{name}(" in METHODS, name


def test_every_public_name_is_there_and_documented() -> None:
    assert len(td.__all__) <= 40
    for name in td.__all__:
        if not name.startswith("__"):
            assert getattr(td, name).__doc__, name
    for name in [*td.maps.__all__, *dir(td.maps)]:
        assert getattr(td.maps, name).__doc__, name
        assert not isinstance(getattr(td.maps, name), ModuleType), name


def test_files_that_the_readme_links_exist() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_commands_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"(?:^    |`)make (\w+)", README, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
