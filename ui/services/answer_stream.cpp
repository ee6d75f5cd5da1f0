// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "services/answer_stream.h"

#include <QPointer>

#include <utility>

namespace ui {

namespace {
constexpr int kFrameMs = 16;
}

AnswerStream::AnswerStream(QObject *parent) : QObject(parent)
{
    m_frame.setSingleShot(true);
    m_frame.setTimerType(Qt::PreciseTimer);
    connect(&m_frame, &QTimer::timeout, this, &AnswerStream::drain);
}

AnswerStream::~AnswerStream()
{
    m_generation.reset(); // cancelled; its wake is not called after this
}

void AnswerStream::begin(engine::Runtime &runtime, engine::GenerationRequest request)
{
    if (m_finished || m_generation != nullptr)
        return;
    m_generation = runtime.start(std::move(request),
        [this] { QMetaObject::invokeMethod(this, &AnswerStream::onWake, Qt::QueuedConnection); });
    if (m_generation == nullptr)
        fail({engine::ErrorCode::Internal, "The engine did not take the question."});
    else
        onWake(); // what was there before the wake could be heard
}

void AnswerStream::fail(const engine::Error &error)
{
    engine::Finished finished;
    finished.reason = error.code == engine::ErrorCode::Cancelled ? engine::FinishReason::Cancelled
                                                                 : engine::FinishReason::Failed;
    finished.error = error;
    end(finished);
}

void AnswerStream::cancel()
{
    if (m_finished)
        return;
    m_cancelled = true;
    if (m_generation != nullptr)
        m_generation->cancel(); // ends with Finished{Cancelled} of the engine
    else
        fail({engine::ErrorCode::Cancelled, "The answer was stopped before it began."});
}

void AnswerStream::onWake()
{
    if (m_finished || m_frame.isActive())
        return;
    const qint64 since = m_sinceDrain.isValid() ? m_sinceDrain.elapsed() : kFrameMs;
    m_frame.start(since >= kFrameMs ? 0 : kFrameMs - int(since));
}

void AnswerStream::drain()
{
    if (m_finished || m_generation == nullptr)
        return;
    m_sinceDrain.start();
    const QPointer<AnswerStream> self(this); // a slot may delete it
    QString text;
    bool thinking = false;
    const auto flush = [&] {
        if (!text.isEmpty())
            emit textAdded(std::exchange(text, {}), thinking);
        return !self.isNull();
    };
    const std::vector<engine::GenerationEvent> events = m_generation->takeEvents();
    for (const engine::GenerationEvent &event : events) {
        if (const auto *added = std::get_if<engine::TextAdded>(&event)) {
            if (added->thinking != thinking && !flush())
                return;
            thinking = added->thinking;
            text += QString::fromUtf8(added->text.data(), qsizetype(added->text.size()));
            continue;
        }
        if (!flush())
            return;
        if (const auto *phase = std::get_if<engine::PhaseChanged>(&event)) {
            emit phaseChanged(phase->phase, phase->done, phase->total);
        } else if (const auto *token = std::get_if<engine::TokenRecord>(&event)) {
            emit tokenRecorded(*token);
        } else if (const auto *routing = std::get_if<engine::RoutingRecord>(&event)) {
            emit routingRecorded(*routing);
        } else if (const auto *attention = std::get_if<engine::AttentionRecord>(&event)) {
            emit attentionRecorded(*attention);
        } else if (const auto *finished = std::get_if<engine::Finished>(&event)) {
            emit drained();
            if (self)
                end(*finished);
            return; // it comes last
        }
        if (!self)
            return;
    }
    if (flush() && !events.empty())
        emit drained();
}

void AnswerStream::end(const engine::Finished &finished)
{
    if (std::exchange(m_finished, true))
        return;
    m_frame.stop();
    m_generation.reset();
    emit this->finished(finished);
}

} // namespace ui
