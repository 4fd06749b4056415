"""A survey on file, the page made of it, and names that try to break the page."""

import json
from pathlib import Path
from typing import Any

from theodolite.report.page import render

SAMPLE = Path(__file__).parent / "samples" / "survey.json"
NASTY = "</script><script>alert(1)</script>"
QUOTED = "\"><img src=x onerror='alert(2)'>&amp;{{ 7*7 }}"

Survey = dict[str, Any]


def survey_on_file() -> Survey:
    return json.loads(SAMPLE.read_text(encoding="utf-8"))


def page(survey: Survey) -> str:
    return render(survey["run"], survey["measurements"])


def value(survey: Survey, name: str) -> dict[str, Any]:
    return survey["measurements"][name]["value"]
