"""NumPy's random generators in kernels, handed over by address.

Numba takes a Generator apart by Python functions of ctypes, and goes on where they fail: a signal whose handler raises
in there, such as Ctrl-C, ends in a segmentation fault. The fields of NumPy's C struct ``bitgen_t`` need no Python.
"""

import ctypes
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.random import Generator

Fields = npt.NDArray[np.uintp]  # of a bitgen_t: state, next_uint64, next_uint32, next_double


def fields_of(rng: Generator) -> Fields:
    """What :func:`generator_at` takes; valid as long as ``rng`` lives."""
    address = rng.bit_generator.ctypes.bit_generator.value
    return np.frombuffer((ctypes.c_size_t * 4).from_address(address), np.uintp)  # type: ignore[call-overload]


@intrinsic  # type: ignore[untyped-decorator]
def generator_at(typing_context: Any, fields: Any) -> Any:
    """Make a generator of its fields, which draws from where ``rng`` stands and moves it on."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(fields)(context, builder, arguments[0])
        bits = cgutils.create_struct_proxy(types.NumPyRandomBitGeneratorType("bit_generator"))(context, builder)
        for place, name in enumerate(("state", "fnptr_next_uint64", "fnptr_next_uint32", "fnptr_next_double")):
            setattr(bits, name, builder.load(builder.gep(array.data, [context.get_constant(types.intp, place)])))
        generator = cgutils.create_struct_proxy(signature.return_type)(context, builder)
        generator.bit_generator = bits._getvalue()
        return generator._getvalue()

    return types.NumPyRandomGeneratorType("generator")(fields), build


if numba.config.DISABLE_JIT:  # kernels are then plain Python, which draws from the generator itself
    fields_of = generator_at = lambda rng: rng
