-- Conversations, their messages (a tree by parent), parts, pictures and how answers were made. Times are milliseconds
-- since 1970 UTC. Ids come from the program and grow with time.
PRAGMA application_id = 1145655380; -- "DIPT"
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,                -- 1 chat, 2 a column of a comparison
    title TEXT NOT NULL,
    model_key TEXT NOT NULL DEFAULT '',
    settings TEXT NOT NULL DEFAULT '',    -- JSON
    leaf INTEGER NOT NULL DEFAULT 0,      -- the message it stands at
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
);
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
    parent INTEGER NOT NULL DEFAULT 0,    -- 0: a root
    role INTEGER NOT NULL,                -- 1 system, 2 user, 3 assistant
    state INTEGER NOT NULL,               -- 1 complete, 2 streaming, 3 interrupted, 4 cancelled, 5 failed
    created INTEGER NOT NULL
);
CREATE INDEX message_by_conversation ON message(conversation, id);
CREATE TABLE attachment (
    sha256 TEXT PRIMARY KEY,              -- of the file as it was given; it lies under attachments/
    bytes INTEGER NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE part (
    message INTEGER NOT NULL REFERENCES message(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,                -- 1 text, 2 thinking, 3 image
    text TEXT NOT NULL DEFAULT '',
    attachment TEXT,
    name TEXT NOT NULL DEFAULT '',
    width INTEGER NOT NULL DEFAULT 0,
    height INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;
CREATE INDEX part_by_attachment ON part(attachment) WHERE attachment IS NOT NULL;
-- Text of a running answer, one row a frame: appending to a long text would write all of it again each time.
CREATE TABLE delta (
    message INTEGER NOT NULL REFERENCES message(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;
CREATE TABLE run (
    message INTEGER PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE,
    model_key TEXT NOT NULL,
    model_name TEXT NOT NULL,
    weights_hash TEXT NOT NULL DEFAULT '',
    quantisation TEXT NOT NULL DEFAULT '',
    seed INTEGER NOT NULL DEFAULT 0,      -- the 64 bits of an unsigned number
    sampler TEXT NOT NULL DEFAULT '',     -- JSON
    prompt_ids BLOB,                      -- little-endian int32
    generated_ids BLOB,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    image_tokens INTEGER NOT NULL DEFAULT 0,
    thinking_tokens INTEGER NOT NULL DEFAULT 0,
    answer_tokens INTEGER NOT NULL DEFAULT 0,
    first_token_ms REAL NOT NULL DEFAULT 0,
    generate_ms REAL NOT NULL DEFAULT 0,
    prompt_tps REAL NOT NULL DEFAULT 0,
    generate_tps REAL NOT NULL DEFAULT 0,
    finish_reason INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
);
