"""What the catalogue tells; sent inside the transaction, by `send` only."""

from django.dispatch import Signal

# plan= (with its platform and new stock): the stock has just fallen to the threshold or below.
stock_low = Signal()
# plan= (with its platform), watches=: a list of StockWatches whose customers wanted to know.
plan_back_in_stock = Signal()
