// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/grounding.h"
#include "storage/search_text.h"
#include "storage/storage_worker.h"

#include <QFile>
#include <QHash>
#include <QJsonArray>
#include <QJsonDocument>
#include <QSize>

#include <algorithm>

namespace ui {

namespace {

constexpr QSize kNoPicture(999, 999); // boxes stay as the model wrote them

QVector<qint32> unpackIds(const QByteArray &packed)
{
    QVector<qint32> ids;
    ids.reserve(packed.size() / 4);
    for (qsizetype at = 0; at + 4 <= packed.size(); at += 4) {
        quint32 value = 0;
        for (int i = 3; i >= 0; --i)
            value = (value << 8) | quint8(packed[at + i]);
        ids += qint32(value);
    }
    return ids;
}

QDateTime time(qint64 milliseconds)
{
    return QDateTime::fromMSecsSinceEpoch(milliseconds);
}

// What a model points at, in words: its name and the corners of each box in pixels of the picture.
QString boxesInWords(const QString &text, QSize picture)
{
    const QByteArray utf8 = text.toUtf8();
    QByteArray result;
    std::size_t done = 0;
    const auto copyUntil = [&](std::size_t end) { result += utf8.mid(qsizetype(done), qsizetype(end - done)); };
    for (const engine::Grounding &one : engine::findGroundings({utf8.constData(), std::size_t(utf8.size())})) {
        copyUntil(one.begin);
        result += one.phrase.c_str();
        for (const engine::GroundingBox &box : one.boxes) {
            const engine::PixelBox at = engine::boxInPixels(box, picture.width(), picture.height());
            result += QStringLiteral("%1(%2, %3)-(%4, %5)").arg(result.isEmpty() || result.endsWith(' ') ? QString() : QStringLiteral(" "))
                          .arg(at.left).arg(at.top).arg(at.right).arg(at.bottom).toUtf8();
        }
        done = one.end;
    }
    copyUntil(std::size_t(utf8.size()));
    return QString::fromUtf8(result);
}

// `picture`: the size of the one that answers are about, kept from message to message.
QString messageMarkdown(const StoredMessage &message, const QString &who, QSize &picture)
{
    const auto first = std::find_if(message.parts.begin(), message.parts.end(), [](const StoredPart &part) { return part.kind == PartKind::Image; });
    if (first != message.parts.end())
        picture = QSize(first->width, first->height);
    QString text = QStringLiteral("### ") + who + QStringLiteral("\n\n");
    for (const StoredPart &part : message.parts) {
        if (part.kind == PartKind::Image)
            text += QStringLiteral("![%1](attachments/%2)\n\n").arg(part.name, part.sha256);
        else if (part.kind == PartKind::Thinking)
            text += QStringLiteral("<details>\n\n") + part.text + QStringLiteral("\n\n</details>\n\n");
        else
            text += (message.role == StoredRole::Assistant ? boxesInWords(part.text, picture) : part.text) + QStringLiteral("\n\n");
    }
    return text;
}

} // namespace

QVector<SessionRow> ConversationStore::Worker::sessions()
{
    QVector<SessionRow> rows;
    Statement read(m_database.handle(),
        "SELECT id, 1, title, updated, (SELECT count(*) FROM message WHERE conversation = conversation.id AND role = 2),"
        " 1 FROM conversation WHERE comparison IS NULL"
        " UNION ALL"
        " SELECT id, 2, title, updated, (SELECT count(*) FROM message WHERE role = 2 AND conversation ="
        " (SELECT min(id) FROM conversation WHERE comparison = comparison.id)),"
        " (SELECT count(*) FROM conversation WHERE comparison = comparison.id) FROM comparison"
        " ORDER BY 4 DESC, 1 DESC");
    while (read.step())
        rows += SessionRow{.id = read.integer(0),
            .kind = ConversationKind(read.integer(1)),
            .title = read.text(2),
            .updated = time(read.integer(3)),
            .questions = int(read.integer(4)),
            .columns = int(read.integer(5))};
    return rows;
}

StoredConversation ConversationStore::Worker::conversation(RowId id)
{
    StoredConversation result;
    Statement read(m_database.handle(), "SELECT kind, title, model_key, settings, leaf FROM conversation WHERE id = ?");
    if (!read.bind(id).step())
        return result;
    result.id = id;
    result.kind = ConversationKind(read.integer(0));
    result.title = read.text(1);
    result.modelKey = read.text(2);
    result.settings = read.text(3);
    result.leaf = read.integer(4);
    readMessages(result);
    readParts(result);
    readRuns(result);
    return result;
}

void ConversationStore::Worker::readMessages(StoredConversation &conversation)
{
    Statement read(m_database.handle(),
        "SELECT id, parent, role, state, created FROM message WHERE conversation = ? ORDER BY id");
    read.bind(conversation.id);
    while (read.step())
        conversation.messages += StoredMessage{.id = read.integer(0),
            .parent = read.integer(1),
            .role = StoredRole(read.integer(2)),
            .state = AnswerState(read.integer(3)),
            .created = time(read.integer(4)),
            .parts = {},
            .run = {}};
}

void ConversationStore::Worker::readParts(StoredConversation &conversation)
{
    QHash<RowId, StoredMessage *> byId;
    for (StoredMessage &message : conversation.messages)
        byId.insert(message.id, &message);
    Statement read(m_database.handle(),
        "SELECT message, kind, text, attachment, name, width, height FROM part WHERE message IN"
        " (SELECT id FROM message WHERE conversation = ?) ORDER BY message, position");
    read.bind(conversation.id);
    while (read.step())
        if (StoredMessage *message = byId.value(read.integer(0)))
            message->parts += StoredPart{.kind = PartKind(read.integer(1)),
                .text = read.text(2),
                .sha256 = read.text(3),
                .name = read.text(4),
                .width = int(read.integer(5)),
                .height = int(read.integer(6))};
    // What a running answer has so far.
    Statement deltas(m_database.handle(),
        "SELECT message, kind, text FROM delta WHERE message IN (SELECT id FROM message WHERE conversation = ?)"
        " ORDER BY message, position");
    deltas.bind(conversation.id);
    while (deltas.step()) {
        StoredMessage *message = byId.value(deltas.integer(0));
        if (message == nullptr)
            continue;
        const auto kind = PartKind(deltas.integer(1));
        if (message->parts.isEmpty() || message->parts.last().kind != kind)
            message->parts += StoredPart{.kind = kind, .text = {}, .sha256 = {}, .name = {}};
        message->parts.last().text += deltas.text(2);
    }
}

void ConversationStore::Worker::readRuns(StoredConversation &conversation)
{
    QHash<RowId, StoredMessage *> byId;
    for (StoredMessage &message : conversation.messages)
        byId.insert(message.id, &message);
    Statement read(m_database.handle(),
        "SELECT message, model_key, model_name, weights_hash, quantisation, seed, sampler, prompt_ids, generated_ids,"
        " prompt_tokens, image_tokens, thinking_tokens, answer_tokens, first_token_ms, generate_ms, prompt_tps,"
        " generate_tps, finish_reason, error, thinking_ms FROM run WHERE message IN"
        " (SELECT id FROM message WHERE conversation = ?)");
    read.bind(conversation.id);
    while (read.step()) {
        StoredMessage *message = byId.value(read.integer(0));
        if (message == nullptr)
            continue;
        message->run = StoredRun{.modelKey = read.text(1),
            .modelName = read.text(2),
            .weightsHash = read.text(3),
            .quantisation = read.text(4),
            .seed = quint64(read.integer(5)),
            .sampler = read.text(6),
            .promptIds = unpackIds(read.blob(7)),
            .generatedIds = unpackIds(read.blob(8)),
            .promptTokens = int(read.integer(9)),
            .imageTokens = int(read.integer(10)),
            .thinkingTokens = int(read.integer(11)),
            .answerTokens = int(read.integer(12)),
            .firstTokenMs = read.real(13),
            .generateMs = read.real(14),
            .thinkingMs = read.real(19),
            .promptTokensPerSecond = read.real(15),
            .generateTokensPerSecond = read.real(16),
            .finishReason = int(read.integer(17)),
            .error = read.text(18)};
    }
}

StoredComparison ConversationStore::Worker::comparison(RowId id)
{
    StoredComparison result;
    Statement read(m_database.handle(), "SELECT title, same_seed, seed, blind FROM comparison WHERE id = ?");
    if (!read.bind(id).step())
        return result;
    result.id = id;
    result.title = read.text(0);
    result.sameSeed = read.integer(1) != 0;
    result.seed = quint64(read.integer(2));
    const qint64 blind = read.integer(3);
    result.blind = blind == 1 ? Blind::Hidden : blind == 2 ? Blind::Revealed : Blind::Off;
    QVector<RowId> columns;
    Statement find(m_database.handle(), "SELECT id FROM conversation WHERE comparison = ? ORDER BY column_index");
    find.bind(id);
    while (find.step())
        columns += find.integer(0);
    for (const RowId column : columns)
        result.columns += conversation(column);
    Statement votes(m_database.handle(), "SELECT turn, verdict, at FROM vote WHERE comparison = ? ORDER BY turn");
    votes.bind(id);
    while (votes.step())
        result.votes += StoredVote{.turn = int(votes.integer(0)),
            .verdict = Verdict(votes.integer(1)),
            .at = time(votes.integer(2))};
    return result;
}

QVector<StoredToken> ConversationStore::Worker::tokens(RowId message)
{
    QVector<StoredToken> result;
    Statement read(m_database.handle(),
        "SELECT position, token, probability, thinking, text, alternatives FROM token_record WHERE message = ?"
        " ORDER BY position");
    read.bind(message);
    while (read.step()) {
        StoredToken token{.index = int(read.integer(0)),
            .id = qint32(read.integer(1)),
            .probability = float(read.real(2)),
            .thinking = read.integer(3) != 0,
            .text = read.text(4),
            .alternatives = {}};
        const QJsonArray alternatives = QJsonDocument::fromJson(read.text(5).toUtf8()).array();
        for (const QJsonValue &value : alternatives) {
            const QJsonArray other = value.toArray();
            token.alternatives += StoredToken::Alternative{other.at(0).toInt(), float(other.at(1).toDouble()), other.at(2).toString()};
        }
        result += token;
    }
    return result;
}

QByteArray ConversationStore::Worker::attachment(const QString &sha256)
{
    // The name comes from the database, which may have been tampered with: only a hash is a file name here.
    const bool isHash = sha256.size() == 64 && std::all_of(sha256.begin(), sha256.end(),
        [](QChar c) { return (c >= u'0' && c <= u'9') || (c >= u'a' && c <= u'f'); });
    QFile file(attachmentFile(sha256));
    return isHash && file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

QVector<SearchHit> ConversationStore::Worker::search(const QString &words)
{
    QVector<SearchHit> hits;
    const QString query = searchQuery(words);
    if (query.isEmpty())
        return hits;
    Statement read(m_database.handle(),
        "SELECT search.rowid, snippet(search, 0, char(0x2068), char(0x2069), '…', 24), message.id,"
        " coalesce(conversation.comparison, conversation.id, comparison.id),"
        " CASE WHEN conversation.comparison IS NOT NULL OR comparison.id IS NOT NULL THEN 2 ELSE 1 END,"
        " coalesce(comparison.title, conversation.title), coalesce(comparison.updated, conversation.updated)"
        " FROM search"
        " LEFT JOIN message ON message.id = search.rowid"
        " LEFT JOIN conversation ON conversation.id = coalesce(message.conversation, -search.rowid)"
        " LEFT JOIN comparison ON comparison.id = coalesce(conversation.comparison, -search.rowid)"
        " WHERE search MATCH ? ORDER BY 7 DESC, rank LIMIT 200");
    read.bind(query);
    while (read.step()) {
        if (read.isNull(3))
            continue;
        hits += SearchHit{.session = read.integer(3),
            .kind = ConversationKind(read.integer(4)),
            .message = read.integer(2),
            .title = read.text(5),
            .snippet = joinWords(read.text(1)),
            .updated = time(read.integer(6))};
    }
    return hits;
}

QString ConversationStore::Worker::exportMarkdown(ConversationKind kind, RowId session)
{
    const auto nameOf = [](const StoredMessage &message) {
        if (message.role == StoredRole::Assistant)
            return message.run && !message.run->modelName.isEmpty() ? message.run->modelName : QStringLiteral("Answer");
        return message.role == StoredRole::User ? QStringLiteral("Question") : QStringLiteral("System");
    };
    if (kind == ConversationKind::Chat) {
        const StoredConversation chat = conversation(session);
        QString text = QStringLiteral("# ") + chat.title + QStringLiteral("\n\n");
        QSize picture = kNoPicture;
        for (const StoredMessage &message : chat.path())
            text += messageMarkdown(message, nameOf(message), picture);
        return text;
    }
    const StoredComparison whole = comparison(session);
    QString text = QStringLiteral("# ") + whole.title + QStringLiteral("\n\n");
    for (const StoredConversation &column : whole.columns) {
        text += QStringLiteral("## ") + column.modelKey + QStringLiteral("\n\n");
        QSize picture = kNoPicture;
        for (const StoredMessage &message : column.path())
            text += messageMarkdown(message, nameOf(message), picture);
    }
    return text;
}

} // namespace ui
