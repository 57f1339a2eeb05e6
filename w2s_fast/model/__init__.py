"""The Gaussian model with its exact theory and simulation, and the same study on real features."""
