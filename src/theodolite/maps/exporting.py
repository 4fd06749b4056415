"""Maps for other programs: numpy, and ParaView."""

from base64 import b64encode
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from theodolite.errors import ArgumentError
from theodolite.maps.measured_line import Line
from theodolite.maps.measured_plane import Plane
from theodolite.maps.saving import arrays_of
from theodolite.storage.files import wrapped

# the highest point of a surface, as a share of its longer side
_HEIGHT = 0.5

Array = NDArray[np.float64]


def plane_to_npz(plane: Plane, path: Path) -> Path:
    """Write a plane's arrays, with its directions, for ``numpy.load``."""
    arrays = {name: tensor.numpy() for name, tensor in arrays_of(plane).items()}
    vectors = {"center": plane.center, "directions": plane.directions}
    arrays |= {name: vector.cpu().numpy() for name, vector in vectors.items()}
    return _to_npz(arrays, path)


def line_to_npz(line: Line, path: Path) -> Path:
    """Write a line's arrays, with its direction, for ``numpy.load``."""
    arrays = {name: tensor.numpy() for name, tensor in arrays_of(line).items()}
    vectors = {"start": line.start, "direction": line.axis.vector}
    arrays |= {name: vector.cpu().numpy() for name, vector in vectors.items()}
    return _to_npz(arrays, path)


def _to_npz(arrays: dict[str, NDArray], path: Path) -> Path:
    if path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")
    temporary = path.with_name(path.name + ".part")
    with wrapped(path):
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        temporary.replace(path)
    return path


def plane_to_vtp(plane: Plane, path: Path, quantity: str) -> Path:
    """Write a plane as polygons for ParaView: x, y and a height.

    The height is the quantity, stretched to half of the plane's longer side; the
    numbers themselves lie on the points. Cells with a corner that is no number are left
    out. Checkpoints are a line at their true loss, off the surface where the plane
    misses them.
    """
    field = plane[quantity]
    if field.every != 1:
        raise ArgumentError(
            found=f"A surface of {quantity!r}, on a coarser grid.",
            why="Every corner of a surface needs a height.",
            instead=f"Choose one of {', '.join(_whole(plane))}.",
        )
    low, high = field.low, field.high
    side = max(float(v[-1] - v[0]) for v in (plane.x, plane.y))
    stretch = _HEIGHT * side / (high - low) if high > low else 1.0
    grid = np.stack(
        [
            *np.meshgrid(plane.x.numpy(), plane.y.numpy(), indexing="ij"),
            (field.values.numpy() - low) * stretch,
        ],
        -1,
    ).reshape(-1, 3)
    tracks = [
        np.stack([t.x.numpy(), t.y.numpy(), (t.loss.numpy() - low) * stretch], -1)
        for t in plane.tracks
    ]
    points = np.nan_to_num(np.concatenate([grid, *tracks]), nan=0.0, posinf=0.0)
    numbers = {name: _with_tracks(plane, name) for name in _whole(plane)}
    numbers["distance off the plane"] = np.concatenate(
        [np.zeros(len(grid)), *(t.distance.numpy() for t in plane.tracks)]
    )
    text = _vtp(points, numbers, _cells(field.finite.numpy()), _lines(plane, len(grid)))
    with wrapped(path):
        path.write_text(text, encoding="ascii")
    return path


def _whole(plane: Plane) -> list[str]:
    return [name for name, field in plane.fields.items() if field.every == 1]


def _with_tracks(plane: Plane, name: str) -> Array:
    """A quantity on the grid, and at checkpoints the true loss."""
    nothing = [np.full(len(t), np.nan) for t in plane.tracks]
    losses = [t.loss.numpy() for t in plane.tracks] if name == "loss" else nothing
    return np.concatenate([plane.fields[name].values.numpy().ravel(), *losses])


def _cells(finite: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Corners of the quadrilaterals whose four heights are numbers."""
    numbers = np.arange(finite.size).reshape(finite.shape)
    corners = [
        part[a, b]
        for part in (numbers,)
        for a, b in (
            (slice(None, -1), slice(None, -1)),
            (slice(1, None), slice(None, -1)),
            (slice(1, None), slice(1, None)),
            (slice(None, -1), slice(1, None)),
        )
    ]
    cells = np.stack(corners, -1).reshape(-1, 4)
    return cells[finite.ravel()[cells].all(1)]


def _lines(plane: Plane, start: int) -> list[NDArray[np.int64]]:
    """The points of every run in their order, those without a loss left out."""
    found = []
    for track in plane.tracks:
        numbers = np.arange(start, start + len(track))
        found.append(numbers[track.loss.isfinite().numpy()])
        start += len(track)
    return found


def _vtp(
    points: Array,
    numbers: dict[str, Array],
    cells: NDArray[np.int64],
    lines: list[NDArray[np.int64]],
) -> str:
    """A PolyData file of VTK's XML format, its arrays inline in base 64."""
    scalars = "".join(_array(name, values) for name, values in numbers.items())
    flat = np.concatenate([*lines, np.zeros(0, np.int64)])
    ends = np.cumsum([len(line) for line in lines], dtype=np.int64)
    polygon_ends = 4 * np.arange(1, len(cells) + 1)
    return (
        '<?xml version="1.0"?>\n'
        '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" '
        'header_type="UInt64">\n<PolyData>\n'
        f'<Piece NumberOfPoints="{len(points)}" NumberOfVerts="0" '
        f'NumberOfLines="{len(lines)}" NumberOfStrips="0" '
        f'NumberOfPolys="{len(cells)}">\n'
        f'<PointData Scalars="loss">\n{scalars}</PointData>\n'
        f"<Points>\n{_array('Points', points, 3)}</Points>\n"
        f"<Lines>\n{_array('connectivity', flat)}{_array('offsets', ends)}</Lines>\n"
        f"<Polys>\n{_array('connectivity', cells.ravel())}"
        f"{_array('offsets', polygon_ends)}</Polys>\n"
        "</Piece>\n</PolyData>\n</VTKFile>\n"
    )


def _array(name: str, values: NDArray, components: int = 1) -> str:
    kind = "Int64" if values.dtype.kind == "i" else "Float64"
    data = np.ascontiguousarray(values, dtype=f"<{'i8' if kind == 'Int64' else 'f8'}")
    header = np.array([data.nbytes], dtype="<u8").tobytes()
    text = b64encode(header + data.tobytes()).decode()
    return (
        f'<DataArray type="{kind}" Name={quoteattr(name)} '
        f'NumberOfComponents="{components}" format="binary">{text}</DataArray>\n'
    )
