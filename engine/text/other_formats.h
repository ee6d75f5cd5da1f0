// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text/chat_format.h"

#include <memory>
#include <string>

namespace engine {

// `defaultSystem` stands in when the conversation has no system turn (empty: none is written).
std::unique_ptr<ChatFormat> makeChatMl(std::string imageToken, std::string defaultSystem);
std::unique_ptr<ChatFormat> makeQwen3(std::string imageToken); // ChatML that thinks
std::unique_ptr<ChatFormat> makeLlama3(std::string imageToken);
// No roles: the turns' texts one after the other, for base models and raw streams of thought.
std::unique_ptr<ChatFormat> makePlain(std::string imageToken, bool withBos);

} // namespace engine
