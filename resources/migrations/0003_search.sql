-- Full text of answers, questions and titles. split_words() is the program's: it puts a joiner between Chinese,
-- Japanese and Korean characters, so that words of two characters are found. The row id is the message's, or minus
-- the id of the conversation or comparison whose title it is.
CREATE VIRTUAL TABLE search USING fts5(body, tokenize = "unicode61 remove_diacritics 2");
INSERT INTO search(rowid, body)
    SELECT message.id, split_words(group_concat(part.text, char(10)))
    FROM message JOIN part ON part.message = message.id AND part.kind = 1
    GROUP BY message.id;
INSERT INTO search(rowid, body) SELECT -id, split_words(title) FROM conversation WHERE comparison IS NULL;
INSERT INTO search(rowid, body) SELECT -id, split_words(title) FROM comparison;
