"""The Triton kernels, one file per operation, installed as fastclipgen.kernels.

Importing one needs triton; fastclipgen.ops.library asks first whether it is there.
"""
