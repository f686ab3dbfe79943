"""Pictures and tables of pruning, as files that a Markdown page can embed."""
