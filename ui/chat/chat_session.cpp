// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/chat_session.h"

#include "services/engine_service.h"
#include "services/model_library.h"
#include "storage/conversation_store.h"

#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>
#include <QRandomGenerator>

#include <algorithm>

namespace ui {

namespace {

constexpr qsizetype kTitleCharacters = 60;

QString titleFrom(const QString &question)
{
    QString title = question.simplified();
    if (title.size() > kTitleCharacters)
        title = title.left(kTitleCharacters - 1).trimmed() + u'…';
    return title;
}

TranscriptPicture shown(const LoadedPicture &picture)
{
    TranscriptPicture result;
    result.name = picture.name;
    result.sha256 = picture.sha256;
    result.thumbnail = picture.thumbnail;
    if (picture.image)
        result.size = QSize(picture.image->width, picture.image->height);
    return result;
}

} // namespace

engine::SamplingOptions ChatParameters::sampling() const
{
    engine::SamplingOptions options;
    options.temperature = static_cast<float>(temperature);
    options.topP = static_cast<float>(topP);
    options.topK = topK;
    options.minP = static_cast<float>(minP);
    options.repetitionPenalty = static_cast<float>(repetitionPenalty);
    options.seed = seed;
    options.maxTokens = maxTokens;
    return options;
}

QString ChatParameters::toJson() const
{
    const QJsonObject object{{QStringLiteral("temperature"), temperature}, {QStringLiteral("top_p"), topP},
        {QStringLiteral("top_k"), topK}, {QStringLiteral("min_p"), minP},
        {QStringLiteral("repetition_penalty"), repetitionPenalty}, {QStringLiteral("seed"), QString::number(seed)},
        {QStringLiteral("new_seed"), newSeedEachTime}, {QStringLiteral("max_tokens"), maxTokens},
        {QStringLiteral("system"), system}, {QStringLiteral("think"), think}};
    return QString::fromUtf8(QJsonDocument(object).toJson(QJsonDocument::Compact));
}

ChatParameters ChatParameters::fromJson(const QString &json)
{
    ChatParameters result;
    const QJsonObject object = QJsonDocument::fromJson(json.toUtf8()).object();
    const auto number = [&object](const char *key, double otherwise, double low, double high) {
        return std::clamp(object.value(QLatin1String(key)).toDouble(otherwise), low, high);
    };
    result.temperature = number("temperature", result.temperature, 0, 5);
    result.topP = number("top_p", result.topP, 0, 1);
    result.topK = static_cast<int>(number("top_k", result.topK, 0, 100000));
    result.minP = number("min_p", result.minP, 0, 1);
    result.repetitionPenalty = number("repetition_penalty", result.repetitionPenalty, 0.1, 10);
    result.maxTokens = static_cast<int>(number("max_tokens", result.maxTokens, 1, 1 << 20));
    bool ok = false;
    const quint64 seed = object.value(QLatin1String("seed")).toString().toULongLong(&ok);
    if (ok)
        result.seed = seed;
    result.newSeedEachTime = object.value(QLatin1String("new_seed")).toBool(result.newSeedEachTime);
    result.system = object.value(QLatin1String("system")).toString();
    result.think = object.value(QLatin1String("think")).toBool(result.think);
    return result;
}

ChatSession::ChatSession(EngineService &engine, ModelLibrary &library, ConversationStore &store, ImageLoader &loader,
    QObject *parent)
    : QObject(parent), m_engine(engine), m_library(library), m_store(store), m_loader(loader),
      m_modelKey(library.defaultKey()),
      m_answer(engine, library, store, m_messages)
{
    connect(&loader, &ImageLoader::loaded, this,
        [this](quint64 number, const LoadedPicture &picture) { onPictureRead(number, &picture); });
    connect(&loader, &ImageLoader::failed, this, [this](quint64 number, const QString &name, const QString &sentence) {
        if (m_reading.contains(number)) // not the composer's
            emit problem(tr("The picture %1 of this chat is gone: %2").arg(name, sentence));
        onPictureRead(number, nullptr);
    });
    connect(&m_answer, &RunningAnswer::finished, this, &ChatSession::onFinished);
}

ChatSession::~ChatSession() = default;

void ChatSession::restore(const StoredConversation &stored)
{
    m_conversation = stored.id;
    m_title = stored.title;
    m_modelKey = stored.modelKey.isEmpty() ? m_library.defaultKey() : stored.modelKey;
    m_parameters = ChatParameters::fromJson(stored.settings);
    m_messages.clear();
    m_turns.clear();
    for (const StoredMessage &row : stored.path()) {
        if (row.role == StoredRole::System)
            continue;
        Turn turn;
        turn.id = row.id;
        turn.parent = row.parent;
        turn.role = row.role == StoredRole::User ? engine::Role::User : engine::Role::Assistant;
        turn.asksWhere = row.asksWhere();
        Message message;
        message.id = row.id;
        message.author = row.role == StoredRole::User ? Author::User : Author::Assistant;
        for (const StoredPart &part : row.parts) {
            if (part.kind != PartKind::Image)
                continue;
            LoadedPicture picture;
            picture.name = part.name;
            picture.sha256 = part.sha256;
            turn.pictures.push_back(picture);
            TranscriptPicture place = shown(picture);
            place.size = QSize(part.width, part.height);
            message.pictures.push_back(place);
            ++m_attachments;
            m_store.loadAttachment(part.sha256, this, [this, sha256 = part.sha256, name = part.name](const QByteArray &encoded) {
                --m_attachments;
                m_reading.insert(m_loader.loadBytes(encoded, name), sha256);
            });
        }
        if (row.role == StoredRole::Assistant) {
            message.phase = phaseOf(row.state);
            if (row.run) {
                const StoredRun &run = *row.run;
                message.modelName = run.modelName;
                message.error = run.error;
                message.figures = figuresOf(run);
                m_usedTokens = run.promptTokens + run.thinkingTokens + run.answerTokens;
            }
        }
        m_turns.push_back(turn);
        m_messages.append(message, row.text(PartKind::Text), row.text(PartKind::Thinking));
        if (row.role == StoredRole::Assistant)
            showBoxes(m_messages, m_messages.count() - 1);
    }
    emit changed();
}

void ChatSession::onPictureRead(quint64 number, const LoadedPicture *picture)
{
    const auto found = m_reading.constFind(number);
    if (found == m_reading.constEnd())
        return;
    const QString sha256 = *found;
    m_reading.erase(found);
    for (Turn &turn : m_turns) {
        for (qsizetype index = 0; index < turn.pictures.size(); ++index) {
            if (turn.pictures[index].sha256 != sha256 || !picture)
                continue;
            const QString name = turn.pictures[index].name;
            turn.pictures[index] = *picture;
            turn.pictures[index].name = name;
            turn.pictures[index].sha256 = sha256;
            m_messages.update(turn.id, [&](Message &message) {
                if (index >= message.pictures.size())
                    return;
                const QVector<PictureBox> boxes = message.pictures[index].boxes;
                message.pictures[index] = shown(turn.pictures[index]);
                message.pictures[index].boxes = boxes;
            });
        }
    }
    sendIfPicturesAreThere();
}

void ChatSession::sendIfPicturesAreThere()
{
    if (!m_waitingForPictures || readsPictures())
        return;
    m_waitingForPictures = false;
    sendRequest();
}

void ChatSession::setModelKey(const QString &key)
{
    if (key == m_modelKey)
        return;
    m_modelKey = key;
    if (m_conversation)
        m_store.setModel(m_conversation, key, m_parameters.toJson());
    emit changed();
}

void ChatSession::setParameters(const ChatParameters &parameters)
{
    if (parameters == m_parameters)
        return;
    m_parameters = parameters;
    if (m_conversation)
        m_store.setModel(m_conversation, m_modelKey, m_parameters.toJson());
    emit changed();
}

void ChatSession::rename(const QString &title)
{
    m_title = title;
    emit changed();
}

void ChatSession::ask(const QString &text, const QVector<LoadedPicture> &pictures, bool asksWhere)
{
    if (isRunning() || text.trimmed().isEmpty())
        return;
    const bool first = m_conversation == 0;
    if (first) {
        m_title = titleFrom(text);
        m_conversation = m_store.createConversation(m_title, m_modelKey);
        m_store.setModel(m_conversation, m_modelKey, m_parameters.toJson());
    }
    QVector<StoredPart> parts;
    Message message;
    message.author = Author::User;
    for (const LoadedPicture &picture : pictures) {
        m_store.addAttachment(picture.sha256, picture.encoded);
        StoredPart part;
        part.kind = PartKind::Image;
        part.sha256 = picture.sha256;
        part.name = picture.name;
        part.width = picture.image ? picture.image->width : 0;
        part.height = picture.image ? picture.image->height : 0;
        parts.push_back(part);
        message.pictures.push_back(shown(picture));
    }
    StoredPart words;
    words.text = text;
    if (asksWhere)
        words.name = kAsksWhere;
    parts.push_back(words);
    Turn turn;
    turn.parent = leaf();
    turn.role = engine::Role::User;
    turn.pictures = pictures;
    turn.asksWhere = asksWhere;
    turn.id = m_store.addMessage(m_conversation, turn.parent, StoredRole::User, parts);
    message.id = turn.id;
    m_turns.push_back(turn);
    m_messages.append(message, text);
    if (first)
        emit conversationCreated(m_conversation);
    startAnswer();
}

void ChatSession::dropFrom(int index)
{
    m_turns.resize(index);
    m_messages.truncate(index);
    m_store.setLeaf(m_conversation, leaf());
}

void ChatSession::regenerate()
{
    if (isRunning() || m_turns.isEmpty())
        return;
    if (m_turns.back().role == engine::Role::Assistant)
        dropFrom(static_cast<int>(m_turns.size()) - 1);
    if (!m_turns.isEmpty())
        startAnswer();
}

ChatSession::Question ChatSession::question(qint64 message) const
{
    const int index = m_messages.indexOf(message);
    if (index < 0)
        return {};
    return {QString::fromUtf8(m_messages.source(index, PartId::Answer)), m_turns[index].pictures, m_turns[index].asksWhere};
}

void ChatSession::askInstead(qint64 message, const QString &text, const QVector<LoadedPicture> &pictures, bool asksWhere)
{
    const int index = m_messages.indexOf(message);
    if (isRunning() || index < 0 || text.trimmed().isEmpty())
        return;
    dropFrom(index);
    ask(text, pictures, asksWhere);
}

QImage ChatSession::picture(qint64 message, int index) const
{
    const int row = m_messages.indexOf(message);
    if (row < 0 || index >= m_turns[row].pictures.size() || !m_turns[row].pictures[index].image)
        return {};
    return ImageLoader::toQImage(*m_turns[row].pictures[index].image);
}

bool ChatSession::hasPictures() const
{
    return std::any_of(m_turns.begin(), m_turns.end(), [](const Turn &turn) { return !turn.pictures.isEmpty(); });
}

void ChatSession::startAnswer()
{
    Turn turn;
    turn.parent = leaf();
    turn.role = engine::Role::Assistant;
    turn.id = m_answer.begin({.conversation = m_conversation,
        .parent = turn.parent,
        .modelKey = m_modelKey,
        .seed = m_parameters.newSeedEachTime ? QRandomGenerator::global()->bounded(1U << 31) : m_parameters.seed,
        .sampler = m_parameters.toJson()});
    m_turns.push_back(turn);
    // A chat that was just opened may still be reading its pictures back.
    m_waitingForPictures = readsPictures();
    if (!m_waitingForPictures)
        sendRequest();
    emit changed();
}

void ChatSession::sendRequest()
{
    engine::GenerationRequest request;
    if (!m_parameters.system.trimmed().isEmpty()) {
        engine::Turn system;
        system.role = engine::Role::System;
        system.text = m_parameters.system.toStdString();
        request.turns.push_back(std::move(system));
    }
    const ModelEntry *entry = m_library.find(m_modelKey);
    for (int index = 0; index < m_turns.size(); ++index) {
        if (m_turns[index].id == m_answer.id())
            break;
        engine::Turn turn;
        turn.role = m_turns[index].role;
        turn.text = m_messages.source(index, PartId::Answer).toStdString();
        turn.thinking = m_messages.source(index, PartId::Thinking).toStdString();
        for (const LoadedPicture &picture : m_turns[index].pictures) {
            if (picture.image)
                turn.images.push_back(picture.image);
        }
        // A model that was chosen since and cannot point reads the question as words.
        turn.asksWhere = m_turns[index].asksWhere && entry && entry->info.locates;
        request.turns.push_back(std::move(turn));
    }
    request.sampling = m_parameters.sampling();
    request.sampling.seed = m_answer.run().seed;
    if (entry && entry->info.thinks && !m_parameters.think)
        request.think.mode = engine::ThinkMode::Off;
    m_answer.send(std::move(request));
    emit changed();
}

void ChatSession::onFinished(AnswerState state)
{
    m_waitingForPictures = false;
    const StoredRun &run = m_answer.run();
    if (run.promptTokens > 0)
        m_usedTokens = run.promptTokens + run.thinkingTokens + run.answerTokens;
    if (const int row = m_messages.indexOf(m_answer.id()); row >= 0)
        showBoxes(m_messages, row);
    emit changed();
    emit answerFinished(state == AnswerState::Complete ? tr("Answer finished, %1 tokens").arg(QLocale().toString(run.answerTokens))
                        : state == AnswerState::Cancelled ? tr("Answer stopped")
                                                          : tr("The answer failed"));
}

void ChatSession::stop()
{
    m_answer.stop();
}

} // namespace ui
