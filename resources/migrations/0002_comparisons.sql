-- A comparison is a set of conversations, its columns, asked the same questions.
CREATE TABLE comparison (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    same_seed INTEGER NOT NULL DEFAULT 1,
    seed INTEGER NOT NULL DEFAULT 0,
    blind INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
);
ALTER TABLE conversation ADD COLUMN comparison INTEGER REFERENCES comparison(id) ON DELETE CASCADE;
ALTER TABLE conversation ADD COLUMN column_index INTEGER NOT NULL DEFAULT 0; -- left to right
CREATE INDEX conversation_by_comparison ON conversation(comparison, column_index) WHERE comparison IS NOT NULL;
CREATE TABLE vote (
    comparison INTEGER NOT NULL REFERENCES comparison(id) ON DELETE CASCADE,
    turn INTEGER NOT NULL,                -- 0 is the first question
    verdict INTEGER NOT NULL,             -- 1 left better, 2 tie, 3 both bad, 4 right better
    at INTEGER NOT NULL,
    PRIMARY KEY (comparison, turn)
) WITHOUT ROWID;
