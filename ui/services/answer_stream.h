// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/events.h"
#include "engine/runtime.h"

#include <QElapsedTimer>
#include <QObject>
#include <QString>
#include <QTimer>

#include <memory>

namespace ui {

// One running answer on the GUI thread. The engine's wake is posted here and drained at most once a frame.
// Deleting it cancels the answer; no signal comes after that.
// Order: modelLoading* (when the model must be loaded first), phaseChanged/textAdded/tokenRecorded..., one finished.
class AnswerStream final : public QObject
{
    Q_OBJECT

public:
    explicit AnswerStream(QObject *parent = nullptr);
    ~AnswerStream() override;

    void cancel();                                     // ends with finished(Cancelled), also while the model loads
    [[nodiscard]] bool isFinished() const { return m_finished; }
    [[nodiscard]] bool hasStarted() const { return m_generation != nullptr; }

    // For EngineService: the generation begins, or it never could.
    void begin(engine::Runtime &runtime, engine::GenerationRequest request);
    void fail(const engine::Error &error);

signals:
    void modelLoading(double share);                   // 0..1 of the weights, before the engine has the request
    void phaseChanged(engine::Phase phase, int done, int total);
    void textAdded(const QString &text, bool thinking); // joined: at most one per kind and change in a frame
    void tokenRecorded(const engine::TokenRecord &record);
    void routingRecorded(const engine::RoutingRecord &record);
    void attentionRecorded(const engine::AttentionRecord &record);
    void drained();                                    // after each frame's batch
    void finished(const engine::Finished &finished);   // exactly once, last

private:
    void onWake();
    void drain();
    void end(const engine::Finished &finished);

    std::unique_ptr<engine::Generation> m_generation;
    QTimer m_frame; // single shot, 16 ms
    QElapsedTimer m_sinceDrain;
    bool m_finished = false;
    bool m_cancelled = false;
};

} // namespace ui
