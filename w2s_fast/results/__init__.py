"""What simulated trials and probes of real features lead to alike: risks, the metrics made of them, summaries."""
