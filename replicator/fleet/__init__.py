"""Who of several shippers delivers which station: decided here, purely, from what each has seen."""
