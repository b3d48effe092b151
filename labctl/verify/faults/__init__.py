"""Faults: what a step ``fault`` does to the lab, each as journalled changes with the data that undo them."""
