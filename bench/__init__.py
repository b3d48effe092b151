"""Figures of labctl on this machine: ``python -m bench``. Measured from outside, as whole processes."""
