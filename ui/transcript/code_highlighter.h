// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "theme/tokens.h"

#include <QString>

#include <vector>

namespace ui {

struct CodeRange {
    int begin = 0;
    int end = 0;
    theme::Role role = theme::Role::Text;
};

// Light colouring: comments, strings, numbers and the keywords of the languages models write most. One pass, no
// grammar; an unknown language gets strings and numbers only.
std::vector<CodeRange> highlightCode(const QString &language, const QString &code);

} // namespace ui
