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

AnswerPhase phaseOf(const StoredMessage &message)
{
    switch (message.state) {
    case AnswerState::Cancelled:
        return AnswerPhase::Stopped;
    case AnswerState::Failed:
        return AnswerPhase::Failed;
    case AnswerState::Streaming:
    case AnswerState::Interrupted:
        return AnswerPhase::Interrupted;
    default:
        return AnswerPhase::Done;
    }
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

QString errorSentence(const engine::Error &error)
{
    const QString detail = QString::fromStdString(error.message);
    switch (error.code) {
    case engine::ErrorCode::ContextFull:
        return ChatSession::tr("The conversation does not fit the model's context any more. All of it is kept. Start a new chat, "
                               "or choose a model with a longer context. (%1)").arg(detail);
    case engine::ErrorCode::OutOfMemory:
        return ChatSession::tr("There is not enough memory for this answer. Your question is kept. Unload a model on the Models "
                               "page, or ask with fewer pictures. (%1)").arg(detail);
    case engine::ErrorCode::BadFile:
    case engine::ErrorCode::Unsupported:
        return ChatSession::tr("The model cannot be used: %1 Your question is kept. Choose another model above.").arg(detail);
    case engine::ErrorCode::DeviceLost:
        return ChatSession::tr("The device stopped answering: %1 What was written is kept. Choose another device in Settings and "
                               "ask again.").arg(detail);
    case engine::ErrorCode::BadImage:
        return ChatSession::tr("The model could not take the picture: %1 Your question is kept.").arg(detail);
    default:
        return ChatSession::tr("The answer could not be finished: %1 What was written is kept. You can ask again.").arg(detail);
    }
}

ChatSession::ChatSession(EngineService &engine, ModelLibrary &library, ConversationStore &store, ImageLoader &loader,
    QObject *parent)
    : QObject(parent), m_engine(engine), m_library(library), m_store(store), m_loader(loader),
      m_modelKey(library.defaultKey())
{
    connect(&loader, &ImageLoader::loaded, this,
        [this](quint64 number, const LoadedPicture &picture) { onPictureRead(number, &picture); });
    connect(&loader, &ImageLoader::failed, this, [this](quint64 number) { onPictureRead(number, nullptr); });
}

ChatSession::~ChatSession()
{
    if (m_stream) {
        m_stream->disconnect(this);
        m_store.finishAnswer(m_answer, AnswerState::Cancelled, runForStore());
    }
}

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
            m_store.loadAttachment(part.sha256, this, [this, sha256 = part.sha256, name = part.name](const QByteArray &encoded) {
                if (!encoded.isEmpty())
                    m_reading.insert(m_loader.loadBytes(encoded, name), sha256);
            });
        }
        if (row.role == StoredRole::Assistant) {
            message.phase = phaseOf(row);
            if (row.run) {
                const StoredRun &run = *row.run;
                message.modelName = run.modelName;
                message.error = run.error;
                AnswerFigures &figures = message.figures;
                figures.promptTokens = run.promptTokens;
                figures.imageTokens = run.imageTokens;
                figures.thinkingTokens = run.thinkingTokens;
                figures.answerTokens = run.answerTokens;
                figures.firstTokenMs = run.firstTokenMs;
                figures.readTokensPerSecond = run.promptTokensPerSecond;
                figures.writeTokensPerSecond = run.generateTokensPerSecond;
                figures.seed = run.seed;
                figures.hasSeed = true;
                m_usedTokens = run.promptTokens + run.thinkingTokens + run.answerTokens;
            }
        }
        m_turns.push_back(turn);
        m_messages.append(message, row.text(PartKind::Text), row.text(PartKind::Thinking));
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
                if (index < message.pictures.size())
                    message.pictures[index] = shown(turn.pictures[index]);
            });
        }
    }
    if (m_waitingForPictures && m_reading.isEmpty()) {
        m_waitingForPictures = false;
        sendRequest(m_answer);
    }
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

void ChatSession::ask(const QString &text, const QVector<LoadedPicture> &pictures)
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
    parts.push_back(words);
    Turn turn;
    turn.parent = leaf();
    turn.role = engine::Role::User;
    turn.pictures = pictures;
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
    return {QString::fromUtf8(m_messages.source(index, PartId::Answer)), m_turns[index].pictures};
}

