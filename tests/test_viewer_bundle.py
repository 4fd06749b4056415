import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

VIEWER = Path(__file__).parents[1] / "viewer"
BUNDLED = ("viewer.js", "viewer.css", "LICENSES.txt")


def committed(name: str) -> bytes:
    return files("theodolite.report").joinpath(name).read_bytes()


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on the PATH, so the viewer cannot be rebuilt")
    if not (VIEWER / "node_modules").is_dir():
        pytest.skip("viewer/node_modules is missing: run `npm ci` in viewer/")
    folder = tmp_path_factory.mktemp("viewer")
    command = [npm, "run", "--silent", "build", "--", str(folder)]
    subprocess.run(command, cwd=VIEWER, check=True, capture_output=True, timeout=120)
    return folder


@pytest.mark.parametrize("name", BUNDLED)
def test_the_committed_viewer_is_what_its_sources_build(name: str, rebuilt: Path):
    assert (rebuilt / name).read_bytes() == committed(name)


def test_the_viewer_cannot_end_the_script_it_stands_in():
    script = committed("viewer.js").lower()
    assert b"</script" not in script
    assert b"<!--" not in script


def test_the_viewer_is_small():
    assert sum(len(committed(name)) for name in ("viewer.js", "viewer.css")) < 1_200_000


def test_the_viewer_evaluates_no_text():
    script = committed("viewer.js")
    assert b"eval(" not in script
    assert b"new Function" not in script


def test_the_lock_file_names_no_host():
    lock = (VIEWER / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
