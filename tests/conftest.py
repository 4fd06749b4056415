"""Shapes are checked at run time, and nothing outside the tests' folder is touched."""

import os

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

# before any of theodolite's modules is imported
install_import_hook("theodolite", "type_checks.checked")

torch.set_num_threads(1)
# how long an example takes says more of the machine than of the code
settings.register_profile("theodolite", deadline=None)
settings.load_profile("theodolite")


@pytest.fixture(autouse=True, scope="session")
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Trained models go into the tests' own folder, for all tests of the session."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
