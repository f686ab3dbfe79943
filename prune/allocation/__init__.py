"""How many blocks each layer loses: from curves and prices to masks that meet every budget.

tiles, flops, price   what blocks cost: multiply-accumulates, cycles, energy
budget                how much of a cost may stay
equal_slope           one price: equal slope on the convex hulls
allocate              several: the mix of prices, by the Lagrangian dual
exchange              blocks swapped between layers, where the hulls leave a gap
spend                 all of it, until the exact totals meet the budgets
"""
