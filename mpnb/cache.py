"""What the kernel, or a worker, remembers between jobs: blocks of unchanged arrays, and what is in code.

Objects in, blocks and digests out. Nothing in it can be stale: what it knows is compared before it is believed.
"""

from __future__ import annotations

import ctypes
import dis
import functools
import hashlib
import importlib
import itertools
import marshal
import opcode
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final, TypeVar

from mpnb.buffers import KEPT_FOR, Block, Stock, aligned, lent

STOCK_NBYTES: Final = 256 << 20  # of the blocks for arguments that are kept for the next ones

_SCRIPTS_KEPT_FOR: Final = 64  # jobs for which unused code is remembered

Name = str
_Made = TypeVar("_Made")

_GLOBAL_OPS: Final = {
    number
    for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL", "DELETE_GLOBAL")
    if (number := opcode.opmap.get(name)) is not None
}
_SHIFTED: Final = opcode.opmap["LOAD_GLOBAL"]  # its lowest bit says whether a NULL is pushed too
_EXTENDED: Final = opcode.EXTENDED_ARG
# Builtins by which code reaches names that can't be read from it.
BLIND: Final = frozenset({"eval", "exec", "globals"})


def global_names(code: CodeType) -> tuple[Name, ...]:
    """The names that code, and the code nested in it, looks up outside itself, in the order of appearance."""
    found: dict[Name, None] = {}
    argument = 0
    instructions = code.co_code
    for position in range(0, len(instructions), 2):
        operation = instructions[position]
        argument = argument << 8 | instructions[position + 1]
        if operation == _EXTENDED:
            continue
        if operation in _GLOBAL_OPS:
            found[code.co_names[argument >> 1 if operation == _SHIFTED else argument]] = None
        argument = 0
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(dict.fromkeys(global_names(constant)))
    return tuple(found)


