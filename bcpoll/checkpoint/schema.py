"""The tables of the checkpoint, as numbered steps. A step that was ever released is never changed: add another.

Amounts and times are TEXT (see `columns`); every table is STRICT; constraints and unique indexes are the last defence
against a mistake of the code above them.
"""

# "bcpl" in ASCII, in the four bytes that SQLite keeps for telling whose file it is.
APPLICATION_ID = 0x6263706C

_FIRST = (
    # One row: whose checkpoint this is. The two names are empty until the first run claims it.
    """
    CREATE TABLE shop (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        made_at TEXT NOT NULL,
        store_hash TEXT NOT NULL DEFAULT '',
        pos TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    # Named instants: cursor, start, sweep, ...
    """
    CREATE TABLE marks (
        name TEXT PRIMARY KEY CHECK (name <> ''),
        at TEXT NOT NULL CHECK (at GLOB '????-??-??T??:??:??.??????Z')
    ) STRICT, WITHOUT ROWID
    """,
    # Orders that were not real yet when the shop was connected, and count as new once they are.
    "CREATE TABLE watched (order_id INTEGER PRIMARY KEY) STRICT",
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        begun_at TEXT NOT NULL,
        ended_at TEXT,
        outcome TEXT CHECK (outcome IN ('done', 'set_aside', 'stopped', 'failed')),
        counts TEXT NOT NULL DEFAULT '{}',
        message TEXT NOT NULL DEFAULT '',
        CHECK ((ended_at IS NULL) = (outcome IS NULL))
    ) STRICT
    """,
    """
    CREATE TABLE ledger (
        order_id INTEGER PRIMARY KEY CHECK (order_id > 0),
        status_id INTEGER NOT NULL,
        modified_at TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        disposition TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('nothing', 'unpaid', 'open', 'paid', 'voided')),
        revision INTEGER NOT NULL CHECK (revision >= 0),
        sale_id TEXT NOT NULL,
        content TEXT NOT NULL,
        total TEXT NOT NULL,
        order_total TEXT,
        tax TEXT,
        customer_key TEXT NOT NULL,
        note TEXT NOT NULL,
        written_at TEXT NOT NULL,
        run_id INTEGER REFERENCES runs,
        CHECK (state NOT IN ('unpaid', 'open', 'paid') OR (sale_id <> '' AND revision > 0))
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_order_per_sale ON ledger (sale_id) WHERE sale_id <> ''",
    "CREATE INDEX ledger_by_time ON ledger (written_at)",
    # How many orders are in each state, kept by triggers: counting a million rows takes longer than an empty pass.
    """
    CREATE TABLE tally (
        state TEXT PRIMARY KEY,
        orders INTEGER NOT NULL CHECK (orders >= 0)
    ) STRICT, WITHOUT ROWID
    """,
    "INSERT INTO tally VALUES ('nothing', 0), ('unpaid', 0), ('open', 0), ('paid', 0), ('voided', 0)",
    """
    CREATE TRIGGER tally_new AFTER INSERT ON ledger BEGIN
        UPDATE tally SET orders = orders + 1 WHERE state = new.state;
    END
    """,
    """
    CREATE TRIGGER tally_changed AFTER UPDATE OF state ON ledger WHEN old.state <> new.state BEGIN
        UPDATE tally SET orders = orders - 1 WHERE state = old.state;
        UPDATE tally SET orders = orders + 1 WHERE state = new.state;
    END
    """,
    """
    CREATE TRIGGER tally_gone AFTER DELETE ON ledger BEGIN
        UPDATE tally SET orders = orders - 1 WHERE state = old.state;
    END
    """,
    # What the store gave back, from the moment it was told; `units` by order line and `to_take_out` by POS product.
    """
    CREATE TABLE refunds (
        id INTEGER PRIMARY KEY CHECK (id > 0),
        order_id INTEGER NOT NULL CHECK (order_id > 0),
        created_at TEXT,
        content TEXT NOT NULL,
        payload TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'booked', 'changed', 'declined', 'left')),
        is_due INTEGER NOT NULL CHECK (is_due IN (0, 1)),
        sale_id TEXT NOT NULL,
        total TEXT,
        units TEXT NOT NULL,
        outlet_id TEXT NOT NULL,
        to_take_out TEXT NOT NULL,
        written_at TEXT NOT NULL,
        run_id INTEGER REFERENCES runs,
        CHECK ((state IN ('booked', 'changed')) = (sale_id <> '' AND total IS NOT NULL)),
        CHECK (to_take_out = '' OR sale_id <> '')
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_refund_per_sale ON refunds (sale_id) WHERE sale_id <> ''",
    "CREATE INDEX refunds_by_order ON refunds (order_id)",
    "CREATE INDEX refunds_due ON refunds (order_id) WHERE is_due",
    "CREATE INDEX refunds_to_take_out ON refunds (id) WHERE to_take_out <> ''",
    """
    CREATE TABLE intents (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL CHECK (key <> ''),
        order_id INTEGER NOT NULL CHECK (order_id >= 0),
        kind TEXT NOT NULL CHECK (kind <> ''),
        target TEXT NOT NULL,
        body TEXT NOT NULL,
        since INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        tries INTEGER NOT NULL CHECK (tries >= 0),
        state TEXT NOT NULL CHECK (state IN ('open', 'done', 'refused', 'unknown')),
        detail TEXT NOT NULL,
        result TEXT NOT NULL,
        settled_at TEXT,
        run_id INTEGER REFERENCES runs,
        CHECK ((settled_at IS NOT NULL) = (state IN ('done', 'refused')))
    ) STRICT
    """,
    # The guard against writing twice: while one outcome is not known, no second write can be begun under its key.
    "CREATE UNIQUE INDEX one_unsettled_intent ON intents (key) WHERE settled_at IS NULL",
    "CREATE INDEX intents_by_order ON intents (order_id)",
    "CREATE INDEX intents_to_prune ON intents (settled_at) WHERE settled_at IS NOT NULL AND body <> ''",
    """
    CREATE TABLE review (
        id INTEGER PRIMARY KEY,
        order_id INTEGER NOT NULL CHECK (order_id >= 0),
        reason TEXT NOT NULL,
        field TEXT NOT NULL,
        detail TEXT NOT NULL,
        payload TEXT NOT NULL,
        first_at TEXT NOT NULL,
        last_at TEXT NOT NULL,
        tries INTEGER NOT NULL CHECK (tries >= 0),
        next_try TEXT,
        state TEXT NOT NULL CHECK (state IN ('open', 'dismissed', 'solved')),
        fingerprint TEXT NOT NULL,
        note TEXT NOT NULL,
        run_id INTEGER REFERENCES runs,
        CHECK (state = 'open' OR next_try IS NULL)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_item_per_order ON review (order_id) WHERE order_id > 0",
    "CREATE UNIQUE INDEX one_item_per_unreadable ON review (fingerprint) WHERE order_id = 0",
    "CREATE INDEX review_by_state ON review (state, first_at)",
    "CREATE INDEX review_due ON review (next_try) WHERE next_try IS NOT NULL",
    # The POS's products, deleted ones left out, and every code each goes by, as `core.order.code_key` writes it.
    """
    CREATE TABLE products (
        id TEXT PRIMARY KEY CHECK (id <> ''),
        name TEXT NOT NULL,
        is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
        tracks_stock INTEGER NOT NULL CHECK (tracks_stock IN (0, 1)),
        version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE product_codes (
        code_key TEXT NOT NULL CHECK (code_key <> ''),
        product_id TEXT NOT NULL REFERENCES products ON DELETE CASCADE,
        PRIMARY KEY (code_key, product_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX codes_by_product ON product_codes (product_id)",
    """
    CREATE TABLE feeds (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL CHECK (version >= 0)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE customers (
        key TEXT PRIMARY KEY CHECK (key <> ''),
        customer_id TEXT NOT NULL CHECK (customer_id <> ''),
        linked_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE answers (
        kind TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

_SECOND = (
    # When the order was placed: by the hour that the day is counted by. Of orders whose sale was sent it is in what was
    # sent; of the others it is not known until they change.
    "ALTER TABLE ledger ADD COLUMN placed_at TEXT",
    """
    UPDATE ledger SET placed_at = (
        SELECT substr(json_extract(body, '$.request.date'), 1, 19) || '.000000Z' FROM intents
        WHERE intents.order_id = ledger.order_id AND kind = 'sale' AND body <> ''
            AND json_extract(body, '$.request.date') GLOB '????-??-??T??:??:??Z'
        ORDER BY id DESC LIMIT 1
    )
    """,
    "CREATE INDEX ledger_by_placing ON ledger (placed_at) WHERE placed_at IS NOT NULL",
    "CREATE INDEX ledger_unpaid ON ledger (order_id) WHERE state = 'unpaid'",
    # Runs are pruned, and a run that something refers to is not: without these, that would be a look at every row.
    "CREATE INDEX ledger_by_run ON ledger (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX refunds_by_run ON refunds (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX intents_by_run ON intents (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX review_by_run ON review (run_id) WHERE run_id IS NOT NULL",
    # What was told to whom, until it is over.
    """
    CREATE TABLE alerts (
        channel TEXT NOT NULL CHECK (channel <> ''),
        matter TEXT NOT NULL CHECK (matter <> ''),
        since TEXT NOT NULL,
        told_at TEXT NOT NULL,
        PRIMARY KEY (channel, matter)
    ) STRICT, WITHOUT ROWID
    """,
)

_BACKFILL = (
    # The historical passes, each over a window of creation times (NULL is open) and with its own position, an order id.
    """
    CREATE TABLE backfills (
        id INTEGER PRIMARY KEY,
        since TEXT,
        until TEXT,
        moves_stock INTEGER NOT NULL CHECK (moves_stock IN (0, 1)),
        position INTEGER NOT NULL CHECK (position >= 0),
        begun_at TEXT NOT NULL,
        ended_at TEXT
    ) STRICT
    """,
    # The orders that a backfill wrote, and with which revision; a pending one is finished as the backfill would.
    """
    CREATE TABLE backfilled (
        order_id INTEGER PRIMARY KEY CHECK (order_id > 0),
        backfill_id INTEGER NOT NULL REFERENCES backfills,
        revision INTEGER NOT NULL CHECK (revision >= 0),
        is_neutral INTEGER NOT NULL CHECK (is_neutral IN (0, 1)),
        is_pending INTEGER NOT NULL CHECK (is_pending IN (0, 1))
    ) STRICT
    """,
    "CREATE INDEX backfilled_pending ON backfilled (order_id) WHERE is_pending",
    # How often a refund's sale was voided because its backfill was undone: booked again, it has another id.
    "ALTER TABLE refunds ADD COLUMN undone INTEGER NOT NULL DEFAULT 0 CHECK (undone >= 0)",
    # What sales of the past moved in the POS's stock and is still to be put back, below zero to be taken out again.
    """
    CREATE TABLE stock_owed (
        outlet_id TEXT NOT NULL CHECK (outlet_id <> ''),
        product_id TEXT NOT NULL CHECK (product_id <> ''),
        units INTEGER NOT NULL,
        PRIMARY KEY (product_id, outlet_id)
    ) STRICT, WITHOUT ROWID
    """,
)

_STOCK_MOVES = (
    # What each write did to the stock of the POS. Without a reference to the runs, which are pruned while this stays;
    # with one to what moved, since every order there ever was has rows of its own.
    """
    CREATE TABLE stock_items (
        id INTEGER PRIMARY KEY,
        code TEXT NOT NULL,
        code_key TEXT NOT NULL,
        product_id TEXT NOT NULL CHECK (product_id <> ''),
        outlet_id TEXT NOT NULL,
        UNIQUE (product_id, outlet_id, code)
    ) STRICT
    """,
    "CREATE INDEX stock_items_by_code ON stock_items (code_key)",
    """
    CREATE TABLE stock_moves (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind <> ''),
        order_id INTEGER NOT NULL CHECK (order_id >= 0),
        target TEXT NOT NULL CHECK (target <> ''),
        item_id INTEGER NOT NULL REFERENCES stock_items,
        units INTEGER NOT NULL,
        run_id INTEGER
    ) STRICT
    """,
    """
    CREATE VIEW stock_account AS
    SELECT stock_moves.id, at, kind, order_id, target, code, code_key, product_id, outlet_id, units, run_id
    FROM stock_moves JOIN stock_items ON stock_items.id = item_id
    """,
    """
    CREATE TEMP TABLE moved (id INTEGER PRIMARY KEY, at, kind, order_id, target, code, code_key, product_id, outlet_id,
        units, run_id)
    """,
    # What was sent before there was this table, as far as it is still kept. At which outlet a register is was read from
    # the POS within a day before every sale; codes are those that the products go by now.
    """
    INSERT INTO moved (at, kind, order_id, target, code, code_key, product_id, outlet_id, units, run_id)
    SELECT settled_at, kind, order_id, target, '', '', line.value ->> '$.product.id' AS sold, coalesce((
            SELECT register.value ->> '$.outlet_id' FROM answers, json_each(answers.value, '$.registers') AS register
            WHERE answers.kind = 'pos reference'
                AND register.value ->> '$.id' = intents.body ->> '$.request.source.register_id'
        ), ''), -sum(line.value ->> '$.quantity'), run_id
    FROM intents, json_each(intents.body, '$.request.line_items') AS line
    WHERE kind IN ('sale', 'refund') AND state = 'done' AND body <> '' AND body ->> '$.request.state' <> 'voided'
    GROUP BY intents.id, sold ORDER BY intents.id
    """,
    """
    INSERT INTO moved (at, kind, order_id, target, code, code_key, product_id, outlet_id, units, run_id)
    SELECT void.settled_at, void.kind, void.order_id, void.target, '', '', product_id, outlet_id, -units, void.run_id
    FROM intents AS void JOIN moved USING (target) WHERE void.kind = 'void_sale' AND void.state = 'done'
    """,
    """
    INSERT INTO moved (at, kind, order_id, target, code, code_key, product_id, outlet_id, units, run_id)
    SELECT settled_at, kind, order_id, target, '', '', item.value ->> '$.product_id', item.value ->> '$.outlet_id',
        CAST(item.value ->> '$.quantity' AS INTEGER), run_id
    FROM intents, json_each(intents.body, '$.items') AS item WHERE kind = 'stock' AND state = 'done' AND body <> ''
    """,
    """
    INSERT INTO moved (at, kind, order_id, target, code, code_key, product_id, outlet_id, units, run_id)
    SELECT settled_at, kind, order_id, target, '', '', result, level.value ->> '$.outlet_id',
        CAST(level.value ->> '$.current_amount' AS INTEGER), run_id
    FROM intents, json_each(intents.body, '$.request.inventory') AS level
    WHERE kind = 'product' AND state = 'done' AND body <> '' AND result <> ''
    """,
    "DELETE FROM moved WHERE product_id IN (SELECT id FROM products WHERE NOT tracks_stock)",
    """
    UPDATE moved SET (code, code_key) = (SELECT min(code_key), min(code_key) FROM product_codes
        WHERE product_codes.product_id = moved.product_id)
    WHERE product_id IN (SELECT product_id FROM product_codes)
    """,
    """
    INSERT INTO stock_items (code, code_key, product_id, outlet_id)
    SELECT DISTINCT code, code_key, product_id, outlet_id FROM moved
    """,
    """
    INSERT INTO stock_moves (at, kind, order_id, target, item_id, units, run_id)
    SELECT at, kind, order_id, target, stock_items.id, units, run_id
    FROM moved JOIN stock_items USING (product_id, outlet_id, code) ORDER BY moved.id
    """,
    "DROP TABLE moved",
    "CREATE INDEX stock_moves_by_order ON stock_moves (order_id)",
    "CREATE INDEX stock_moves_by_item ON stock_moves (item_id)",
    "CREATE INDEX stock_moves_by_target ON stock_moves (target)",
)

_ADJUSTMENTS = (
    # Which adjustments are known is asked for before each further one, among all writes there ever were.
    "CREATE INDEX adjustments ON intents (since) WHERE kind = 'stock'",
)

# Step n brings a file from version n to n + 1; the number of steps is the version that this program writes.
STEPS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _BACKFILL, _STOCK_MOVES, _ADJUSTMENTS)
