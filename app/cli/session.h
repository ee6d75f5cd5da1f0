// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/runtime.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

using TextSink = std::function<void(std::string_view text, bool thinking)>;

struct Answer {
    std::string text, thinking;
    engine::Finished end;
};

// The engine as the command line drives it, from one thread: waits, shows progress, minds Ctrl+C.
class Session {
public:
    Session();

    engine::Runtime &runtime() { return *m_runtime; }
    // With a progress bar on stderr when that is a terminal.
    engine::Result<engine::ModelId> load(const engine::LoadOptions &options);
    double loadMs() const { return m_loadMs; } // of all loads so far
    std::uint64_t deviceBytes() const;         // weights and caches of all models loaded
    std::string nameOf(engine::ModelId model) const;
    int vocabularyOf(engine::ModelId model) const;
    int contextOf(engine::ModelId model) const;

    // Runs all of them together, in order of the requests; `show` gets the text of the first as it
    // comes.
    std::vector<Answer> ask(std::vector<engine::GenerationRequest> requests,
                            const TextSink &show = {});

private:
    std::unique_ptr<engine::Runtime> m_runtime;
    double m_loadMs = 0;
};

// What would run instead, at the end of the error of a load that found no room or no card.
void addOffers(engine::Error &error, const std::vector<engine::LoadOffer> &offers);

// Failed and ContextFull carry an error, Cancelled gets one.
engine::Status statusOf(const Answer &answer);

// The pictures of -i, decoded by diptych-decode.
engine::Result<std::vector<std::shared_ptr<const engine::Image>>>
readPictures(const std::vector<std::string> &files);

} // namespace cli
