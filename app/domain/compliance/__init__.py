"""Law as data: rules by jurisdiction, each with its dates, its source and how certain it is."""
