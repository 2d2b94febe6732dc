"""How dates are written where a page does not say it: day before month, hours to 24."""
