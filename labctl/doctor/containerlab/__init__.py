"""What this host can and cannot do for ``--runtime containerlab``.

`needs` reads from an artifact folder what a lab asks; `facts`, `kernel` and `dockerapi` look at the host; the findings
are pure functions of the two.
"""
