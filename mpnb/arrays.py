"""Arrays and memory: an array in, the bytes it lies in and their layout out, and an array over bytes again.

Strides are kept, because numpy's sums hang on them in the last bits. Imports no numpy: who has an array has loaded it.
"""

from __future__ import annotations

import sys
from collections.abc import Container
from typing import Any


def memory_of(array: Any) -> tuple[Any, Any, int]:
    """Give the memory an array uses as read-only bytes, its strides (None: plain C order), and where it begins there."""
    flags = array.flags
    if flags.c_contiguous:
        flat = array.reshape(-1)
        strides, offset = None, 0
    elif flags.f_contiguous:
        flat = array.T.reshape(-1)
        strides, offset = array.strides, 0
    else:
        return _spanned(array)
    data = flat.view("u1")
    data.flags.writeable = False
    return data, strides, offset


def _spanned(array: Any) -> tuple[Any, Any, int]:
    """The memory from an array's first byte to its last, what lies between its elements included."""
    numpy: Any = sys.modules["numpy"]
    low = high = 0
    for size, stride in zip(array.shape, array.strides, strict=True):
        reach = (size - 1) * stride
        low, high = low + min(reach, 0), high + max(reach, 0)
    span = high - low + array.itemsize
    data = numpy.asarray(_Memory(array, array.__array_interface__["data"][0] + low, span))
    return data, array.strides, -low


class _Memory:
    """Some bytes of an array's memory, by numpy's array interface; keeps the array alive."""

    def __init__(self, array: Any, address: int, nbytes: int, *, read_only: bool = True) -> None:
        self.array = array
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (nbytes,), "data": (address, read_only)}


def fill_array(array: Any, state: Any) -> None:
    array.__setstate__(state)


def mapped_array(buffer: Any, dtype: Any, shape: Any, strides: Any, offset: int, writeable: bool) -> Any:
    numpy = sys.modules["numpy"]
    array = numpy.ndarray(shape, dtype, buffer, offset, strides)
    array.flags.writeable = False
    return array


def own_array(buffer: Any, dtype: Any, shape: Any, strides: Any, offset: int, writeable: bool) -> Any:
    numpy = sys.modules["numpy"]
    source = numpy.frombuffer(buffer, "u1") if len(buffer) else numpy.empty(0, "u1")
    if strides is None:
        array = numpy.empty(shape, dtype)
        array.reshape(-1).view("u1")[...] = source
    elif offset == 0 and (array := numpy.empty(shape, dtype, order="F")).strides == strides:
        array.T.reshape(-1).view("u1")[...] = source
    else:
        array = numpy.ndarray(shape, dtype, source.copy(), offset, strides)
    if not writeable:
        array.flags.writeable = False
    return array


def view_of(frozen: Container[int], of: Any, offset: int, dtype: Any, shape: Any, strides: Any, writeable: bool) -> Any:
    numpy = sys.modules["numpy"]
    if of.flags.c_contiguous:
        buffer = of if of.dtype.kind not in "Mm" else of.view("i8")
        view = numpy.ndarray(shape, dtype, buffer, offset, strides)
    else:
        low, span = offset, dtype.itemsize
        for size, stride in zip(shape, strides, strict=True):
            reach = (size - 1) * stride
            low, span = low + min(reach, 0), span + abs(reach)
        memory = _Memory(of, of.__array_interface__["data"][0] + low, span, read_only=not of.flags.writeable)
        view = numpy.ndarray(shape, dtype, numpy.asarray(memory), offset - low, strides)
    if not writeable or id(of) in frozen:
        view.flags.writeable = False
    return view


def copies_on_write() -> bool:
    """Whether pandas shares memory between objects only as long as nobody writes."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return False
    return int(pandas.__version__.split(".")[0]) >= 3 or bool(pandas.options.mode.copy_on_write)
