// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QByteArray>
#include <QDateTime>
#include <QString>
#include <QVector>

#include <optional>

namespace ui {

// Rows of the database as values. Ids are given by the store, grow with time, and are never reused; 0 is none.
using RowId = qint64;

enum class ConversationKind { Chat = 1, Compare };
enum class StoredRole { System = 1, User, Assistant };
enum class PartKind { Text = 1, Thinking, Image };
enum class AnswerState { Complete = 1, Streaming, Interrupted, Cancelled, Failed }; // Interrupted: the program ended first
// Of two columns left or right; of more the column that is best (BestA is the leftmost).
enum class Verdict { LeftBetter = 1, Tie, BothBad, RightBetter, BestA = 10, BestB, BestC, BestD };
enum class Blind { Off = 0, Hidden, Revealed }; // whether the columns' models are named

// The name of a question's text that names something in a picture, to be framed there.
inline const QString kAsksWhere = QStringLiteral("where");

struct StoredPart {
    PartKind kind = PartKind::Text;
    QString text;   // Text, Thinking
    QString sha256; // Image: the attachment's id
    QString name;   // Image: file name; Text: kAsksWhere, or nothing
    int width = 0;  // Image: pixels, upright
    int height = 0;
};

// How an answer was made: enough to make it again.
struct StoredRun {
    QString modelKey;
    QString modelName;
    QString weightsHash;  // of the model's files, as ModelLibrary::weightsHash; empty when not computed
    QString quantisation; // "FP8", "q4_0"
    quint64 seed = 0;
    QString sampler;      // JSON object of the sampling options
    QVector<qint32> promptIds;
    QVector<qint32> generatedIds;
    int promptTokens = 0;
    int imageTokens = 0;
    int thinkingTokens = 0;
    int answerTokens = 0;
    double firstTokenMs = 0;
    double generateMs = 0;
    double thinkingMs = 0; // as the reader waited: first thought to first word
    double promptTokensPerSecond = 0;
    double generateTokensPerSecond = 0;
    int finishReason = 0; // engine::FinishReason, 0 while it runs
    QString error;        // sentence when it failed
};

// One generated token of an answer, for those that were asked with observation. Probabilities before sampling options.
struct StoredToken {
    int index = 0; // 0 is the first generated token
    qint32 id = 0;
    float probability = 0;
    bool thinking = false;
    QString text;
    struct Alternative {
        qint32 id = 0;
        float probability = 0;
        QString text;
    };
    QVector<Alternative> alternatives; // most likely first
};

struct StoredMessage {
    RowId id = 0;
    RowId parent = 0; // 0: a root
    StoredRole role = StoredRole::User;
    AnswerState state = AnswerState::Complete;
    QDateTime created;
    QVector<StoredPart> parts;
    std::optional<StoredRun> run; // answers

    [[nodiscard]] QString text(PartKind kind = PartKind::Text) const; // parts of the kind, joined
    [[nodiscard]] bool asksWhere() const;
};

struct StoredConversation {
    RowId id = 0;
    ConversationKind kind = ConversationKind::Chat;
    QString title;
    QString modelKey;
    QString settings; // JSON of the column's or chat's own parameters
    RowId leaf = 0;   // the message the conversation stands at: follow parents from here
    QVector<StoredMessage> messages; // all, by id; a tree

    [[nodiscard]] const StoredMessage *message(RowId id) const;
    [[nodiscard]] QVector<StoredMessage> path() const; // from the root to the leaf
};

struct StoredVote {
    int turn = 0; // 0 is the first question
    Verdict verdict = Verdict::Tie;
    QDateTime at;
};

struct StoredComparison {
    RowId id = 0;
    QString title;
    QVector<StoredConversation> columns; // left to right
    QVector<StoredVote> votes;           // the latest of each turn
    bool sameSeed = true;
    quint64 seed = 0;
    Blind blind = Blind::Off;
};

// One line of the sidebar: a chat, or a whole comparison.
struct SessionRow {
    RowId id = 0; // of the conversation or of the comparison
    ConversationKind kind = ConversationKind::Chat;
    QString title;
    QDateTime updated;
    int questions = 0;
    int columns = 1;
};

struct SearchHit {
    RowId session = 0; // as SessionRow::id
    ConversationKind kind = ConversationKind::Chat;
    RowId message = 0; // 0: the title matched
    QString title;
    QString snippet;   // plain text around the match; marks are U+2068 before and U+2069 after each hit
    QDateTime updated;
};

} // namespace ui
