// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "compare/answer_store.h"

#include <QJsonDocument>
#include <QJsonObject>

namespace ui {

QString samplerJson(const engine::SamplingOptions &sampling)
{
    const QJsonObject object{{QStringLiteral("temperature"), double(sampling.temperature)},
        {QStringLiteral("top_k"), sampling.topK}, {QStringLiteral("top_p"), double(sampling.topP)},
        {QStringLiteral("min_p"), double(sampling.minP)},
        {QStringLiteral("repetition_penalty"), double(sampling.repetitionPenalty)},
        {QStringLiteral("max_tokens"), sampling.maxTokens}};
    return QString::fromUtf8(QJsonDocument(object).toJson(QJsonDocument::Compact));
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
    run.finishReason = int(finished.reason);
    run.error = finished.error ? QString::fromStdString(finished.error->message) : QString();
}

AnswerState answerState(const engine::Finished &finished)
{
    switch (finished.reason) {
    case engine::FinishReason::Cancelled: return AnswerState::Cancelled;
    case engine::FinishReason::Failed:
    case engine::FinishReason::ContextFull: return AnswerState::Failed;
    default: return AnswerState::Complete;
    }
}

} // namespace ui
