// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/events.h"
#include "engine/request.h"
#include "services/answer_stream.h"
#include "storage/records.h"
#include "transcript/message_model.h"

#include <QElapsedTimer>
#include <QObject>
#include <QPointer>
#include <QString>

namespace ui {

class ConversationStore;
class EngineService;
class ModelLibrary;

// A sentence for people: what happened, what was kept, what to do.
[[nodiscard]] QString wholeSentence(const QString &text); // with a full stop where it has no end
[[nodiscard]] QString errorSentence(const engine::Error &error);

// Between what the engine says, what the database keeps and what the transcript shows.
[[nodiscard]] QString samplerJson(const engine::SamplingOptions &sampling);
[[nodiscard]] AnswerPhase phaseOf(engine::Phase phase);
[[nodiscard]] AnswerPhase phaseOf(AnswerState state); // of an answer that no longer runs
[[nodiscard]] AnswerFigures figuresOf(const StoredRun &run);
// Frames what the answer in this row points at in the pictures of the question before it, or of an earlier one. Returns the frames.
QVector<PictureBox> showBoxes(MessageModel &messages, int answer);

// One answer at a time on its way from the engine into the transcript and the database; the only place that writes
// answers of a running model, for a chat as for a column of a comparison.
class RunningAnswer final : public QObject
{
    Q_OBJECT

public:
    RunningAnswer(EngineService &engine, ModelLibrary &library, ConversationStore &store, MessageModel &messages,
        QObject *parent = nullptr);
    ~RunningAnswer() override; // as drop()

    struct Place {
        RowId conversation = 0;
        RowId parent = 0;
        QString modelKey;
        int column = 0; // colour
        quint64 seed = 0;
        QString sampler; // JSON, for the record
    };
    // The empty answer is stored and stands in the transcript, waiting. Returns its id.
    RowId begin(const Place &place);
    void send(engine::GenerationRequest request); // ends in finished()
    void stop();                                  // also before it was sent
    void drop();                                  // nobody looks any more: cancelled, what was written is kept

    [[nodiscard]] bool isRunning() const { return m_running; }
    [[nodiscard]] RowId id() const { return m_id; }
    [[nodiscard]] const StoredRun &run() const { return m_run; }
    [[nodiscard]] const QString &text() const { return m_text; }
    [[nodiscard]] const QString &thinking() const { return m_thinking; }

signals:
    void loading(double share);
    void phaseChanged(engine::Phase phase, int done, int total);
    void finished(ui::AnswerState state);

private:
    void onLoading(double share);
    void onPhase(engine::Phase phase, int done, int total);
    void onText(const QString &text, bool thinking);
    void onToken(const engine::TokenRecord &record);
    void keepTokens();
    void onFinished(const engine::Finished &finished);

    EngineService &m_engine;
    ModelLibrary &m_library;
    ConversationStore &m_store;
    MessageModel &m_messages;
    QPointer<AnswerStream> m_stream;
    bool m_running = false;
    RowId m_id = 0;
    int m_maxTokens = 0;
    StoredRun m_run;
    QString m_text;
    QString m_thinking;
    QVector<StoredToken> m_tokens; // of this frame
    QElapsedTimer m_sinceThinking;
    QElapsedTimer m_sinceWriting;
};

} // namespace ui
