"""Real nodes in network namespaces, under real faults, held to what they acknowledged."""
