"""The Gaussian model of the paper: exact theory, simulation, planning."""
