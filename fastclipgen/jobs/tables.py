"""The tables of a batch's SQLite file, and how one that an older version made becomes one of these. Loads no torch."""

from __future__ import annotations

import sqlite3

VERSION = "2"

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE groups (
  id INTEGER PRIMARY KEY, settings TEXT NOT NULL UNIQUE, decided TEXT, size INTEGER
);
CREATE TABLE packs (
  id INTEGER PRIMARY KEY, grp INTEGER NOT NULL REFERENCES groups, worker TEXT, beat REAL,
  tries INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0, open INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE items (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, grp INTEGER NOT NULL REFERENCES groups,
  pack INTEGER REFERENCES packs, line INTEGER NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', file TEXT, loss REAL, seconds REAL, finished REAL, error TEXT,
  settled INTEGER
);
CREATE TABLE refused (line INTEGER PRIMARY KEY, error TEXT NOT NULL);
"""
# what every claim asks for must cost the same at the end of a long batch as at its beginning
_INDEXES = """
CREATE INDEX items_by_group ON items (grp, state);
CREATE INDEX items_waiting ON items (pack) WHERE state = 'waiting';
CREATE UNIQUE INDEX items_by_settled ON items (settled);
CREATE INDEX packs_claimed ON packs (worker) WHERE worker IS NOT NULL;
CREATE INDEX packs_free ON packs (deaths, grp, id) WHERE open = 1 AND worker IS NULL;
"""
_FROM_ONE = """
DROP INDEX items_by_pack;
DROP INDEX items_by_state;
DROP INDEX packs_by_worker;
ALTER TABLE items ADD COLUMN settled INTEGER;
ALTER TABLE packs ADD COLUMN open INTEGER NOT NULL DEFAULT 1;
CREATE TEMP TABLE in_order (settled INTEGER PRIMARY KEY, number INTEGER UNIQUE);
INSERT INTO in_order (number) SELECT number FROM items WHERE state != 'waiting' ORDER BY finished, number;
UPDATE items SET settled = (SELECT settled FROM in_order WHERE in_order.number = items.number)
  WHERE state != 'waiting';
DROP TABLE in_order;
UPDATE packs SET open = 0 WHERE id NOT IN (SELECT pack FROM items WHERE state = 'waiting' AND pack IS NOT NULL);
"""


def prepare(db: sqlite3.Connection) -> str:
    """Inside a transaction: makes the tables where there are none, brings those of version 1 up to date, and gives the
    version that they have now."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchall():
        _run(db, _TABLES + _INDEXES)
        db.execute("INSERT INTO facts VALUES ('version', ?)", (VERSION,))
    [(version,)] = db.execute("SELECT value FROM facts WHERE name = 'version'").fetchall() or [("none",)]
    if version != "1":
        return version
    _run(db, _FROM_ONE + _INDEXES)
    db.execute("UPDATE facts SET value = ? WHERE name = 'version'", (VERSION,))
    return VERSION


def _run(db: sqlite3.Connection, statements: str) -> None:
    """One after the other, which `executescript` would not do inside the transaction."""
    for statement in statements.split(";"):
        db.execute(statement)