void ChatSession::askInstead(qint64 message, const QString &text, const QVector<LoadedPicture> &pictures)
{
    const int index = m_messages.indexOf(message);
    if (isRunning() || index < 0 || text.trimmed().isEmpty())
        return;
    dropFrom(index);
    ask(text, pictures);
}

QImage ChatSession::picture(qint64 message, int index) const
{
    const int row = m_messages.indexOf(message);
    if (row < 0 || index >= m_turns[row].pictures.size() || !m_turns[row].pictures[index].image)
        return {};
    return ImageLoader::toQImage(*m_turns[row].pictures[index].image);
}

StoredRun ChatSession::runForStore() const
{
    StoredRun run;
    run.modelKey = m_modelKey;
    run.modelName = m_library.nameOf(m_modelKey);
    if (const ModelEntry *entry = m_library.find(m_modelKey))
        run.quantisation = entry->requantize.isEmpty() ? QString::fromStdString(entry->info.precision) : entry->requantize;
    run.seed = m_seed;
    run.sampler = m_parameters.toJson();
    return run;
}

void ChatSession::startAnswer()
{
    m_seed = m_parameters.newSeedEachTime ? QRandomGenerator::global()->bounded(1U << 31) : m_parameters.seed;
    m_thinkingMs = 0;
    m_thinkingTimer.invalidate();
    m_writingTimer.invalidate();
    Turn turn;
    turn.parent = leaf();
    turn.role = engine::Role::Assistant;
    turn.id = m_answer = m_store.beginAnswer(m_conversation, turn.parent, runForStore());
    Message message;
    message.id = m_answer;
    message.author = Author::Assistant;
    message.modelName = m_library.nameOf(m_modelKey);
    message.phase = AnswerPhase::Queued;
    message.figures.seed = m_seed;
    message.figures.hasSeed = true;
    m_turns.push_back(turn);
    m_messages.append(message);
    // A chat that was just opened may still be reading its pictures back.
    if (!m_reading.isEmpty())
        m_waitingForPictures = true;
    else
        sendRequest(m_answer);
    emit changed();
}

void ChatSession::sendRequest(RowId answer)
{
    engine::GenerationRequest request;
    if (!m_parameters.system.trimmed().isEmpty()) {
        engine::Turn system;
        system.role = engine::Role::System;
        system.text = m_parameters.system.toStdString();
        request.turns.push_back(std::move(system));
    }
    for (int index = 0; index < m_turns.size(); ++index) {
        if (m_turns[index].id == answer)
            break;
        engine::Turn turn;
        turn.role = m_turns[index].role;
        turn.text = m_messages.source(index, PartId::Answer).toStdString();
        turn.thinking = m_messages.source(index, PartId::Thinking).toStdString();
        for (const LoadedPicture &picture : m_turns[index].pictures) {
            if (picture.image)
                turn.images.push_back(picture.image);
        }
        request.turns.push_back(std::move(turn));
    }
    request.sampling = m_parameters.sampling();
    request.sampling.seed = m_seed;
    const ModelEntry *entry = m_library.find(m_modelKey);
    if (entry && entry->info.thinks && !m_parameters.think)
        request.think.mode = engine::ThinkMode::Off;
    m_stream = m_engine.ask(m_library.loadOptions(m_modelKey), std::move(request), this);
    connect(m_stream, &AnswerStream::modelLoading, this, [this](double share) {
        m_messages.update(m_answer, [share](Message &message) {
            message.phase = AnswerPhase::Loading;
            message.phaseDone = static_cast<int>(share * 100);
            message.phaseTotal = 100;
        });
    });
    connect(m_stream, &AnswerStream::phaseChanged, this, &ChatSession::onPhase);
    connect(m_stream, &AnswerStream::textAdded, this, &ChatSession::onText);
    connect(m_stream, &AnswerStream::finished, this, &ChatSession::onFinished);
    emit changed();
}

