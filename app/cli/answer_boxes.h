// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/image.h"
#include "output.h"

#include <memory>
#include <string>
#include <vector>

namespace cli {

// What an answer points at, one entry a box: its phrase, the box as written (0 to 999 of a picture's sides), and its
// pixels in each picture of the request.
Json groundingJson(const std::string &answer, const std::vector<std::shared_ptr<const engine::Image>> &pictures);
// The same for people, a line a box on standard error.
void printBoxes(const std::string &answer, const std::vector<std::shared_ptr<const engine::Image>> &pictures);

} // namespace cli
