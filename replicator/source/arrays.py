"""Long runs of row images by column, through numpy: the values of source.conversions, many at once.

Pure. numpy is optional (``pip install 'replicator[fast]'``), and imported here by the first long
run only; but sqlite-utils imports it wherever it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from replicator.change import Row, Value
from replicator.source.conversions import (
    FLOAT_BITS,
    ROUNDED,
    SCALES,
    Conversions,
    Datetimes,
    Doubles,
    Floats,
)

Cells: TypeAlias = npt.NDArray[Any]
_ROWS_AT_ONCE = 8_192
_U1, _U4, _BIG_U4, _F4, _F8 = map(np.dtype, ("u1", "<u4", ">u4", "<f4", "<f8"))
_BYTE, _FRACTION, _EXPONENT = np.uint64(8), np.uint32(FLOAT_BITS), np.uint32(0xFF)


def _exact_scales() -> npt.NDArray[np.float64]:
    """``SCALES`` for zeros too, which any scale shows; not a number where it is not sure."""
    scales = np.array([scale or np.nan for scale in SCALES])
    scales[0] = 1.0
    scales.flags.writeable = False
    return scales


_SCALES = _exact_scales()


class Images:
    """Row images of one layout, one behind the other; ``size``: bytes of one."""

    def __init__(self, images: bytes, size: int) -> None:
        self._images = images
        self._size = size

    def cells(self, kind: np.dtype[Any], offset: int) -> Cells:
        """What stands at an offset of each image, without a copy."""
        count = len(self._images) // self._size
        found: Cells = np.ndarray((count,), kind, self._images, offset, (self._size,))
        return found


def _datetimes(images: Images, offset: int, memory: Conversions) -> list[Value]:
    """A packet's rows have one time: each is made once, then repeated."""
    assert isinstance(memory, Datetimes)
    packed = images.cells(_BIG_U4, offset).astype(np.uint64)
    packed <<= _BYTE
    packed |= images.cells(_U1, offset + 4)
    is_first = np.ones(len(packed), np.bool_)
    np.not_equal(packed[1:], packed[:-1], out=is_first[1:])
    firsts = is_first.nonzero()[0]
    texts = memory.texts(packed[firsts].tolist())
    if len(texts) == len(packed):
        return texts
    counts = np.empty_like(firsts)
    np.subtract(firsts[1:], firsts[:-1], out=counts[:-1])
    counts[-1] = len(packed) - firsts[-1]
    repeated: list[Value] = np.array(texts, dtype=object).repeat(counts).tolist()
    return repeated


def _floats(images: Images, offset: int, memory: Conversions) -> list[Value]:
    """As ``shortest_float``; those that it is not sure of one by one."""
    bits = np.ascontiguousarray(images.cells(_U4, offset))
    values = bits.view(_F4)
    scale = _SCALES[bits >> _FRACTION & _EXPONENT]
    with np.errstate(invalid="ignore"):  # what is no number is refused below
        shown = (values.astype(np.float64) * scale + ROUNDED - ROUNDED) / scale
    unsure = np.flatnonzero(shown.astype(np.float32) != values)
    made: list[Value] = shown.tolist()
    for place, cell in zip(unsure.tolist(), bits[unsure].tolist(), strict=True):
        made[place] = memory[cell]
    return made


def _doubles(images: Images, offset: int, memory: Conversions) -> list[Value]:  # noqa: ARG001  # they need none
    made: list[Value] = (images.cells(_F8, offset) + 0.0).tolist()
    return made


_CONVERTED: Mapping[type[Conversions], Callable[[Images, int, Conversions], list[Value]]] = {
    Datetimes: _datetimes,
    Floats: _floats,
    Doubles: _doubles,
}


class ColumnArrays:
    """Rows of one layout.

    ``size``         bytes of an image
    ``places``       by column that is not NULL: its struct code and its offset in an image
    ``conversions``  by column, for those whose cells are not values as they stand there
    ``count``        of all columns
    """

    def __init__(
        self,
        size: int,
        places: Mapping[int, tuple[str, int]],
        conversions: Mapping[int, Conversions],
        count: int,
    ) -> None:
        self._size = size
        self._plain = [
            (place, np.dtype("<" + code), offset)
            for place, (code, offset) in places.items()
            if place not in conversions
        ]
        self._converted = [
            (place, _CONVERTED[type(memory)], places[place][1], memory)
            for place, memory in conversions.items()
        ]
        self._count = count

    def rows(self, images: bytes) -> list[Row]:
        """The rows of so many whole images."""
        step = self._size * _ROWS_AT_ONCE
        if len(images) <= step:
            return list(self._some(images))
        parts = (images[at : at + step] for at in range(0, len(images), step))
        return [row for part in parts for row in self._some(part)]

    def _some(self, images: bytes) -> Iterable[Row]:
        view = Images(images, self._size)
        columns: list[Iterable[Value]] = [repeat(None)] * self._count
        for place, kind, offset in self._plain:
            columns[place] = view.cells(kind, offset).tolist()
        for place, convert, offset, memory in self._converted:
            columns[place] = convert(view, offset, memory)
        return zip(*columns, strict=False)  # columns of NULLs have no end
