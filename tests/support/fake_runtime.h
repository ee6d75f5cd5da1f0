// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/runtime.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// An engine without models: every answer is a script, written by a thread of its own as the real one does.
namespace fake {

struct Script {
    std::vector<std::string> thinking;
    std::vector<std::string> answer = {"One", " red", " circle", "."};
    int microsecondsPerPiece = 500;
    bool endless = false; // repeats the answer until it is cancelled
};

class Runtime final : public engine::Runtime {
public:
    Runtime();
    ~Runtime() override;

    // What a model of this path and requantisation says; the default Script otherwise.
    std::function<Script(const engine::LoadOptions &, const engine::GenerationRequest &)> script;
    int loadMilliseconds = 5;
    std::string failLoadsOf; // a path that cannot be loaded
    bool failLoadsOfRequantized = false;
    std::string noRoom; // why loads of re-quantised models with a context of more than 1,024 tokens fail; empty: they do not
    std::string noCard; // why loads on a card fail; empty: they do not
    std::function<std::vector<engine::LoadOffer>(const engine::LoadOptions &)> offersFor; // none: no offers
    std::atomic<bool> isCardLost = false; // answers end with DeviceLost
    std::uint64_t freeBytes = 8'000'000'000ULL; // what the only device says

    [[nodiscard]] std::vector<engine::GenerationRequest> requests() const; // all that were started
    [[nodiscard]] int liveGenerations() const;
    [[nodiscard]] int mostAtOnce() const; // generations running at the same time, at most so far

    std::vector<engine::DeviceInfo> devices() const override;
    std::unique_ptr<engine::ModelLoad> load(const engine::LoadOptions &options, engine::Wake wake) override;
    void unload(engine::ModelId model) override;
    std::vector<engine::LoadedModel> models() const override;
    std::unique_ptr<engine::Generation> start(engine::GenerationRequest request, engine::Wake wake) override;
    engine::Result<std::vector<float>> score(engine::ModelId, const std::vector<std::int32_t> &,
        const std::vector<std::shared_ptr<const engine::Image>> &, std::stop_token) override;
    engine::Result<engine::BenchResult> bench(const engine::BenchOptions &) override;
    engine::Result<std::vector<std::int32_t>> tokenize(engine::ModelId, const std::string &, bool) override;
    engine::Result<engine::ChatPrompt> chatPrompt(const engine::GenerationRequest &, bool) override;
    engine::Result<std::string> detokenize(engine::ModelId, const std::vector<std::int32_t> &) override;

    std::vector<engine::LoadOffer> offers(const engine::LoadOptions &, engine::ErrorCode) override;

    struct State; // shared with what it hands out
private:
    std::shared_ptr<State> m_state;
};

} // namespace fake
