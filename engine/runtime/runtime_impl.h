// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/runtime.h"
#include "runtime/device_group.h"
#include "runtime/loaded_parts.h"

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace engine {

class RuntimeImpl final : public Runtime {
public:
    using DeviceProbe = std::function<std::vector<DeviceInfo>()>;
    explicit RuntimeImpl(PartsLoader loader, DeviceProbe probe = {});
    ~RuntimeImpl() override;

    std::vector<DeviceInfo> devices() const override;
    std::unique_ptr<ModelLoad> load(const LoadOptions &options, Wake wake) override;
    void unload(ModelId model) override;
    std::vector<LoadedModel> models() const override;
    std::unique_ptr<Generation> start(GenerationRequest request, Wake wake) override;
    Result<std::vector<float>>
    score(ModelId model, const std::vector<std::int32_t> &tokens,
          const std::vector<std::shared_ptr<const Image>> &images, std::stop_token stop = {}) override;
    Result<BenchResult> bench(const BenchOptions &options) override;
    Result<std::vector<std::int32_t>> tokenize(ModelId model, const std::string &text,
                                               bool asChat) override;
    Result<ChatPrompt> chatPrompt(const GenerationRequest &request, bool opensAnswer) override;
    Result<std::string> detokenize(ModelId model, const std::vector<std::int32_t> &ids) override;
    std::vector<LoadOffer> offers(const LoadOptions &options, ErrorCode error) override;

private:
    struct LoadState;
    class LoadHandle;
    struct Entry {
        std::shared_ptr<ModelSlot> slot;
        DeviceGroup *group = nullptr;
        LoadOptions options;
        ModelInfo info;
        std::shared_ptr<std::atomic<int>> running = std::make_shared<std::atomic<int>>(0);
        std::vector<std::weak_ptr<EventPipe>> pipes; // of its answers, to end them at unload
    };

    void runLoad(const std::shared_ptr<LoadState> &state, std::stop_token stop);
    ModelId enter(const LoadOptions &options, std::shared_ptr<ModelSlot> slot,
                  DeviceGroup &group);                                 // m_mutex held
    std::shared_ptr<ModelSlot> findSlot(const std::string &key) const; // m_mutex held
    DeviceGroup &groupOf(const std::string &device);                   // m_mutex held
    Result<Entry> find(ModelId model) const;
    // Runs `work` on the model's engine thread and waits for what it returns.
    template <typename T, typename Work> Result<T> onEngine(const Entry &entry, Work work);

    PartsLoader m_loader;
    DeviceProbe m_probe;
    mutable std::mutex m_mutex;
    ModelId m_nextId = 1;
    std::map<ModelId, Entry> m_models;
    std::map<std::string, std::unique_ptr<DeviceGroup>> m_groups;
    struct Loading {
        std::shared_ptr<LoadState> state;
        std::jthread thread;
    };
    std::list<Loading> m_loading;
};

} // namespace engine
