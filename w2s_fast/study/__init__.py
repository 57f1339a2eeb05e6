"""Studies: grids of n and N that run, tabulate and draw themselves."""
