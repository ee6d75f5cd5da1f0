// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/runtime.h"

#include <QHash>
#include <QObject>
#include <QPointer>
#include <QString>
#include <QThreadPool>
#include <QTimer>
#include <QVector>

#include <memory>
#include <vector>

namespace ui {

class AnswerStream;

// Owns the engine. Models are loaded when first asked, and stay until unloaded. GUI thread.
class EngineService final : public QObject
{
    Q_OBJECT

public:
    enum class LoadState { NotLoaded = 1, Loading, Loaded, Failed };

    explicit EngineService(std::unique_ptr<engine::Runtime> runtime, QObject *parent = nullptr);
    ~EngineService() override;

    // The same options are the same model.
    static QString loadKey(const engine::LoadOptions &options);

    // Returns at once; the model is loaded first when it must be. request.model is filled in here.
    // The stream belongs to `owner`; deleting it cancels the answer.
    AnswerStream *ask(const engine::LoadOptions &model, engine::GenerationRequest request, QObject *owner);

    void load(const engine::LoadOptions &options);   // loadStateChanged tells how it goes
    void unload(const engine::LoadOptions &options); // running answers end with Cancelled
    [[nodiscard]] LoadState loadState(const engine::LoadOptions &options) const;
    [[nodiscard]] QString loadError(const engine::LoadOptions &options) const; // sentence, when Failed
    // What would work instead of a load that failed for want of memory or card; found a moment later, loadStateChanged tells.
    [[nodiscard]] std::vector<engine::LoadOffer> offers(const engine::LoadOptions &options) const;
    [[nodiscard]] double loadShare(const engine::LoadOptions &options) const;  // 0..1

    [[nodiscard]] std::vector<engine::LoadedModel> models() const;
    [[nodiscard]] std::vector<engine::DeviceInfo> devices() const;
    [[nodiscard]] engine::MemoryUse memoryInUse() const;
    [[nodiscard]] engine::Runtime &runtime() { return *m_runtime; }

signals:
    void loadStateChanged(const QString &loadKey); // states and progress
    void modelsChanged();                          // one was loaded or unloaded

private:
    struct Slot;
    void startWaiting(Slot &slot);
    void failWaiting(Slot &slot, const engine::Error &error);
    void onLoadWake(const QString &key);
    void onAnswerFinished(const QString &key, engine::ModelId id, const engine::Finished &finished);
    void fail(Slot &slot, const engine::Error &error);
    void dropLost(Slot &slot);
    void onProgressTick();

    std::unique_ptr<engine::Runtime> m_runtime;
    std::vector<std::unique_ptr<Slot>> m_slots;
    QVector<QPointer<AnswerStream>> m_streams; // that may still run
    QTimer m_progress; // runs only while something loads
    QThreadPool m_offerPool; // ends before the engine
    Slot *find(const QString &key) const;
};

} // namespace ui
