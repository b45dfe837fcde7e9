"""What happened and what we owe. The only room that knows SQL."""
