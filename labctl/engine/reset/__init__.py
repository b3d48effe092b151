"""``labctl reset``: a lab brought back to what ``up`` left, without a new boot. One module a part."""
