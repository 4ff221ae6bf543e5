"""A fleet, its links and its centre, simulated: the load before it happens. Pure."""
