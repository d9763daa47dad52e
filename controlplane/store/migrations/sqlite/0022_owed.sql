-- How much a carrier may be owed for calls that it takes; NULL for no limit.
ALTER TABLE accounts ADD COLUMN owed_limit INTEGER;

-- What accounts with such a limit may still be owed, lent to nodes like money: available + held + settled = funds, and funds is the limit
-- plus what we paid, less what we owed when the limit was first set. Grants and ledger entries of this purse have the account's id plus
-- 2147483648; `owed` is always 0 here.
CREATE TABLE ledger_debts (
    account INTEGER NOT NULL PRIMARY KEY,
    available INTEGER NOT NULL,
    held INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    funds INTEGER NOT NULL,
    owed INTEGER NOT NULL,
    FOREIGN KEY (account) REFERENCES accounts (id)
) STRICT;
