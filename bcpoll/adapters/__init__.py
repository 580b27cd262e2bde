"""The adapters: both sides as the rest of the program speaks to them (`ports`), over HTTP.

Nothing of the flow imports this package: only the command line joins the two.

bigcommerce  the web store; carries out `ports.OrderSource`
pos          Lightspeed Retail X-Series; carries out `ports.PointOfSale`
oauth        getting in to the POS without a personal token, and staying in
token_file   the tokens of that, on disk
"""
