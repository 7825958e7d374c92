"""One measured question a module: each prints a table, writes JSON and draws a plot."""
