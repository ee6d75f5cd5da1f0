// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QString>

namespace ui {

// Puts U+2060 WORD JOINER around each CJK character: the full-text tokenizer splits there, people see nothing.
[[nodiscard]] QString splitWords(const QString &text);
[[nodiscard]] QString joinWords(QString split); // the inverse, for snippets

// What people typed as an FTS5 query: every word must occur, the last letters may go on. Nothing they type is
// syntax. Empty when there is no word in it.
[[nodiscard]] QString searchQuery(const QString &words);

} // namespace ui
