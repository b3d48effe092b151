"""The one way back: a `snapshot` of what is, its difference to what is now, and what is typed until there is none.

`part` is the loop that a `switch`, a `node` and the `cluster` go through; `changes` undoes what labctl itself changed.
Below `labctl.verify`, whose checks undo their faults with it, and without a runtime.
"""
