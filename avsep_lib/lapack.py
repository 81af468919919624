"""Cholesky by SciPy's own LAPACK, without holding Python's lock: mixtures in two threads are factorised on two cores.

`scipy.linalg.lapack` keeps the lock while it computes. Its functions for Cython are the same code, and ctypes lets go of
the lock around a call. numpy's and torch's Cholesky let go of it too, but are three times as slow (benchmarks/README.md).
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from scipy.linalg import cython_lapack

from avsep_lib.signals import Array

_LOWER = ctypes.byref(ctypes.c_char(b"L"))
_ARGUMENTS = {"dpotrf": 5, "dpotrs": 8, "dpocon": 9}


@cache
def _function(name: str) -> ctypes._CFuncPtr:
    """LAPACK's function `name`; every argument is a pointer."""
    capsule, api = cython_lapack.__pyx_capi__[name], ctypes.pythonapi
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", api))
    pointers = [ctypes.c_void_p] * _ARGUMENTS[name]
    return ctypes.CFUNCTYPE(None, *pointers)(pointer_of(capsule, name_of(capsule)))


def cholesky(matrix: Array) -> Array | None:
    """Lower factor of a symmetric matrix; None when there is none.

    Parameters
    ----------
    matrix : ndarray, shape (n, n), float64, in Fortran's order
        Only the lower triangle is read. It is overwritten, and is the result; what lies above the diagonal stays.
    """
    _check(matrix, len(matrix))
    n, info = ctypes.c_int(len(matrix)), ctypes.c_int()
    size = ctypes.byref(n)
    _function("dpotrf")(_LOWER, size, matrix.ctypes.data, size, ctypes.byref(info))
    return None if info.value else matrix


def solve(factor: Array, right: Array) -> Array:
    """Solutions (m, n) of the equations that a lower `factor` (n, n) stands for, with right sides (m, n)."""
    _check(factor, right.shape[-1])
    solutions = np.array(right, dtype=np.float64, order="C")  # rows in C's order are LAPACK's columns
    n, m, info = ctypes.c_int(len(factor)), ctypes.c_int(len(solutions)), ctypes.c_int()
    size = ctypes.byref(n)
    _function("dpotrs")(
        _LOWER, size, ctypes.byref(m), factor.ctypes.data, size, solutions.ctypes.data, size, ctypes.byref(info)
    )
    return solutions


def reciprocal_condition(factor: Array, norm: float) -> float:
    """Estimate of the reciprocal condition number of the matrix with lower `factor` (n, n) and largest column sum `norm`."""
    _check(factor, len(factor))
    n, info = ctypes.c_int(len(factor)), ctypes.c_int()
    anorm, rcond, size = ctypes.c_double(norm), ctypes.c_double(), ctypes.byref(n)
    work, integers = np.empty(3 * len(factor)), np.empty(len(factor), dtype=np.intc)
    _function("dpocon")(
        _LOWER, size, factor.ctypes.data, size, ctypes.byref(anorm), ctypes.byref(rcond),
        work.ctypes.data, integers.ctypes.data, ctypes.byref(info),
    )  # fmt: skip
    return rcond.value


def _check(matrix: Array, n: int) -> None:
    """LAPACK is given addresses: what does not lie there as it expects would be read all the same."""
    if matrix.shape != (n, n) or matrix.dtype != np.float64 or not matrix.flags.f_contiguous:
        raise ValueError(f"a float64 matrix of shape {(n, n)} in Fortran's order is needed, this one is {matrix.shape}")
