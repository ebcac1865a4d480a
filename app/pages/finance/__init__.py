"""The dashboard: finance's figures as charts, each with its table, its download, its definition."""
