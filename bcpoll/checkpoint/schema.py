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

# Step n brings a file from version n to n + 1; the number of steps is the version that this program writes.
STEPS: tuple[tuple[str, ...], ...] = (_FIRST,)
