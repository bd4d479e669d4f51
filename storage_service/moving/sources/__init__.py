"""Where a move-in reads from. Each knows one kind of store; none knows the target."""
