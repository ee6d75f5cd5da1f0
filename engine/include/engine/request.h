// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/image.h"
#include "engine/model_info.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace engine {

enum class Role { System = 1, User, Assistant, Tool };

// A function the model asked for. Results follow in turns of Role::Tool, in the order of the calls.
struct ToolCall {
    std::string name;
    std::string arguments; // a JSON object, as the model wrote it
};

// A function the model may ask for, as JSON text: {"type": "function", "function": {"name", "description",
// "parameters": <JSON schema>}}; the inner object alone is read too. Keys keep their order in the prompt.
struct ToolDeclaration {
    std::string json;
};

// One turn of a conversation. Pictures of a user turn stand before its text unless the text holds
// `<image>` placeholders put there by us (never parsed out of what the user typed).
struct Turn {
    Role role = Role::User;
    std::string text;     // UTF-8; special-token spellings in it stay text; of a tool: its result
    std::string thinking; // assistant turns: what was thought, dropped or kept as the chat format says
    std::vector<std::shared_ptr<const Image>> images;
    std::vector<ToolCall> toolCalls = {}; // assistant turns: asked for after `text`
    // User turns: `text` names something, and the answer is to give its boxes (grounding.h). Refused by models without
    // LoadedModel's `info.locates`.
    bool asksWhere = false;
};

struct SamplingOptions {
    float temperature = 0.0F;       // 0: greedy
    int topK = 0;                   // 0: off
    float topP = 1.0F;              // 1: off
    float minP = 0.0F;              // 0: off
    float repetitionPenalty = 1.0F; // 1: off; over the whole context, as in transformers
    std::uint64_t seed = 0;         // the same seed gives the same answer whatever else runs
    int maxTokens = 1024;
    std::vector<std::string> stops; // decoded text that ends the answer; not shown
};

enum class ThinkMode { ModelDefault = 1, On, Off, Budget };
struct ThinkOptions {
    ThinkMode mode = ThinkMode::ModelDefault;
    int budgetTokens = 0; // Budget: thinking is closed after so many tokens
};

struct ExpertOptions {
    int maxExperts = 0;             // 0: as the model says
    bool automatic = false;         // fewer experts where routing is sure
    std::vector<int> stopExpertIds; // routed experts that may not be chosen
};

// Asked for per request; what is not asked for costs nothing.
struct ObserveOptions {
    int alternatives = 0;   // per token: how many most likely tokens with probabilities (0: no TokenRecord)
    bool routing = false;   // RoutingRecord per token
    bool attention = false; // AttentionRecord per token and picture
};

struct GenerationRequest {
    ModelId model = 0;
    std::vector<Turn> turns;
    SamplingOptions sampling;
    ThinkOptions think;
    ExpertOptions experts;
    ObserveOptions observe;
    std::optional<std::vector<std::int32_t>> rawTokens; // instead of turns: exact prompt ids
    std::vector<ToolDeclaration> tools = {}; // refused by models whose chat format has no tools
};

} // namespace engine
