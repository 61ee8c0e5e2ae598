"""Bad networks, made on one machine and repeatable by a seed: for drills and for the campaign of faults."""