void ChatSession::onPhase(engine::Phase phase, int done, int total)
{
    if (phase == engine::Phase::Thinking && !m_thinkingTimer.isValid())
        m_thinkingTimer.start();
    if ((phase == engine::Phase::Thinking || phase == engine::Phase::Answering) && !m_writingTimer.isValid())
        m_writingTimer.start();
    m_messages.update(m_answer, [&](Message &message) {
        switch (phase) {
        case engine::Phase::Queued:
            message.phase = AnswerPhase::Queued;
            break;
        case engine::Phase::Looking:
            message.phase = AnswerPhase::Looking;
            break;
        case engine::Phase::Reading:
            message.phase = AnswerPhase::Reading;
            break;
        case engine::Phase::Thinking:
            message.phase = AnswerPhase::Thinking;
            break;
        case engine::Phase::Answering:
            message.phase = AnswerPhase::Answering;
            break;
        }
        message.phaseDone = done;
        message.phaseTotal = total;
        // A live figure from the clock until the engine's exact one comes with the end.
        const bool writing = phase == engine::Phase::Thinking || phase == engine::Phase::Answering;
        if (writing && done > 8 && m_writingTimer.elapsed() > 100)
            message.figures.writeTokensPerSecond = 1000.0 * done / static_cast<double>(m_writingTimer.elapsed());
    });
}

void ChatSession::onText(const QString &text, bool thinking)
{
    if (thinking && !m_thinkingTimer.isValid())
        m_thinkingTimer.start();
    if (!thinking && m_thinkingTimer.isValid() && m_thinkingMs <= 0) {
        m_thinkingMs = static_cast<double>(m_thinkingTimer.elapsed());
        m_messages.update(m_answer, [this](Message &message) { message.figures.thinkingMs = m_thinkingMs; });
    }
    m_messages.appendText(m_answer, text, thinking);
    m_store.appendAnswer(m_answer, text, thinking);
}

void ChatSession::onFinished(const engine::Finished &finished)
{
    if (m_stream)
        m_stream->deleteLater();
    m_stream = nullptr;
    StoredRun run = runForStore();
    const engine::Usage &usage = finished.usage;
    run.promptIds = QVector<qint32>(finished.promptIds.begin(), finished.promptIds.end());
    run.generatedIds = QVector<qint32>(finished.generatedIds.begin(), finished.generatedIds.end());
    run.promptTokens = usage.promptTokens;
    run.imageTokens = usage.imageTokens;
    run.thinkingTokens = usage.thinkingTokens;
    run.answerTokens = usage.answerTokens;
    run.firstTokenMs = usage.firstTokenMs;
    run.generateMs = usage.generateMs;
    run.promptTokensPerSecond = usage.promptTokensPerSecond;
    run.generateTokensPerSecond = usage.generateTokensPerSecond;
    run.finishReason = static_cast<int>(finished.reason);
    AnswerState state = AnswerState::Complete;
    AnswerPhase phase = AnswerPhase::Done;
    if (finished.reason == engine::FinishReason::Cancelled) {
        state = AnswerState::Cancelled;
        phase = AnswerPhase::Stopped;
    } else if (finished.reason == engine::FinishReason::Failed || finished.error) {
        state = AnswerState::Failed;
        phase = AnswerPhase::Failed;
        run.error = finished.error ? errorSentence(*finished.error) : tr("The answer could not be finished.");
    }
    m_messages.update(m_answer, [&](Message &message) {
        message.phase = phase;
        message.error = run.error;
        AnswerFigures &figures = message.figures;
        figures.promptTokens = usage.promptTokens;
        figures.imageTokens = usage.imageTokens;
        figures.thinkingTokens = usage.thinkingTokens;
        figures.answerTokens = usage.answerTokens;
        figures.firstTokenMs = usage.firstTokenMs;
        figures.readTokensPerSecond = usage.promptTokensPerSecond;
        figures.writeTokensPerSecond = usage.generateTokensPerSecond;
        figures.thinkingMs = m_thinkingMs;
        if (finished.reason == engine::FinishReason::Length)
            message.note = tr("ended at the limit of %1 tokens").arg(QLocale().toString(m_parameters.maxTokens));
    });
    m_messages.finishText(m_answer);
    m_store.finishAnswer(m_answer, state, run);
    if (usage.promptTokens > 0)
        m_usedTokens = usage.promptTokens + usage.thinkingTokens + usage.answerTokens;
    emit changed();
    emit answerFinished(phase == AnswerPhase::Done ? tr("Answer finished, %1 tokens").arg(QLocale().toString(usage.answerTokens))
                        : phase == AnswerPhase::Stopped ? tr("Answer stopped")
                                                        : tr("The answer failed"));
}

void ChatSession::stop()
{
    if (m_stream) {
        m_stream->cancel();
    } else if (m_waitingForPictures) {
        m_waitingForPictures = false;
        engine::Finished finished;
        finished.reason = engine::FinishReason::Cancelled;
        onFinished(finished);
    }
}

} // namespace ui
