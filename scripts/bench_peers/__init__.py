"""Side-by-side benchmarks of fenchel against its peers; run through ``scripts/bench-peers``."""