def attribute_names(code: CodeType) -> frozenset[str]:
    """Names that code and the code in it look up, of globals and of attributes alike."""
    inner = (attribute_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return frozenset(code.co_names).union(*inner)


def telling_attribute(code: CodeType) -> str | None:
    """An attribute that code, or the code in it, asks for, and that tells a lent array from one with its own memory."""
    if not _TELLING.isdisjoint(code.co_names):  # which is rare
        asked = [each.argval for each in dis.get_instructions(code) if each.opname in {"LOAD_ATTR", "LOAD_METHOD"}]
        for name, after in itertools.pairwise([*asked, None]):
            if name in _TELLING and not (name == "flags" and after in _LAYOUT):
                return str(name)
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return next(filter(None, map(telling_attribute, inner)), None)


_TELLING: Final = frozenset({"flags", "base", "getsizeof"})
_LAYOUT: Final = frozenset({"c_contiguous", "f_contiguous", "contiguous", "aligned", "fnc", "forc"})  # is the same


@dataclass(frozen=True, slots=True)
class Script:
    """What is remembered of a code object; holds it, so that its id stays its own."""

    code: CodeType
    data: bytes
    names: tuple[Name, ...]


_PLAIN: Final = {int, float, complex, str, bytes, bool, type(None)}


def _is_plain(value: Any) -> bool:
    """Whether this is a number or text, or a tuple of such: its repr is all that there is to it."""
    return type(value) in _PLAIN or (type(value) is tuple and all(type(each) in _PLAIN for each in value))


class EncodeCache:
    """What the kernel remembers between jobs; lives as long as the pool.

    Blocks of big arrays, recognised by address and size and believed only after their content was compared; code,
    recognised by identity. Nothing in it can be stale, and it holds no object of the notebook but code.
    """

    def __init__(self) -> None:
        self._scripts: dict[int, tuple[Script, int]] = {}  # and the job that used it last
        self._signatures: dict[int, tuple[CodeType, bytes]] = {}
        self._blocks: dict[Hashable, tuple[Block, int]] = {}
        self._parts: dict[str, tuple[Any, Any]] = {}
        self._members: dict[int, tuple[Any, list[int]]] = {}
        self._constants: dict[int, tuple[Any, list[int] | None, dict[str, tuple[str, Any]]]] = {}
        self._jobs = 0
        self.stock = Stock(STOCK_NBYTES)  # for what is copied on the other side
        self.held: dict[Name, int] = {}  # bytes that the workers hold of a name

    def begin(self) -> None:
        """Begin a job: blocks that the last few jobs did not use are let go."""
        self._jobs += 1
        self.stock.begin()
        if self._jobs % _SCRIPTS_KEPT_FOR == 0:  # every cell that runs has code of its own
            self._scripts = {
                key: kept for key, kept in self._scripts.items() if self._jobs - kept[1] <= _SCRIPTS_KEPT_FOR
            }
        self._blocks = {key: kept for key, kept in self._blocks.items() if self._jobs - kept[1] <= KEPT_FOR}

    def script(self, code: CodeType) -> Script:
        """Marshalled code and the names in it."""
        found, _ = self._scripts.get(id(code), (None, 0))
        if found is None:
            found = Script(code, marshal.dumps(code), global_names(code))
        self._scripts[id(code)] = found, self._jobs
        return found

    def block(self, pieces: Sequence[Any]) -> Block:
        """A block with this content: the one there is, if it still holds."""
        key = tuple((address_of(piece), piece.nbytes) for piece in pieces)
        block, _ = self._blocks.get(key, (None, 0))
        if block is None or not _same_content(block, pieces):
            block = Block.create([memoryview(piece) for piece in pieces])
        self._blocks[key] = block, self._jobs
        return block

    def has(self, piece: Any) -> bool:
        """Whether there is a block for it already: of itself, or of memory that was lent."""
        address = address_of(piece)
        return ((address, piece.nbytes),) in self._blocks or lent(address, piece.nbytes) is not None

    def body(self, body: bytes) -> Block:
        """A block that holds a big pickle."""
        key = digest(body)
        block, _ = self._blocks.get(key, (None, 0))
        if block is None:
            block = Block.create([body])
        self._blocks[key] = block, self._jobs
        return block

    def is_unchanged(self, holder: Any) -> bool:
        """Whether a module or class holds the very objects that it held when this was last asked."""
        now = list(map(id, vars(holder).values()))
        _, before = self._members.get(id(holder), (None, None))
        self._members[id(holder)] = holder, now
        return now == before

    def constants(self, holder: Any) -> dict[str, tuple[str, Any]]:
        """Plain public values of a module or class by name, each with its type: 1, 1.0 and True are equal."""
        now = list(map(id, vars(holder).values()))
        _, before, found = self._constants.get(id(holder), (None, None, {}))
        if now != before:
            found = {
                name: (type(value).__name__, value)
                for name, value in vars(holder).items()
                if not name.startswith("_") and _is_plain(value)
            }
            self._constants[id(holder)] = holder, now, found
        return found

    def forget(self, holder: Any) -> None:
        """Take back what `is_unchanged` noted."""
        self._members.pop(id(holder), None)

    def signature(self, code: CodeType) -> bytes:
        """What code does, in bytes that are the same in every process (those of marshal are not)."""
        found = self._signatures.get(id(code))
        if found is None:
            if len(self._signatures) > 65536:
                self._signatures.clear()
            found = self._signatures[id(code)] = code, digest(repr(_code_text(code)).encode("utf-8", "surrogatepass"))
        return found[1]

    def part(self, name: str, value: Any, make: Callable[[], _Made]) -> _Made:
        """The part made of `value`, made again only when the value is another."""
        known = self._parts.get(name)
        if known is None or known[0] != value:
            known = self._parts[name] = (value, make())
        made: _Made = known[1]
        return made


def address_of(buffer: Any) -> int:
    """Where in memory a contiguous buffer begins."""
    numpy = importlib.import_module("numpy")  # loaded already, unless some other library gave the buffer
    return int(numpy.frombuffer(buffer, "u1").__array_interface__["data"][0]) if buffer.nbytes else 0


@functools.cache
def _memcmp() -> Callable[[int, int, int], int]:
    compare = ctypes.CDLL(None).memcmp
    compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    return compare


def _same_content(block: Block, pieces: Sequence[Any]) -> bool:
    offset, start = 0, address_of(block.view())
    compare = _memcmp()
    for piece in pieces:
        if compare(start + offset, address_of(piece), piece.nbytes) != 0:
            return False
        offset = aligned(offset + piece.nbytes)
    return True


def digest(*pieces: bytes) -> bytes:
    """Sixteen bytes that stand for these."""
    found = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        found.update(piece)
    return found.digest()


def _code_text(code: CodeType) -> tuple[Any, ...]:
    constants: list[Any] = []
    for value in code.co_consts:
        if isinstance(value, CodeType):
            constants.append(_code_text(value))
        elif isinstance(value, frozenset):
            constants.append(sorted(map(repr, value)))  # in an order that does not hang on the hash seed
        else:
            constants.append(repr(value))
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_exceptiontable,
        constants,
    )
