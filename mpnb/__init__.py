"""mpnb: an ordinary notebook cell on every core."""
