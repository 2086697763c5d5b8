"""For tests and demonstrations: the simulated sky and observatory, builders and fakes."""
