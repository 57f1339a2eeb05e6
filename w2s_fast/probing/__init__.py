"""The same study on real features: data, fits, trials."""
