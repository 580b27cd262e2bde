"""The adapters: both sides as the rest of the program speaks to them (`ports`), over HTTP.

Nothing of the flow imports this package: only the command line joins the two.

bigcommerce  the web store; carries out `ports.OrderSource`
order_list   the walks through its list of orders, which moves while it is read
pos          Lightspeed Retail X-Series; carries out `ports.PointOfSale`
pos_rows     the rows of its answers as records
oauth        getting in to the POS without a personal token, and staying in
token_file   the tokens of that, on disk
"""
