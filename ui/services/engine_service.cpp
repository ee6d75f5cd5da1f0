// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "services/engine_service.h"

#include "services/answer_stream.h"

#include <algorithm>
#include <utility>

namespace ui {

struct EngineService::Slot {
    struct Waiting {
        QPointer<AnswerStream> stream;
        engine::GenerationRequest request;
    };
    QString key;
    engine::LoadOptions options;
    LoadState state = LoadState::NotLoaded;
    std::unique_ptr<engine::ModelLoad> load;
    engine::ModelId id = 0;
    QString error;
    std::vector<engine::LoadOffer> offers; // of a load that failed
    double share = 0;
    std::vector<Waiting> waiting;
};

EngineService::EngineService(std::unique_ptr<engine::Runtime> runtime, QObject *parent)
    : QObject(parent), m_runtime(std::move(runtime))
{
    m_progress.setInterval(50);
    connect(&m_progress, &QTimer::timeout, this, &EngineService::onProgressTick);
}

EngineService::~EngineService()
{
    // The streams belong to others and may outlive this: they must not touch the engine any more.
    for (const QPointer<AnswerStream> &stream : std::exchange(m_streams, {}))
        if (stream)
            stream->fail({engine::ErrorCode::Cancelled, "The engine has ended."});
    m_offerPool.clear();
    m_offerPool.waitForDone();
    m_slots.clear(); // loads first, they wake this object
    m_runtime.reset();
}

QString EngineService::loadKey(const engine::LoadOptions &options)
{
    QString adapters;
    for (const engine::AdapterOptions &adapter : options.adapters)
        adapters += QStringLiteral("|%1*%2").arg(QString::fromStdString(adapter.path)).arg(adapter.scale);
    return QStringLiteral("%1|%2|%3|%4|%5|%6|%7|%8%9")
        .arg(QString::fromStdString(options.path), QString::fromStdString(options.requantize),
            QStringLiteral("%1/%2").arg(QString::fromStdString(options.device)).arg(options.cardLayers))
        .arg(options.threads)
        .arg(options.contextTokens)
        .arg(options.attentionWindow)
        .arg(int(options.precision))
        .arg(int(options.speculative))
        .arg(adapters);
}

EngineService::Slot *EngineService::find(const QString &key) const
{
    const auto found = std::find_if(m_slots.begin(), m_slots.end(), [&](const auto &slot) { return slot->key == key; });
    return found == m_slots.end() ? nullptr : found->get();
}

AnswerStream *EngineService::ask(
    const engine::LoadOptions &model, engine::GenerationRequest request, QObject *owner)
{
    auto *stream = new AnswerStream(owner);
    m_streams.removeIf([](const QPointer<AnswerStream> &known) { return !known || known->isFinished(); });
    m_streams += stream;
    load(model);
    Slot &slot = *find(loadKey(model));
    slot.waiting.push_back({stream, std::move(request)});
    // Nothing is emitted before the caller could connect.
    if (slot.state != LoadState::Loading)
        QMetaObject::invokeMethod(
            this, [this, key = slot.key] { startWaiting(*find(key)); }, Qt::QueuedConnection);
    return stream;
}

void EngineService::load(const engine::LoadOptions &options)
{
    const QString key = loadKey(options);
    Slot *slot = find(key);
    if (slot == nullptr) {
        m_slots.push_back(std::make_unique<Slot>());
        slot = m_slots.back().get();
        slot->key = key;
        slot->options = options;
    }
    if (slot->state == LoadState::Loaded || slot->state == LoadState::Loading)
        return;
    dropLost(*slot);
    slot->state = LoadState::Loading;
    slot->error.clear();
    slot->offers.clear();
    slot->share = 0;
    slot->load = m_runtime->load(options, [this, key] {
        QMetaObject::invokeMethod(this, [this, key] { onLoadWake(key); }, Qt::QueuedConnection);
    });
    if (slot->load == nullptr) {
        slot->state = LoadState::Failed;
        slot->error = tr("The engine could not begin to load the model.");
    } else {
        m_progress.start();
        QMetaObject::invokeMethod(this, [this, key] { onLoadWake(key); }, Qt::QueuedConnection);
    }
    emit loadStateChanged(key);
}

void EngineService::onLoadWake(const QString &key)
{
    Slot *slot = find(key);
    if (slot == nullptr || slot->load == nullptr)
        return;
    std::optional<engine::Result<engine::ModelId>> result = slot->load->takeResult();
    if (!result)
        return;
    slot->load.reset();
    if (result->ok()) {
        slot->state = LoadState::Loaded;
        slot->id = **result;
        slot->share = 1;
        emit loadStateChanged(key);
        emit modelsChanged();
        startWaiting(*slot);
        return;
    }
    const engine::Error &error = result->error();
    if (error.code == engine::ErrorCode::Cancelled) {
        slot->state = LoadState::NotLoaded;
        emit loadStateChanged(key);
    } else {
        fail(*slot, error);
    }
    failWaiting(*slot, error);
}

// The model cannot be asked any more; what would work instead is looked for away from the GUI thread.
void EngineService::fail(Slot &slot, const engine::Error &error)
{
    slot.state = LoadState::Failed;
    slot.error = QString::fromStdString(error.message);
    slot.offers.clear();
    if (error.code == engine::ErrorCode::OutOfMemory || error.code == engine::ErrorCode::DeviceLost) {
        m_offerPool.start([this, runtime = m_runtime.get(), key = slot.key, options = slot.options, code = error.code] {
            std::vector<engine::LoadOffer> offers = runtime->offers(options, code);
            QMetaObject::invokeMethod(this, [this, key, offers = std::move(offers)] {
                Slot *found = find(key);
                if (found == nullptr || found->state != LoadState::Failed)
                    return;
                found->offers = offers;
                emit loadStateChanged(key);
            }, Qt::QueuedConnection);
        });
    }
    emit loadStateChanged(slot.key);
}

// A card that was lost takes its models along. Those asked at the same time each end with the reason first.
void EngineService::onAnswerFinished(const QString &key, engine::ModelId id, const engine::Finished &finished)
{
    constexpr int kUntilOthersEndedMs = 500;
    Slot *slot = find(key);
    if (slot == nullptr || slot->id != id || !finished.error || finished.error->code != engine::ErrorCode::DeviceLost
        || slot->state != LoadState::Loaded)
        return;
    fail(*slot, *finished.error);
    QTimer::singleShot(kUntilOthersEndedMs, this, [this, key] {
        if (Slot *lost = find(key))
            dropLost(*lost);
    });
}

void EngineService::dropLost(Slot &slot)
{
    if (slot.state != LoadState::Failed || slot.id == 0)
        return;
    m_runtime->unload(std::exchange(slot.id, 0));
    emit modelsChanged();
}

void EngineService::startWaiting(Slot &slot)
{
    if (slot.state == LoadState::Loading)
        return;
    if (slot.state != LoadState::Loaded) {
        failWaiting(slot, {engine::ErrorCode::BadFile,
            slot.error.isEmpty() ? "The model was unloaded before it could answer." : slot.error.toStdString()});
        return;
    }
    for (Slot::Waiting &waiting : std::exchange(slot.waiting, {})) {
        if (!waiting.stream || waiting.stream->isFinished())
            continue;
        waiting.request.model = slot.id;
        connect(waiting.stream, &AnswerStream::finished, this,
            [this, key = slot.key, id = slot.id](const engine::Finished &finished) { onAnswerFinished(key, id, finished); });
        waiting.stream->begin(*m_runtime, std::move(waiting.request));
    }
}

void EngineService::failWaiting(Slot &slot, const engine::Error &error)
{
    for (const Slot::Waiting &waiting : std::exchange(slot.waiting, {}))
        if (waiting.stream)
            waiting.stream->fail(error);
}

void EngineService::onProgressTick()
{
    bool loading = false;
    for (std::size_t i = 0; i < m_slots.size(); ++i) {
        Slot &slot = *m_slots[i];
        if (slot.load == nullptr)
            continue;
        loading = true;
        const engine::LoadProgress progress = slot.load->progress();
        slot.share = progress.totalBytes == 0 ? 0 : double(progress.doneBytes) / double(progress.totalBytes);
        emit loadStateChanged(slot.key);
        for (std::size_t w = 0; w < slot.waiting.size(); ++w)
            if (AnswerStream *stream = slot.waiting[w].stream; stream != nullptr && !stream->isFinished())
                emit stream->modelLoading(slot.share);
    }
    if (!loading)
        m_progress.stop();
}

void EngineService::unload(const engine::LoadOptions &options)
{
    Slot *slot = find(loadKey(options));
    if (slot == nullptr)
        return;
    if (slot->load != nullptr) {
        slot->load->cancel();
        return; // its result says that it was cancelled
    }
    if (slot->state != LoadState::Loaded)
        return;
    m_runtime->unload(slot->id);
    slot->id = 0;
    slot->state = LoadState::NotLoaded;
    emit loadStateChanged(slot->key);
    emit modelsChanged();
}

EngineService::LoadState EngineService::loadState(const engine::LoadOptions &options) const
{
    const Slot *slot = find(loadKey(options));
    return slot == nullptr ? LoadState::NotLoaded : slot->state;
}

QString EngineService::loadError(const engine::LoadOptions &options) const
{
    const Slot *slot = find(loadKey(options));
    return slot == nullptr ? QString() : slot->error;
}

std::vector<engine::LoadOffer> EngineService::offers(const engine::LoadOptions &options) const
{
    const Slot *slot = find(loadKey(options));
    return slot == nullptr ? std::vector<engine::LoadOffer>() : slot->offers;
}

double EngineService::loadShare(const engine::LoadOptions &options) const
{
    const Slot *slot = find(loadKey(options));
    return slot == nullptr ? 0 : slot->share;
}

std::vector<engine::LoadedModel> EngineService::models() const
{
    return m_runtime->models();
}

std::vector<engine::DeviceInfo> EngineService::devices() const
{
    return m_runtime->devices();
}

engine::MemoryUse EngineService::memoryInUse() const
{
    engine::MemoryUse sum;
    for (const engine::LoadedModel &model : m_runtime->models()) {
        sum.weightBytes += model.memory.weightBytes;
        sum.kvBytes += model.memory.kvBytes;
        sum.kvUsedBytes += model.memory.kvUsedBytes;
        if (model.memory.deviceTotalBytes > 0) { // of the card loaded last, were there several
            sum.deviceFreeBytes = model.memory.deviceFreeBytes;
            sum.deviceTotalBytes = model.memory.deviceTotalBytes;
        }
    }
    return sum;
}

} // namespace ui
