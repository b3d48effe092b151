"""What this host can and cannot do: facts collected at the edge (`facts`), judged by pure functions (`findings`)."""
