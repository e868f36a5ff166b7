import sys

if sys.argv[2] == "gpu":

    class OutOfMemoryError(RuntimeError):
        __module__ = "torch"

    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
raise MemoryError
