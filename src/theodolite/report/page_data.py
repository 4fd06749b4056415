"""What a page's script draws, gathered while its words are written."""

from collections.abc import Mapping
from typing import Any, final

Value = Mapping[str, Any]


@final
class PageData:
    """Surveys, planes and charts, each known by its number."""

    def __init__(self) -> None:
        self._surveys: list[Value] = []
        self._planes: list[Value] = []
        self._charts: dict[str, list[Value]] = {}

    def survey(self, run: Value, measurements: Mapping[str, Value]) -> int:
        """Add a survey; return its number."""
        self._surveys.append({"run": run, "measurements": measurements})
        return len(self._surveys) - 1

    def plane(self, record: Value) -> int:
        """Add a plane; return its number."""
        self._planes.append(record)
        return len(self._planes) - 1

    def chart(self, name: str, record: Value) -> int:
        """Add what a chart draws; return its number among those of its name."""
        records = self._charts.setdefault(name, [])
        records.append(record)
        return len(records) - 1

    @property
    def planes(self) -> tuple[Value, ...]:
        """Those that were added."""
        return tuple(self._planes)

    @property
    def plain(self) -> dict[str, Any]:
        """All of it."""
        return {
            "surveys": self._surveys,
            "planes": self._planes,
            "charts": self._charts,
        }
