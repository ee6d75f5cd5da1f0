// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_info.h"
#include "engine/request.h"
#include "engine/result.h"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace cli {

// The options every command that runs a model has.
struct ModelOptions {
    std::vector<std::string> models; // -m; compare takes several
    std::string device = "cpu";
    std::string gpuLayers; // a number or auto
    int threads = 0;
    int context = 0;
    int attentionWindow = 0;
    std::string precision = "native";
    std::vector<std::string> adapters; // DIR or DIR:SCALE
    std::string system;
    std::string maxExperts;
    std::vector<int> stopExpertIds;
    std::string speculative = "none";
    std::string think;
    engine::SamplingOptions sampling;

    void addTo(CLI::App &command);
    // The files and options of model `index`; without -m the embedded one.
    engine::Result<engine::LoadOptions> loadOptions(std::size_t index = 0) const;
    // Everything of a request but its model and the question.
    engine::Result<engine::GenerationRequest> request() const;
    engine::Result<engine::GenerationRequest>
    request(const std::string &question,
            std::vector<std::shared_ptr<const engine::Image>> images) const;
};

} // namespace cli
