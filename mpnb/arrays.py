"""Arrays and memory: an array in, its bytes and their layout out, and an array over bytes again.

Strides are kept, because numpy's sums hang on them in the last bits. Imports no numpy: who has an array has loaded it.
"""

from __future__ import annotations

import sys
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from mpnb.buffers import Block, is_portable, lent

if TYPE_CHECKING:
    import numpy as np


def shared(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Put an array into memory that every worker maps: it is copied once, now, and sending it costs nothing.

    Any array of plain values that a loop or a task reads is held once for all workers, but before each run its content
    is compared with what they have. What this function gives is read-only, so there is nothing to compare.

    Parameters
    ----------
    array
        Of numbers, booleans, dates or fixed-width text, of any shape and strides, which are kept.

    Returns
    -------
    numpy.ndarray
        The same values, read-only. The memory is given back when neither it nor a view of it is used any more.

    Raises
    ------
    TypeError
        What is no array, or one of objects or of a class of its own.

    Examples
    --------
    >>> import mpnb, numpy as np
    >>> table = mpnb.shared(np.arange(6.0).reshape(2, 3))
    >>> float(table.sum()), table.flags.writeable
    (15.0, False)
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or type(array) is not numpy.ndarray:
        msg = f"shared() takes a numpy array, was {type(array).__name__}; np.asarray(…) makes one"
        raise TypeError(msg)
    if array.dtype.hasobject:
        msg = f"shared() takes an array of plain values, was one of {array.dtype}: objects can't lie in shared memory"
        raise TypeError(msg)
    data, strides, offset = memory_of(array)
    if is_portable() or not data.nbytes:
        return _read_only(array.copy("K"))
    view = Block.create([memoryview(data)]).lend(lambda view: _address(numpy.frombuffer(view, "u1")))
    return _read_only(numpy.ndarray(array.shape, array.dtype, view, offset, strides))


def is_shared(array: Any) -> bool:
    """Tell whether this is an array of `shared`, or a view of one."""
    return lent(_address(array), 0) is not None


def _read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array.flags.writeable = False
    return array


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def memory_of(array: Any) -> tuple[Any, Any, int]:
    """The memory an array uses as read-only bytes, its strides (None: plain C order), where it begins there."""
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
    data = numpy.asarray(_Memory(array, _address(array) + low, span))
    return data, array.strides, -low


class _Memory:
    """Some bytes of an array's memory, by numpy's array interface; keeps the array alive."""

    def __init__(self, array: Any, address: int, nbytes: int, *, read_only: bool = True) -> None:
        self.array = array
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (nbytes,), "data": (address, read_only)}


def fill_array(array: Any, state: Any) -> None:
    """Give an array of objects (or of a subclass) its state."""
    array.__setstate__(state)


def mapped_array(buffer: Any, dtype: Any, shape: Any, strides: Any, offset: int, _writeable: bool) -> Any:
    """An array over a buffer, read-only whatever it was."""
    numpy = sys.modules["numpy"]
    return _read_only(numpy.ndarray(shape, dtype, buffer, offset, strides))


def own_array(buffer: Any, dtype: Any, shape: Any, strides: Any, offset: int, writeable: bool) -> Any:
    """An array with memory of its own, laid out and writeable as it was."""
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
    """A view of an array; read-only where that is, or where its memory is among the frozen."""
    numpy = sys.modules["numpy"]
    if of.flags.c_contiguous:
        buffer = of if of.dtype.kind not in "Mm" else of.view("i8")
        view = numpy.ndarray(shape, dtype, buffer, offset, strides)
    else:
        low, span = offset, dtype.itemsize
        for size, stride in zip(shape, strides, strict=True):
            reach = (size - 1) * stride
            low, span = low + min(reach, 0), span + abs(reach)
        memory = _Memory(of, _address(of) + low, span, read_only=not of.flags.writeable)
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
