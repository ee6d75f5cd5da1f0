// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/running_answer.h"

#include "engine/grounding.h"
#include "services/engine_service.h"
#include "services/local_sentence.h"
#include "services/model_library.h"
#include "storage/conversation_store.h"

#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>

#include <utility>

namespace ui {

namespace {

constexpr int kFirstFigureTokens = 8; // fewer tell no speed
constexpr qint64 kFirstFigureMs = 100;

AnswerState stateOf(const engine::Finished &finished)
{
    switch (finished.reason) {
    case engine::FinishReason::Cancelled:
        return AnswerState::Cancelled;
    case engine::FinishReason::Failed:
    case engine::FinishReason::ContextFull:
        return AnswerState::Failed;
    default:
        return finished.error ? AnswerState::Failed : AnswerState::Complete;
    }
}

void takeUsage(StoredRun &run, const engine::Finished &finished)
{
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
}

} // namespace

QString wholeSentence(const QString &text)
{
    const bool hasEnd = text.isEmpty() || QStringLiteral(".。!！?？").contains(text.back());
    return hasEnd ? text : text + RunningAnswer::tr(".", "ends a sentence");
}

QString errorSentence(const engine::Error &error)
{
    const bool inBrackets = error.code == engine::ErrorCode::ContextFull || error.code == engine::ErrorCode::OutOfMemory;
    const QString said = localSentence(error.message);
    const QString detail = inBrackets ? said : wholeSentence(said);
    switch (error.code) {
    case engine::ErrorCode::ContextFull:
        return RunningAnswer::tr("The conversation does not fit the model's context any more. All of it is kept. Start a new chat, "
                               "or choose a model with a longer context. (%1)").arg(detail);
    case engine::ErrorCode::OutOfMemory:
        return RunningAnswer::tr("There is not enough memory for this answer. Your question is kept. Unload a model on the Models "
                               "page, or ask with fewer pictures. (%1)").arg(detail);
    case engine::ErrorCode::BadFile:
    case engine::ErrorCode::Unsupported:
        return RunningAnswer::tr("The model cannot be used: %1 Your question is kept. Choose another model above.").arg(detail);
    case engine::ErrorCode::DeviceLost:
        return RunningAnswer::tr("The device cannot be used: %1 What was written is kept. Choose another device in Settings and "
                               "ask again.").arg(detail);
    case engine::ErrorCode::BadImage:
        return RunningAnswer::tr("The model could not take the picture: %1 Your question is kept.").arg(detail);
    default:
        return RunningAnswer::tr("The answer could not be finished: %1 What was written is kept. You can ask again.").arg(detail);
    }
}

QString samplerJson(const engine::SamplingOptions &sampling)
{
    const QJsonObject object{{QStringLiteral("temperature"), double(sampling.temperature)},
        {QStringLiteral("top_k"), sampling.topK}, {QStringLiteral("top_p"), double(sampling.topP)},
        {QStringLiteral("min_p"), double(sampling.minP)},
        {QStringLiteral("repetition_penalty"), double(sampling.repetitionPenalty)},
        {QStringLiteral("max_tokens"), sampling.maxTokens}};
    return QString::fromUtf8(QJsonDocument(object).toJson(QJsonDocument::Compact));
}

AnswerPhase phaseOf(engine::Phase phase)
{
    switch (phase) {
    case engine::Phase::Queued:
        return AnswerPhase::Queued;
    case engine::Phase::Looking:
        return AnswerPhase::Looking;
    case engine::Phase::Reading:
        return AnswerPhase::Reading;
    case engine::Phase::Thinking:
        return AnswerPhase::Thinking;
    case engine::Phase::Answering:
        return AnswerPhase::Answering;
    }
    return AnswerPhase::None;
}

AnswerPhase phaseOf(AnswerState state)
{
    switch (state) {
    case AnswerState::Cancelled:
        return AnswerPhase::Stopped;
    case AnswerState::Failed:
        return AnswerPhase::Failed;
    case AnswerState::Streaming:
    case AnswerState::Interrupted:
        return AnswerPhase::Interrupted;
    case AnswerState::Complete:
        break;
    }
    return AnswerPhase::Done;
}

AnswerFigures figuresOf(const StoredRun &run)
{
    AnswerFigures figures;
    figures.promptTokens = run.promptTokens;
    figures.imageTokens = run.imageTokens;
    figures.thinkingTokens = run.thinkingTokens;
    figures.answerTokens = run.answerTokens;
    figures.firstTokenMs = run.firstTokenMs;
    figures.readTokensPerSecond = run.promptTokensPerSecond;
    figures.writeTokensPerSecond = run.generateTokensPerSecond;
    figures.thinkingMs = run.thinkingMs;
    figures.seed = run.seed;
    figures.hasSeed = true;
    return figures;
}

QVector<PictureBox> showBoxes(MessageModel &messages, int answer)
{
    int question = answer - 1;
    while (question >= 0 && messages.at(question).pictures.isEmpty()) // a later question may be about an earlier picture
        --question;
    if (question < 0)
        return {};
    const QByteArray &text = messages.source(answer, PartId::Answer);
    QVector<PictureBox> boxes;
    for (const engine::Grounding &one : engine::findGroundings({text.constData(), static_cast<std::size_t>(text.size())})) {
        for (const engine::GroundingBox &box : one.boxes)
            boxes.push_back({QString::fromStdString(one.phrase), QRectF(QPointF(box.left / 999.0, box.top / 999.0),
                                                                  QPointF(box.right / 999.0, box.bottom / 999.0))});
    }
    if (boxes != messages.at(question).pictures.front().boxes) {
        messages.update(messages.at(question).id, [&](Message &message) {
            for (TranscriptPicture &picture : message.pictures)
                picture.boxes = boxes;
        });
    }
    return boxes;
}

RunningAnswer::RunningAnswer(EngineService &engine, ModelLibrary &library, ConversationStore &store,
    MessageModel &messages, QObject *parent)
    : QObject(parent), m_engine(engine), m_library(library), m_store(store), m_messages(messages)
{
}

RunningAnswer::~RunningAnswer()
{
    drop();
}

RowId RunningAnswer::begin(const Place &place)
{
    drop();
    m_running = true;
    m_text.clear();
    m_thinking.clear();
    m_tokens.clear();
    m_sinceThinking.invalidate();
    m_sinceWriting.invalidate();
    m_run = StoredRun();
    m_run.modelKey = place.modelKey;
    m_run.modelName = m_library.nameOf(place.modelKey);
    if (const ModelEntry *entry = m_library.find(place.modelKey))
        m_run.quantisation = entry->precisionName();
    m_run.weightsHash = m_library.weightsHash(place.modelKey); // read meanwhile when it is not known yet
    m_run.seed = place.seed;
    m_run.sampler = place.sampler;
    m_id = m_store.beginAnswer(place.conversation, place.parent, m_run);
    Message message;
    message.id = m_id;
    message.author = Author::Assistant;
    message.modelName = m_run.modelName;
    message.column = place.column;
    message.phase = AnswerPhase::Queued;
    message.figures.seed = place.seed;
    message.figures.hasSeed = true;
    m_messages.append(message);
    return m_id;
}

void RunningAnswer::send(engine::GenerationRequest request)
{
    m_maxTokens = request.sampling.maxTokens;
    m_stream = m_engine.ask(m_library.loadOptions(m_run.modelKey), std::move(request), this);
    connect(m_stream, &AnswerStream::modelLoading, this, &RunningAnswer::onLoading);
    connect(m_stream, &AnswerStream::phaseChanged, this, &RunningAnswer::onPhase);
    connect(m_stream, &AnswerStream::textAdded, this, &RunningAnswer::onText);
    connect(m_stream, &AnswerStream::tokenRecorded, this, &RunningAnswer::onToken);
    connect(m_stream, &AnswerStream::drained, this, &RunningAnswer::keepTokens);
    connect(m_stream, &AnswerStream::finished, this, &RunningAnswer::onFinished);
}

void RunningAnswer::stop()
{
    if (m_stream) {
        m_stream->cancel();
    } else if (m_running) {
        engine::Finished finished;
        finished.reason = engine::FinishReason::Cancelled;
        onFinished(finished);
    }
}

void RunningAnswer::drop()
{
    if (!std::exchange(m_running, false))
        return;
    delete m_stream; // no signal comes after this
    m_store.finishAnswer(m_id, AnswerState::Cancelled, m_run);
}

void RunningAnswer::onLoading(double share)
{
    m_messages.update(m_id, [share](Message &message) {
        message.phase = AnswerPhase::Loading;
        message.phaseDone = static_cast<int>(share * 100);
        message.phaseTotal = 100;
    });
    emit loading(share);
}

void RunningAnswer::onPhase(engine::Phase phase, int done, int total)
{
    const bool writing = phase == engine::Phase::Thinking || phase == engine::Phase::Answering;
    if (phase == engine::Phase::Thinking && !m_sinceThinking.isValid())
        m_sinceThinking.start();
    if (writing && !m_sinceWriting.isValid())
        m_sinceWriting.start();
    m_messages.update(m_id, [&](Message &message) {
        message.phase = phaseOf(phase);
        message.phaseDone = done;
        message.phaseTotal = total;
        // A live figure from the clock until the engine's exact one comes with the end.
        if (writing && done > kFirstFigureTokens && m_sinceWriting.elapsed() > kFirstFigureMs)
            message.figures.writeTokensPerSecond = 1000.0 * done / static_cast<double>(m_sinceWriting.elapsed());
    });
    emit phaseChanged(phase, done, total);
}

void RunningAnswer::onText(const QString &text, bool thinking)
{
    if (thinking && !m_sinceThinking.isValid())
        m_sinceThinking.start();
    if (!thinking && m_sinceThinking.isValid() && m_run.thinkingMs <= 0) {
        m_run.thinkingMs = static_cast<double>(m_sinceThinking.elapsed());
        m_messages.update(m_id, [this](Message &message) { message.figures.thinkingMs = m_run.thinkingMs; });
    }
    (thinking ? m_thinking : m_text) += text;
    m_messages.appendText(m_id, text, thinking);
    m_store.appendAnswer(m_id, text, thinking);
}

void RunningAnswer::onToken(const engine::TokenRecord &record)
{
    StoredToken token{.index = record.index,
        .id = record.id,
        .probability = record.probability,
        .thinking = record.thinking,
        .text = QString::fromStdString(record.text),
        .alternatives = {}};
    for (const engine::TokenAlternative &other : record.alternatives)
        token.alternatives += {other.id, other.probability, QString::fromStdString(other.text)};
    m_tokens += token;
}

void RunningAnswer::keepTokens()
{
    if (!m_tokens.isEmpty())
        m_store.recordTokens(m_id, std::exchange(m_tokens, {}));
}

void RunningAnswer::onFinished(const engine::Finished &finished)
{
    if (!std::exchange(m_running, false))
        return;
    if (m_stream)
        m_stream->deleteLater();
    m_stream = nullptr;
    if (m_sinceThinking.isValid() && m_run.thinkingMs <= 0)
        m_run.thinkingMs = static_cast<double>(m_sinceThinking.elapsed());
    const AnswerState state = stateOf(finished);
    takeUsage(m_run, finished);
    if (state == AnswerState::Failed)
        m_run.error = finished.error ? errorSentence(*finished.error) : tr("The answer could not be finished.");
    m_run.weightsHash = m_library.weightsHash(m_run.modelKey);
    m_messages.update(m_id, [&](Message &message) {
        message.phase = phaseOf(state);
        message.error = m_run.error;
        message.figures = figuresOf(m_run);
        if (finished.reason == engine::FinishReason::Length)
            message.note = tr("ended at the limit of %1 tokens").arg(QLocale().toString(m_maxTokens));
    });
    m_messages.finishText(m_id);
    m_store.finishAnswer(m_id, state, m_run);
    emit this->finished(state);
}

} // namespace ui
