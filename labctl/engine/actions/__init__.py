"""The steps of ``up``, one file each: what it does, and the gate that the next step needs."""
