"""The one way back: a snapshot of what is, its difference to what is now, and what is typed until there is none.

* `snapshot`: the lab as ``up`` left it, kept in the state folder, and its parts beside what is now: for ``reset``, that
  brings back, for ``reset --dry-run`` and a verdict's first lines, that only tell;
* `part`: the loop (read, compare, apply, read back) that each part of a lab goes through: `switch`, `node`, `cluster`;
* `changes`: what labctl itself changed for a check, undone out of the journal, after faults and by the next labctl;
* `client`: the ways into a running lab that all of these use.

A package of its own, below `labctl.verify`: checks undo their faults with it, ``up``, ``reset`` and the repairs of
`labctl.engine` bring back with it. It knows no runtime.
"""
