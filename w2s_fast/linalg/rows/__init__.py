"""A matrix that is read by blocks of rows, its products, and scales at which these neither overflow nor vanish."""
